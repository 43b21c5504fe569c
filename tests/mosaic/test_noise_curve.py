import numpy as np
import pytest

from rampline.mosaic import noise_curve
from rampline.mosaic.correlation import correlated_noise_factor, noise_autocorrelation
from rampline.mosaic.drizzle import add_exposure, finish_sums, start_sums
from rampline.mosaic.noise_curve import (
    SIDES,
    NoiseCurveParams,
    Piece,
    box_factor,
    measure_noise_curve,
    sum_all_boxes,
    sum_boxes,
)
from rampline.mosaic.window import Window

from ..twins import mosaic as twins
from .scenery import exposure, turned_map

POINTS = (1e-3, 1.0)


def piece(signal, err=1.0, is_sky=True):
    signal = np.asarray(signal, np.float32)
    whole = np.full(signal.shape, err, np.float32)
    return Piece(signal, whole, np.broadcast_to(is_sky, signal.shape).copy())


def measure(one, drop=POINTS):
    return measure_noise_curve([sum_all_boxes(one, NoiseCurveParams())], drop)


def test_a_box_is_counted_in_units_of_the_root_of_its_summed_variances():
    one = piece([[1, 2], [3, 4]], err=2.0)
    assert sum_boxes(one, 2, 1.0) == pytest.approx([10 / np.sqrt(16)])
    assert sum_boxes(one, 1, 1.0) == pytest.approx([0.5, 1, 1.5, 2])


def test_boxes_on_sources_and_beyond_the_edge_do_not_count():
    is_sky = np.ones((5, 4), bool)
    is_sky[0, 0] = False
    one = piece(np.ones((5, 4)), is_sky=is_sky)
    assert len(sum_boxes(one, 2, 1.0)) == 3
    assert sum_boxes(one, 2, 0.7)[0] == pytest.approx(np.sqrt(3))


def test_independent_pixels_need_no_factor(rng):
    one = piece(rng.normal(0, 3, (2048, 2048)), err=3.0)
    curve = measure(one)
    np.testing.assert_allclose(curve.predicted, 1.0, atol=1e-3)
    np.testing.assert_array_less(np.abs(curve.measured - 1.0), 3 * curve.error)
    assert curve.error[SIDES.index(32)] < 0.03


def test_on_a_drizzle_of_white_noise_measured_and_predicted_agree(rng):
    window = Window(0, 700, 0, 700)
    sums = start_sums(window, pad=6, n_exposures=4)
    for k in range(4):
        to = turned_map((420, 420), 20.0, 1.7, (700, 700), rng.uniform(-3, 3, 2))
        add_exposure(sums, exposure(rng.normal(0, 0.2, (420, 420)), to), k, 1.0)
    made = finish_sums(sums)
    known = made.weight > 0.95 * made.weight.max()
    # the variance of the scenery's exposures, 7/4 of 0.04, is not that of their noise
    err = made.err * np.sqrt(4 / 7)
    one = Piece(made.sky, err, known)
    curve = measure(one, (1.0, 1 / 1.7))
    few = curve.n_boxes > 400
    np.testing.assert_allclose(curve.measured[few], curve.predicted[few], rtol=0.08)
    assert few.sum() >= 5


def test_what_pixels_have_in_common_grows_with_the_box(rng):
    white = rng.normal(size=(1024, 1024))
    slow = np.repeat(np.repeat(rng.normal(0, 0.05, (16, 16)), 64, 0), 64, 1)
    curve = measure(piece(white + slow))
    expected = np.sqrt(1 + 0.05**2 * curve.side_px**2)
    seen = np.isfinite(curve.measured)
    np.testing.assert_allclose(curve.measured[seen], expected[seen], rtol=0.2)
    assert curve.measured[SIDES.index(64)] > 2.0


def test_what_a_few_stars_leave_hardly_counts(rng):
    signal = rng.normal(size=(1024, 1024))
    clean = measure(piece(signal))
    left = rng.choice([-30.0, 30.0], (64, 64))
    signal[5::16, 5::16] += np.where(rng.random((64, 64)) < 0.1, left, 0.0)
    curve, k = measure(piece(signal)), SIDES.index(8)
    assert curve.measured[k] == pytest.approx(clean.measured[k], rel=0.05)


def test_boxes_tend_to_the_factor_of_a_large_area():
    correlation = noise_autocorrelation(1.0, 0.6)
    assert box_factor(correlation, 1) == pytest.approx(1.0)
    whole = correlated_noise_factor(1.0, 0.6)
    assert box_factor(correlation, 10000) == pytest.approx(whole, rel=1e-3)


def test_an_area_between_two_boxes_has_a_factor_between_theirs(rng):
    correlated = np.repeat(rng.normal(size=(1024, 512)), 2, axis=1)
    curve = measure(piece(correlated))
    assert curve.factor(1.0) == pytest.approx(curve.measured[0])
    low, high = sorted(curve.measured[[SIDES.index(4), SIDES.index(8)]])
    assert low <= curve.factor(36.0) <= high
    assert curve.factor(1e8) == pytest.approx(curve.measured[-1])


def test_without_blank_sky_the_factor_is_as_predicted():
    curve = measure_noise_curve([], (1.0, 1.0))
    assert np.isnan(curve.measured).all()
    assert curve.factor(64.0) == pytest.approx(curve.predicted[SIDES.index(8)])
    table = curve.table()
    assert table.dtype.names == ("SIDE", "PREDICTED", "MEASURED", "ERROR", "BOXES")
    np.testing.assert_array_equal(table["PREDICTED"], curve.predicted)


@pytest.mark.parametrize("side", [1, 3, 8])
def test_boxes_of_kernel_and_twin_agree(rng, side):
    signal = rng.normal(size=(37, 50)).astype(np.float32)
    err = rng.uniform(0, 2, signal.shape).astype(np.float32)
    err[err < 0.2] = 0
    is_sky = rng.random(signal.shape) < 0.8
    pulls = np.empty([n // side for n in signal.shape])
    noise_curve._sum_boxes(signal, err, is_sky, side, 0.7 * side**2, pulls)
    expected = twins.sum_boxes(signal, err, is_sky, side, 0.7 * side**2)
    np.testing.assert_allclose(pulls, expected, rtol=1e-5)


def test_halves_are_compared_as_by_the_twin(rng):
    first, second = rng.uniform(1, 2, (2, 8, 9, 5))
    first[2, 3], second[4, 5], second[4, 6] = 0.0, 0.0, 0.0
    ours, theirs = np.zeros((2, 3, 8, 9), np.float32)
    noise_curve.compare_halves(first, first + second, ours)
    twins.compare_halves(first, first + second, theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert np.isnan(ours).sum() == 3 * 3
