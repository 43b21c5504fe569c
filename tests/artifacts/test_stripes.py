import numpy as np
import pytest

from rampline.artifacts.stripes import AngledStripeParams, find_angled_stripes

PARAMS = AngledStripeParams()
SIDE, NOISE = 512, 0.017


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
    found = find_angled_stripes(sky(rng) + light, PARAMS)
    assert found.angles_deg[0] == pytest.approx(angle_deg, abs=0.5)
    left = light - found.light
    assert np.std(left) < 0.2 * np.std(light)
    assert np.std(left) < 3 * found.err


def test_two_directions_are_taken_one_after_the_other(rng):
    light = stripes(rng, 60.4, 0.03) + stripes(rng, -58.0, 0.03)
    found = find_angled_stripes(sky(rng) + light, PARAMS)
    near = [min(abs(a - wanted) for a in found.angles_deg) for wanted in (60.4, -58.0)]
    assert max(near) < 0.7
    assert np.std(light - found.light) < 0.2 * np.std(light)


@pytest.mark.parametrize("shape", [(1, 1), (SIDE, 1), (1, SIDE)])
def test_bare_sky_and_stripes_along_rows_and_columns_are_left_alone(rng, shape):
    along = rng.normal(0, 0.005, shape) * (shape != (1, 1))
    found = find_angled_stripes(sky(rng) + along.astype(np.float32), PARAMS)
    assert found.angles_deg == ()
    assert not found.light.any()


def test_an_image_without_a_value_has_none():
    unknown = np.full((64, 64), np.nan, np.float32)
    assert find_angled_stripes(unknown, PARAMS).angles_deg == ()
