import numpy as np
import pytest
from scipy import ndimage

from rampline.artifacts.confirm import ConfirmParams, confirm_light
from rampline.artifacts.expected import box

PARAMS = ConfirmParams()
SIDE = 1024
OUTLINE = box((460.0, 540.0), (-0.5, 249.5))
NOWHERE = np.zeros((SIDE, SIDE), np.bool_)


def look(image, is_source, outline, params):
    (found,) = confirm_light(image, is_source, (outline,), params)
    return found


def sky(rng):
    """Noise, stripes, a slope of the sky, and holes where sources are masked."""
    image = rng.normal(0, 0.017, (SIDE, SIDE)) + rng.normal(0, 0.001, (SIDE, 1))
    image += 0.001 * np.linspace(-1, 1, SIDE)
    image[ndimage.maximum_filter(rng.random(image.shape) < 2e-5, 31)] = np.nan
    return image.astype(np.float32)


def breath(mean):
    """Light that falls off from the edge, with this mean over 18 000 pixels."""
    y, x = np.mgrid[:SIDE, :SIDE]
    light = np.exp(-y / 70.0) * np.exp(-0.5 * ((x - 500) / 17.0) ** 2)
    return (mean * 18000 / light.sum() * light).astype(np.float32)


def test_light_well_above_the_scatter_is_found_and_most_of_it_masked(rng):
    for _ in range(4):
        light = breath(0.01)
        found = look(sky(rng) + light, NOWHERE, OUTLINE, PARAMS)
        assert found.is_there
        assert found.excess > 3 * found.excess_err
        assert found.excess == pytest.approx(light[:250, 460:541].mean(), rel=0.3)
    bright = breath(0.08)
    found = look(sky(rng) + bright, NOWHERE, OUTLINE, PARAMS)
    assert bright[found.mask].sum() > 0.9 * bright.sum()
    # it may be followed beyond its outline, but not to where there is none
    assert not found.mask[360:].any()
    assert (found.mask & (bright < 0.0017)).mean() < 0.005


def test_a_place_without_light_is_left_alone(rng):
    outlines = [OUTLINE, OUTLINE[:, ::-1], np.add(OUTLINE, (200.0, 0.0))]
    found = [look(sky(rng), NOWHERE, outline, PARAMS) for outline in outlines * 4]
    assert sum(f.is_there for f in found) <= 1
    assert all(f.mask.any() == f.is_there for f in found)


@pytest.mark.parametrize(
    "outline", [np.empty((0, 2)), OUTLINE - 5000.0, box((0, SIDE), (0, SIDE))]
)
def test_a_place_without_anything_to_compare_with_is_not_believed(rng, outline):
    found = look(sky(rng), NOWHERE, outline, PARAMS)
    assert not found.is_there
    assert np.isnan(found.excess)


def test_light_that_was_found_by_a_search_is_only_followed(rng):
    light, image = breath(0.0006), sky(rng)
    args = image + light, NOWHERE, (OUTLINE,), PARAMS
    (asked,), (seen,) = confirm_light(*args), confirm_light(*args, n_seen=1)
    assert not asked.is_there
    assert seen.is_there == seen.mask.any()
    bright = confirm_light(image + breath(0.02), NOWHERE, (OUTLINE,), PARAMS, n_seen=1)
    assert bright[0].is_there


def test_light_so_strong_that_it_was_taken_for_a_source_is_found(rng):
    light = breath(0.5)
    found = look(sky(rng) + light, light > 0.02, OUTLINE, PARAMS)
    assert found.is_there
    assert light[found.mask].sum() > 0.9 * light.sum()
    # a galaxy that covers less than half of the outline is none
    galaxy = NOWHERE.copy()
    galaxy[:100, 460:541] = True
    image = sky(rng) + np.where(galaxy, np.float32(5.0), np.float32(0.0))
    assert not look(image, galaxy, OUTLINE, PARAMS).is_there


def test_a_place_that_is_unknown_is_not_believed(rng):
    image = sky(rng) + breath(0.05)
    image[:250, 460:541] = np.nan
    assert not look(image, NOWHERE, OUTLINE, PARAMS).is_there


@pytest.mark.parametrize("low", [100.0, 400.0, 620.0])
def test_light_across_the_whole_frame_is_found_wherever_it_lies(rng, low):
    outline = box((-0.5, SIDE - 0.5), (low, low + 260.0))
    light = np.zeros((SIDE, SIDE), np.float32)
    light[int(low) + 100 : int(low) + 150, :400] = 0.05
    found = look(sky(rng) + light, NOWHERE, outline, PARAMS)
    assert found.is_there
    assert light[found.mask].sum() > 0.9 * light.sum()
    none = look(sky(rng), NOWHERE, outline, PARAMS)
    assert none.mask.mean() < 0.001


def test_large_zones_are_not_taken_for_light_where_amplifiers_drift(rng):
    # nothing in the rows of a zone as wide as the frame tells their levels
    drift = ndimage.gaussian_filter1d(rng.normal(0, 1.0, (SIDE, 2)), 60.0, axis=0)
    drift *= 0.004 / drift.std()
    image = sky(rng) + np.repeat(drift, SIDE // 2, axis=1).astype(np.float32)
    outline = box((-0.5, SIDE - 0.5), (400.0, 700.0))
    none = look(image, NOWHERE, outline, PARAMS)
    assert not none.is_there
    assert none.excess_err > 0.001
    light = np.zeros((SIDE, SIDE), np.float32)
    light[500:560] = 0.08
    found = look(image + light, NOWHERE, outline, PARAMS)
    assert found.is_there
    assert found.mask[light > 0].mean() > 0.95
    assert found.mask[light == 0].mean() < 0.01


def test_light_behind_sources_is_masked_with_them(rng):
    light = breath(0.08)
    galaxies = NOWHERE.copy()
    galaxies[60:90, 490:515] = True
    image = np.where(galaxies, np.float32(1.0), sky(rng) + light)
    found = look(image, galaxies, OUTLINE, PARAMS)
    assert found.mask[galaxies].mean() > 0.9
