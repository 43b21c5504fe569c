import numpy as np
import pytest

from rampline.background import noise_level
from rampline.background.noise_level import (
    NoiseLevelParams,
    Variances,
    measure_noise_ratio,
    read_variance_scale,
    scale_read_variance,
)

from ..twins import background as twins

PARAMS = NoiseLevelParams()
SHAPE = (512, 640)
EVERYWHERE = np.ones(SHAPE, bool)


def exposure(rng, ratio, sky=0.17):
    """Sky eleven times its noise, errors that differ by a fifth, true scatter over them."""
    err = (0.015 * rng.uniform(0.9, 1.3, SHAPE)).astype(np.float32)
    slope = np.linspace(0, 0.02, SHAPE[1])
    return (sky + slope + rng.normal(0, ratio * err)).astype(np.float32), err


def planes(poisson=3.0, read=1.0, flat=0.5):
    whole = [np.full(SHAPE, v, np.float32) for v in (poisson, read, flat)]
    return Variances(np.sqrt(sum(whole)), *whole)


@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.3])
def test_the_ratio_is_found_though_errors_differ_and_the_sky_slopes(rng, ratio):
    sky, err = exposure(rng, ratio)
    found = measure_noise_ratio(sky, err, EVERYWHERE, PARAMS)
    assert found == pytest.approx(ratio, rel=0.015)


def test_sources_and_pixels_that_are_not_usable_hardly_count(rng):
    sky, err = exposure(rng, 1.0)
    rows, cols = np.indices(SHAPE)
    for row, col in rng.uniform((0, 0), SHAPE, (25, 2)):
        sky += np.exp(-np.hypot(rows - row, cols - col) / 4).astype(np.float32)
    usable = rng.random(SHAPE) > 0.05
    sky[~usable] = np.nan
    found = measure_noise_ratio(sky, err, usable, PARAMS)
    assert found == pytest.approx(1.0, abs=0.02)


def test_the_read_variance_takes_what_is_missing():
    # 4.5 was predicted, 1.2**2 times that is there: 1.98 more
    assert read_variance_scale(1.2, planes(), EVERYWHERE) == pytest.approx(2.98)
    assert read_variance_scale(1.0, planes(), EVERYWHERE) == pytest.approx(1.0)


@pytest.mark.parametrize(("ratio", "scale"), [(3.0, 4.0), (0.5, 0.25)])
def test_what_read_noise_cannot_explain_is_not_put_on_it(ratio, scale):
    assert read_variance_scale(ratio, planes(), EVERYWHERE) == scale


def test_scaled_errors_are_the_root_of_the_variances():
    noise = planes()
    scale_read_variance(noise, 2.0)
    assert noise.read[0, 0] == 2.0
    np.testing.assert_allclose(noise.err, np.sqrt(5.5), rtol=1e-6)


def test_after_scaling_errors_and_scatter_agree(rng):
    noise = planes()
    sky = rng.normal(7, 1.15 * noise.err).astype(np.float32)
    ratio = measure_noise_ratio(sky, noise.err, EVERYWHERE, PARAMS)
    scale_read_variance(noise, read_variance_scale(ratio, noise, EVERYWHERE))
    again = measure_noise_ratio(sky, noise.err, EVERYWHERE, PARAMS)
    assert again == pytest.approx(1.0, abs=1e-4)


def test_a_hill_of_light_is_no_noise(rng):
    sky, err = exposure(rng, 1.0)
    rows, cols = np.indices(SHAPE)
    hills = 0.3 * np.sin(rows / 9) * np.cos(cols / 11 + rows / 40)
    found = measure_noise_ratio(sky + hills.astype(np.float32), err, EVERYWHERE, PARAMS)
    assert found == pytest.approx(1.0, abs=0.015)


def test_diagonals_of_four_pixels():
    sky = np.array([[5, 1, 9], [2, 3, 9]], np.float32)
    pull = np.empty((1, 1), np.float32)
    err, usable = np.full_like(sky, 2), np.ones(sky.shape, bool)
    noise_level._difference_diagonals(sky, err, usable, pull)
    assert pull[0, 0] == pytest.approx((5 + 3 - 1 - 2) / 4)


def test_diagonals_of_kernel_and_twin_agree(rng):
    sky = rng.normal(size=(21, 34)).astype(np.float32)
    sky[rng.random(sky.shape) < 0.05] = np.nan
    err = np.where(rng.random(sky.shape) < 0.5, 0, 1).astype(np.float32)
    usable = rng.random(sky.shape) < 0.9
    pull = np.empty((10, 17), np.float32)
    noise_level._difference_diagonals(sky, err, usable, pull)
    expected = twins.difference_diagonals(sky, err, usable)
    np.testing.assert_allclose(pull, expected, rtol=1e-5)


def test_without_usable_pixels_nothing_is_known_and_nothing_scaled(rng):
    sky, err = exposure(rng, 1.0)
    nowhere = np.zeros(SHAPE, bool)
    assert np.isnan(measure_noise_ratio(sky, err, nowhere, PARAMS))
    assert read_variance_scale(float("nan"), planes(), EVERYWHERE) == 1.0
    assert read_variance_scale(1.2, planes(), nowhere) == 1.0
