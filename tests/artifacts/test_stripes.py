import numpy as np
import pytest

from rampline.artifacts.cells import trim_blocks
from rampline.artifacts.frames import pixel_arcsec, pixel_to_telescope
from rampline.artifacts.stripes import (
    AngledStripeParams,
    Place,
    _add_seen,
    _draw,
    _medians_of_bins,
    _sum_bins,
    find_angled_stripes,
)
from tests.twins import artifacts as twins

PARAMS = AngledStripeParams()
SIDE, NOISE, FIRST = 1024, 0.017, (512, 512)
TURN_DEG = 0.4
"""NRCB1 is turned by this in the telescope's frame."""


def find(image, first_pixel=FIRST):
    return find_angled_stripes(image, Place("NRCB1", first_pixel), PARAMS)


def stripes(rng, angle_deg, peak):
    """Six parallel stripes of different width."""
    y, x = np.ogrid[:SIDE, :SIDE]
    angle = np.radians(angle_deg)
    across = np.cos(angle) * y - np.sin(angle) * x
    light = np.zeros((SIDE, SIDE))
    for _ in range(6):
        place, width = rng.uniform(across.min(), across.max()), rng.uniform(5, 30)
        light += rng.uniform(0.3, 1) * np.exp(-0.5 * ((across - place) / width) ** 2)
    return (peak * light / light.max()).astype(np.float32)


def sky(rng):
    image = rng.normal(0, NOISE, (SIDE, SIDE)).astype(np.float32)
    image[rng.random(image.shape) < 0.1] = np.nan
    return image


@pytest.mark.parametrize("angle_deg", [57.3, -62.0])
def test_stripes_are_found_at_their_angle_and_subtracted(rng, angle_deg):
    light = stripes(rng, angle_deg, 0.02)
    found = find(sky(rng) + light)
    assert found.angles_deg[0] == pytest.approx(angle_deg + TURN_DEG, abs=0.3)
    left = light - found.light
    assert np.std(left) < 0.2 * np.std(light)
    assert np.std(left) < 3 * found.err


def test_two_directions_are_taken_one_after_the_other(rng):
    light = stripes(rng, 60.4, 0.03) + stripes(rng, -58.0, 0.03)
    found = find(sky(rng) + light)
    near = [
        min(abs(a - TURN_DEG - wanted) for a in found.angles_deg)
        for wanted in (60.4, -58.0)
    ]
    assert max(near) < 0.3
    assert np.std(light - found.light) < 0.2 * np.std(light)


@pytest.mark.parametrize("shape", [(1, 1), (SIDE, 1), (1, SIDE)])
def test_bare_sky_and_stripes_along_rows_and_columns_are_left_alone(rng, shape):
    along = rng.normal(0, 0.005, shape) * (shape != (1, 1))
    found = find(sky(rng) + along.astype(np.float32))
    assert found.angles_deg == ()
    assert not found.light.any()


def test_an_image_without_a_value_has_none():
    unknown = np.full((64, 64), np.nan, np.float32)
    assert find(unknown).angles_deg == ()


def test_a_bright_stripe_is_no_source(rng):
    light = stripes(rng, 60.0, 0.02)
    y, x = np.indices(light.shape)
    off = np.cos(np.pi / 3) * (y - 512) - np.sin(np.pi / 3) * (x - 512)
    light += 0.2 * np.exp(-0.5 * (off / 12) ** 2).astype(np.float32)
    found = find(sky(rng) + light)
    inside = np.abs(off) < 12
    assert np.abs((light - found.light)[inside].mean()) < 0.02 * light[inside].mean()


def test_faint_stripes_are_found_beside_one_compact_light(rng):
    light = stripes(rng, 60.0, 0.012)
    image = sky(rng) + light
    alone = find(image)
    y, x = np.ogrid[:SIDE, :SIDE]
    off = np.hypot(y - 205.3, x - 811.7)
    found = find(image + 10 * np.exp(-0.5 * (off / 1.4) ** 2).astype(np.float32))
    assert len(alone.angles_deg) == len(found.angles_deg) == 1
    assert found.angles_deg == pytest.approx(alone.angles_deg, abs=0.3)
    assert np.std(light - found.light) < 1.2 * np.std(light - alone.light)


def test_levels_of_amplifier_rows_are_no_stripes(rng):
    side = 2048
    light = np.zeros((side, side), np.float32)
    y, x = np.ogrid[:side, :side]
    off = np.cos(np.pi / 3) * (y - 1024) - np.sin(np.pi / 3) * (x - 1024)
    light += 0.01 * np.cos(off / 40).astype(np.float32)
    drift = np.cumsum(rng.normal(0, 0.001, (side, 4)), axis=0)
    drift -= np.polynomial.Polynomial.fit(np.arange(side), drift.mean(1), 1)(
        np.arange(side)
    )[:, None]
    image = light + np.repeat(drift, 512, axis=1).astype(np.float32)
    image += rng.normal(0, NOISE, image.shape).astype(np.float32)
    left = light - find(image, (0, 0)).light
    inner = left[256:-256, 256:-256]
    assert np.std(inner) < 0.1 * np.std(light)
    blocks = (inner - inner.mean()).reshape(3, 512, 3, 512).mean(axis=(1, 3))
    assert np.abs(blocks).max() < 0.05 * np.std(drift)


def test_stripes_are_straight_on_the_sky_not_on_the_detector(rng):
    y, x = np.mgrid[:2048:1, :2048:1]
    v2, v3 = pixel_to_telescope("NRCBLONG", x, y)
    across = (0.5 * v3 + np.sqrt(0.75) * v2) / pixel_arcsec("NRCBLONG")
    light = 0.05 * np.exp(-0.5 * (((across + 100) % 400 - 200) / 8) ** 2)
    image = (light + rng.normal(0, NOISE, light.shape)).astype(np.float32)
    found = find_angled_stripes(image, Place("NRCBLONG"), PARAMS)
    left = light - found.light
    assert np.std(left) < 0.08 * np.std(light)


def test_places_add_up_as_the_slow_twin_says(rng):
    index = rng.integers(0, 30, (3, 500)).astype(np.int32)
    whole, light = rng.normal(0, 1, 32), rng.normal(0, 1, (2, 500))
    sums, slow = np.zeros((2, 32))
    _add_seen(index, light, whole, sums)
    twins.add_seen(index, light, whole, slow)
    np.testing.assert_allclose(sums, slow)


@pytest.mark.parametrize("n_bins", [1, 2, 40])
def test_profiles_are_drawn_as_the_slow_twin_says(rng, n_bins):
    units = np.linspace(-1, 1, 21), np.linspace(-1, 0.5, 33)
    across, means = rng.normal(15, 10, 6), rng.normal(0, 1, n_bins)
    light, slow = np.ones((2, 21, 33), np.float32)
    _draw(light, units, across, means)
    twins.draw(slow, units, across, means)
    np.testing.assert_allclose(light, slow, atol=1e-5)


def test_bins_equal_those_of_their_twins(rng):
    values = rng.normal(size=400)
    along = tuple(rng.uniform(0, 60, (2, 400)).astype(np.float32))
    own = rng.integers(0, 12, 400).astype(np.int32)
    own[own == 5] = 6
    count = np.bincount(own, minlength=14)
    made = []
    for add, middle in (
        (_sum_bins, _medians_of_bins),
        (twins.sum_bins, twins.medians_of_bins),
    ):
        total, number, medians = np.zeros(40), np.zeros(40), np.zeros(14)
        add(values, along, (0.2, -0.1, -7.0), total, number)
        middle(values, own, count, 20, medians)
        made.append((total, number, medians))
    for ours, twin in zip(*made, strict=True):
        assert np.allclose(ours, twin)


def test_known_directions_are_not_searched_again(rng):
    light = stripes(rng, 60.4, 0.03)
    image = sky(rng) + light
    (angle,) = find(image).angles_deg
    place = Place("NRCB1", FIRST, angles_deg=(angle,))
    again = find_angled_stripes(image, place, PARAMS)
    assert again.angles_deg == (angle,)
    assert np.std(light - again.light) < 0.2 * np.std(light)
    cells = trim_blocks(image)
    small = find_angled_stripes(cells, place._replace(cell_px=2), PARAMS)
    wanted = again.light.reshape(512, 2, 512, 2).mean(axis=(1, 3))
    assert np.std(small.light - wanted) < 0.1 * np.std(wanted)


def test_a_trend_is_light_where_a_band_of_rows_is_hidden(rng):
    y = np.linspace(-1.0, 1.0, SIDE)[:, None]
    light = stripes(rng, 60.0, 0.03) + stripes(rng, -60.0, 0.03)
    light += (0.01 * y).astype(np.float32)
    image = sky(rng) + light
    image[300:620] = np.nan
    found = find(image).light
    wanted, seen = ((y * p).mean() / (y**2).mean() for p in (light, found))
    assert seen == pytest.approx(wanted, abs=0.001)


def test_light_that_is_badly_known_is_fitted_with_the_stripes(rng):
    y, x = np.mgrid[:SIDE, :SIDE]
    wisp = 0.05 * np.exp(-0.5 * (np.hypot(y - 600, x - 500) / 150) ** 2)
    light = stripes(rng, 60.0, 0.03) + stripes(rng, -60.0, 0.03)
    image = (sky(rng) + light + 0.1 * wisp).astype(np.float32)
    place = Place("NRCB1", FIRST)
    left = []
    for other in (None, wisp[None].astype(np.float32)):
        found = find_angled_stripes(image, place, PARAMS, other)
        error = light - found.light
        left.append(np.std(error))
    assert left[1] < 0.8 * left[0]
