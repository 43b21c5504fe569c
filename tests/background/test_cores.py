import numpy as np
import pytest

from rampline.background.cores import mask_cores

SIDE, NOISE = 400, 0.01


def scene(rng):
    return rng.normal(0.0, NOISE, (SIDE, SIDE)).astype(np.float32)


def light_of(image):
    """A mask of all that is bright in itself, as a threshold gives it."""
    return image > 3 * NOISE


def spot(place, peak, sigma):
    y, x = np.ogrid[:SIDE, :SIDE]
    square = (y - place[0]) ** 2 + (x - place[1]) ** 2
    return (peak * np.exp(-0.5 * square / sigma**2)).astype(np.float32)


@pytest.mark.parametrize("sigma", [1.5, 6.0, 12.0])
def test_stars_and_galaxies_are_masked_with_their_light(rng, sigma):
    light = spot((200, 180), 0.5, sigma)
    image = scene(rng) + light
    masked = mask_cores(image, light_of(light))
    assert masked[light > 3 * NOISE].all()
    assert masked.mean() < 0.15


def test_a_ridge_has_no_core_whatever_its_direction(rng):
    y, x = np.ogrid[:SIDE, :SIDE]
    for angle in np.radians((0.0, 25.0, 60.0, 118.0)):
        across = np.cos(angle) * (y - 200) - np.sin(angle) * (x - 200)
        ridge = (0.05 * np.exp(-0.5 * (across / 12.0) ** 2)).astype(np.float32)
        masked = mask_cores(scene(rng) + ridge, light_of(ridge))
        assert masked[ridge > 0.025].mean() < 0.15


def test_light_that_crosses_a_source_is_not_masked_far_away(rng):
    across = np.ogrid[:SIDE, :SIDE][0] - 200
    ridge = (0.05 * np.exp(-0.5 * (across / 12.0) ** 2)).astype(np.float32)
    image = scene(rng) + ridge + spot((200, 200), 0.3, 1.5)
    masked = mask_cores(image, light_of(ridge))
    assert masked[200, 200]
    assert masked[195:205, 300:].mean() < 0.3


def test_bare_sky_and_unknown_pixels_are_nearly_free(rng):
    image = scene(rng)
    image[:, :50] = np.nan
    masked = mask_cores(image, np.zeros(image.shape, np.bool_))
    assert masked[:, 70:].mean() < 0.08
    unknown = np.full((40, 40), np.nan, np.float32)
    assert not mask_cores(unknown, np.zeros((40, 40), np.bool_)).any()
