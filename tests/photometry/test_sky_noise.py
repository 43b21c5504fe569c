import numpy as np
import pytest

from rampline.photometry.apertures import ApertureFluxes
from rampline.photometry.sky_noise import (
    add_excess,
    measure_autocorrelation,
    measure_excess,
)

ALONE = np.zeros((3, 3))
ALONE[1, 1] = 1.0
RADII = np.array([2.0, 4.0])


def _blank(noise):
    return (
        noise.astype(np.float32),
        np.ones(noise.shape, np.float32),
        np.zeros(noise.shape, np.int32),
    )


def test_white_noise_is_as_predicted(rng):
    image = _blank(rng.normal(0, 1, (400, 400)))
    found = measure_autocorrelation(image, ALONE)
    np.testing.assert_allclose(found, ALONE, atol=0.01)
    excess = measure_excess(image, RADII, (7.0, 10.0), ALONE)
    np.testing.assert_allclose(excess, 1.0, atol=0.12)


def test_shared_noise_is_found_at_its_lag(rng):
    white = rng.normal(0, 1, (500, 501))
    image = _blank((white[:, 1:] + white[:, :-1]) / np.sqrt(2))
    found = measure_autocorrelation(image, ALONE)
    expected = ALONE.copy()
    expected[1, [0, 2]] = 0.5
    np.testing.assert_allclose(found, expected, atol=0.015)


def test_a_slow_drift_shows_in_apertures_only(rng):
    drift = np.repeat(np.repeat(rng.normal(0, 1, (60, 60)), 10, 0), 10, 1)
    image = _blank(rng.normal(0, 1, (600, 600)) + drift)
    excess = measure_excess(image, RADII, (7.0, 10.0), ALONE)
    assert (excess > 1.5).all()
    assert excess[1] > excess[0]


def test_sources_do_not_count_as_noise(rng):
    sky, err, labels = _blank(rng.normal(0, 1, (400, 400)))
    for row in range(20, 400, 80):
        for col in range(20, 400, 80):
            sky[row - 3 : row + 4, col - 3 : col + 4] += 30.0
            labels[row - 3 : row + 4, col - 3 : col + 4] = 1
    image = (sky, err, labels)
    np.testing.assert_allclose(measure_autocorrelation(image, ALONE), ALONE, atol=0.01)
    assert measure_excess(image, RADII, (7.0, 10.0), ALONE).max() < 1.2


def test_a_small_or_empty_sky_leaves_errors_alone(rng):
    image = _blank(rng.normal(0, 9, (30, 30)))
    np.testing.assert_array_equal(measure_autocorrelation(image, ALONE), ALONE)
    np.testing.assert_array_equal(
        measure_excess(image, RADII, (7.0, 10.0), ALONE), [1.0, 1.0]
    )


def test_only_the_sky_s_part_of_an_error_is_raised():
    errors = np.array([[1.0] * 8 + [100.0, 1.0]])
    fluxes = ApertureFluxes(errors * 10, errors, np.zeros(10), np.zeros(10))
    raised = add_excess(fluxes, np.array([2.0])).flux_err
    assert raised[0, 0] == pytest.approx(2.0)
    assert raised[0, 8] == pytest.approx(100.0, rel=1e-3)
