import numpy as np
import pytest

from rampline.background.sky_model import SkyModelParams, evaluate_sky, model_sky

NOISE = 0.017


def sky_with_sources(rng, shape, n_sources):
    row, col = np.indices(shape)
    y, x = row / shape[0] - 0.5, col / shape[1] - 0.5
    truth = 0.2 * (1 + 0.05 * x - 0.03 * y + 0.06 * (x * y + y**2 - 1 / 12))
    image = truth + rng.normal(0, NOISE, shape)
    for _ in range(n_sources):
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        flux, scale = 10 ** rng.uniform(0, 2), rng.uniform(1, 6)
        r = np.hypot(row - cy, col - cx)
        image += flux / (2 * np.pi * scale**2) * np.exp(-r / scale)
    return image.astype(np.float32), truth


def test_a_constant_is_its_own_level():
    image = np.full((64, 80), 0.3, np.float32)
    found = model_sky(image, np.ones(image.shape, bool), SkyModelParams(order=0))
    assert found.level == pytest.approx(0.3, rel=1e-6)


def test_a_plane_comes_back_to_the_step_between_two_blocks():
    row, col = np.indices((640, 512))
    image = (1.0 + 1e-4 * row - 2e-4 * col).astype(np.float32)
    found = model_sky(image, np.ones(image.shape, bool), SkyModelParams(order=1))
    surface = evaluate_sky(found.coefficients, image.shape)
    # the median of an even number of blocks is the lower one of the two in the middle
    np.testing.assert_allclose(surface, image, atol=4e-4)
    slopes = np.array([surface[-1, 0] - surface[0, 0], surface[0, -1] - surface[0, 0]])
    np.testing.assert_allclose(slopes, [639e-4, -2 * 511e-4], rtol=1e-3)


def test_adding_a_constant_adds_it_to_the_level(rng):
    image, _ = sky_with_sources(rng, (256, 256), 5)
    usable = np.ones(image.shape, bool)
    low, high = (
        model_sky(plane, usable, SkyModelParams()).level for plane in (image, image + 1)
    )
    assert high - low == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("order", [1, 2])
def test_the_sky_is_recovered_between_sources(rng, order):
    image, truth = sky_with_sources(rng, (512, 512), 60)
    usable = rng.random(image.shape) > 0.02
    found = model_sky(image, usable, SkyModelParams(order=order))
    assert found.level == pytest.approx(truth.mean(), rel=0.005)
    if order == 2:
        surface = evaluate_sky(found.coefficients, image.shape)
        assert np.abs(surface - truth).max() < 0.1 * NOISE
    assert image[found.is_source].mean() > image[~found.is_source].mean()


def test_the_level_of_empty_sky_is_good_to_its_statistical_error(rng):
    shape = (512, 512)
    levels = [
        model_sky(
            rng.normal(0.2, NOISE, shape).astype(np.float32),
            np.ones(shape, bool),
            SkyModelParams(),
        ).level
        for _ in range(20)
    ]
    expected = 1.25 * NOISE / 512
    # masking the brightest blocks pulls the level down by less than a statistical error
    assert np.abs(np.mean(levels) - 0.2) < 2 * expected
    assert np.std(levels) < 2 * expected


def test_a_source_over_half_the_frame_moves_the_level_little(rng):
    image = rng.normal(0.2, NOISE, (512, 512)).astype(np.float32)
    row, col = np.indices(image.shape)
    image += 5 * np.exp(-np.hypot(row - 200, col - 200) / 40).astype(np.float32)
    found = model_sky(image, np.ones(image.shape, bool), SkyModelParams(order=0))
    assert found.level == pytest.approx(0.2, rel=0.03)


def test_unusable_and_nan_pixels_do_not_matter(rng):
    image = rng.normal(0.2, NOISE, (200, 200)).astype(np.float32)
    usable = np.ones(image.shape, bool)
    usable[:50] = False
    spoiled = image.copy()
    spoiled[:50] = 1e6
    spoiled[60:70, 80:90] = np.nan
    image[60:70, 80:90] = np.nan
    levels = [model_sky(p, usable, SkyModelParams()).level for p in (image, spoiled)]
    assert levels[0] == levels[1]


def test_where_nothing_is_usable_the_level_is_unknown():
    image = np.full((64, 64), np.nan, np.float32)
    found = model_sky(image, np.ones(image.shape, bool), SkyModelParams())
    assert np.isnan(found.level)


def test_a_small_subarray_gets_a_surface_of_lower_order(rng):
    image = rng.normal(0.2, NOISE, (64, 64)).astype(np.float32)
    found = model_sky(image, np.ones(image.shape, bool), SkyModelParams())
    assert found.coefficients.shape == (1, 1)
    assert found.level == pytest.approx(0.2, abs=0.002)
