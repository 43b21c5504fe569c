import numpy as np
import pytest

from rampline.photometry.apertures import ApertureFluxes
from rampline.photometry.labelled_image import LabelledImage
from rampline.photometry.sky_noise import (
    _find_clear,
    _mark_blank,
    _sum_products,
    add_excess,
    find_blank,
    measure_autocorrelation,
    measure_excess,
)

from ..twins import photometry as twin

ALONE = np.zeros((3, 3))
ALONE[1, 1] = 1.0
RADII = np.array([2.0, 4.0])


def _correlate(image, predicted):
    return measure_autocorrelation(image, find_blank(image), predicted)


def _excess(image, ring):
    return measure_excess(image, find_blank(image), RADII, ring, ALONE)


def _blank(noise):
    return LabelledImage(
        noise.astype(np.float32),
        np.ones(noise.shape, np.float32),
        np.zeros(noise.shape, np.int32),
    )


def test_white_noise_is_as_predicted(rng):
    image = _blank(rng.normal(0, 1, (400, 400)))
    found = _correlate(image, ALONE)
    np.testing.assert_allclose(found, ALONE, atol=0.01)
    excess = _excess(image, (7.0, 10.0))
    np.testing.assert_allclose(excess, 1.0, atol=0.12)


def test_shared_noise_is_found_at_its_lag(rng):
    white = rng.normal(0, 1, (500, 501))
    image = _blank((white[:, 1:] + white[:, :-1]) / np.sqrt(2))
    found = _correlate(image, ALONE)
    expected = ALONE.copy()
    expected[1, [0, 2]] = 0.5
    np.testing.assert_allclose(found, expected, atol=0.015)


def test_what_a_whole_neighbourhood_shares_is_no_correlation(rng):
    slow = np.repeat(np.repeat(rng.normal(0, 0.5, (25, 25)), 40, 0), 40, 1)
    white = rng.normal(0, 1, (1000, 1001))
    image = _blank((white[:, 1:] + white[:, :-1]) / np.sqrt(2) + slow)
    found = _correlate(image, ALONE)
    expected = ALONE.copy()
    expected[1, [0, 2]] = 0.5
    np.testing.assert_allclose(found, expected, atol=0.015)


def test_a_slow_drift_shows_in_apertures_only(rng):
    drift = np.repeat(np.repeat(rng.normal(0, 1, (60, 60)), 10, 0), 10, 1)
    image = _blank(rng.normal(0, 1, (600, 600)) + drift)
    excess = _excess(image, (7.0, 10.0))
    assert (excess > 1.5).all()
    assert excess[1] > excess[0]


def test_sources_do_not_count_as_noise(rng):
    sky, err, labels = _blank(rng.normal(0, 1, (400, 400)))
    for row in range(20, 400, 80):
        for col in range(20, 400, 80):
            sky[row - 3 : row + 4, col - 3 : col + 4] += 30.0
            labels[row - 3 : row + 4, col - 3 : col + 4] = 1
    image = LabelledImage(sky, err, labels)
    np.testing.assert_allclose(_correlate(image, ALONE), ALONE, atol=0.01)
    assert _excess(image, (7.0, 10.0)).max() < 1.2


def test_a_small_or_empty_sky_leaves_errors_alone(rng):
    image = _blank(rng.normal(0, 9, (30, 30)))
    np.testing.assert_array_equal(_correlate(image, ALONE), ALONE)
    np.testing.assert_array_equal(_excess(image, (7.0, 10.0)), [1.0, 1.0])


def test_only_the_sky_s_part_of_an_error_is_raised():
    errors = np.array([[1.0] * 8 + [100.0, 1.0]])
    fluxes = ApertureFluxes(errors * 10, errors, np.zeros(10), np.zeros(10))
    raised = add_excess(fluxes, np.array([2.0])).flux_err
    assert raised[0, 0] == pytest.approx(2.0)
    assert raised[0, 8] == pytest.approx(100.0, rel=1e-3)


def _nasty(rng, shape):
    signal, err = rng.normal(0, 1, (2, *shape)).astype(np.float32)
    err = np.abs(err) + np.float32(0.1)
    signal[rng.random(shape) < 0.05] = np.nan
    err[rng.random(shape) < 0.02] = 0.0
    labels = (rng.random(shape) < 0.01).astype(np.int32) * 7
    return signal, err, labels


@pytest.mark.parametrize("shape", [(40, 50), (3, 60), (60, 3), (1, 1)])
def test_blank_pixels_agree_with_the_twin(rng, shape):
    image = _nasty(rng, shape)
    found, slow = np.empty(shape, bool), np.empty(shape, bool)
    _mark_blank(*image, found)
    twin.mark_blank(*image, slow)
    np.testing.assert_array_equal(found, slow)
    for step in (3, 4, 7):
        clear = np.empty([-(-n // step) for n in shape], bool)
        expected = np.empty_like(clear)
        _find_clear(found, step, clear)
        twin.find_clear(found, step, expected)
        np.testing.assert_array_equal(clear, expected)


def test_sums_of_products_agree_with_the_twin(rng):
    signal, err, _ = _nasty(rng, (30, 41))
    is_blank = np.isfinite(signal / np.maximum(err, 0.01)) & (
        rng.random((30, 41)) > 0.1
    )
    found, slow = np.zeros((2, 2, 3, 5))
    _sum_products(signal, err, is_blank, 3.0, found)
    twin.sum_products(signal, err, is_blank, 3.0, slow)
    np.testing.assert_allclose(found, slow, rtol=1e-5, atol=1e-4)
