import numpy as np
import pytest
from scipy import fft

from rampline.detector.clock_order import ClockOrder, conditional_mean, follow_drift
from rampline.detector.drift_spectrum import Spectrum, falling

from .test_drift_spectrum import drifts
from .test_flicker_noise import make_readout

SHORTEST = 300 / 8


def dense_covariance(length, spectrum, n_streams):
    """Covariance of all streams, of cycles that are slow enough."""
    shape = falling(length).astype(float)
    shape[int(length / SHORTEST) :] = 0.0
    column = fft.irfft(shape, length)
    lag = np.subtract.outer(np.arange(length), np.arange(length)) % length
    stationary = column[lag]
    shared = np.full((n_streams, n_streams), spectrum.common)
    return np.kron(shared + spectrum.own * np.eye(n_streams), stationary)


def test_the_conditional_mean_is_that_of_the_explicit_matrices(rng):
    shape = (2, 12, 20)
    spectrum = Spectrum(60.0, 30.0)
    weight = rng.uniform(0.5, 2.0, shape) * (rng.random(shape) < 0.6)
    weight[:, 9:] = 0.0
    weight[1, 3:5] = 0.0
    right = weight * rng.normal(size=shape)
    power = falling(240)[: int(240 / SHORTEST)]
    drift = conditional_mean(
        right.astype(np.float32),
        weight.astype(np.float32),
        (spectrum.own * power, spectrum.common * power),
    )
    prior = dense_covariance(240, spectrum, 2)
    noise = np.diag(weight.ravel())
    exact = np.linalg.solve(np.eye(480) + prior @ noise, prior @ right.ravel())
    scale = np.abs(exact).max()
    assert np.abs(drift.ravel() - exact).max() < 0.003 * scale


@pytest.mark.parametrize(("fast_axis", "slow_axis"), [(1, 2), (-1, -2)])
def test_what_is_unfolded_folds_back(rng, fast_axis, slow_axis):
    readout = make_readout((6, 64), fast_axis=fast_axis, slow_axis=slow_axis)
    plane = rng.normal(size=(6, 8)).astype(np.float32)
    order = ClockOrder.of(readout, plane.shape)
    streams = order.unfold(plane)
    assert np.array_equal(order.fold(streams), plane)
    first = 0 if fast_axis > 0 else 1
    row = 0 if slow_axis > 0 else -1
    assert streams[0, 0, 0] == plane[row, first]
    # the neighbour is read the other way round
    assert streams[1, 0, 0] == plane[row, 2 + 1 - first]
    assert not streams[:, :, 2:].any()
    assert not streams[:, 6:].any()


def simulated(rng, readout, own=100.0, shape=(512, 256)):
    """Drift of strips of eight pixels; and sums over them, with white noise of 1."""
    order = ClockOrder.of(readout, shape)
    n_streams, n_rows, line = order.shape
    n = n_rows * line
    streams = drifts(rng, n_streams, own, n) + drifts(rng, 1, 300.0, n)
    drift = order.fold(streams.reshape(order.shape))
    drift -= drift.mean()
    white = rng.normal(0, 1.0 / np.sqrt(8.0), shape)
    used = np.full(shape, 8.0, np.float32)
    return drift, ((drift + white) * 8.0).astype(np.float32), used


def test_the_drift_is_followed_within_rows(rng):
    readout = make_readout()
    drift, total, used = simulated(rng, readout)
    left = follow_drift(total, used, 1.0, readout) - drift
    by_rows = (total / 8.0).reshape(512, 4, 64).mean(2).repeat(64, axis=1) - drift
    assert left.std() < 0.9 * by_rows.std()


def test_gaps_are_bridged(rng):
    readout = make_readout()
    drift, total, used = simulated(rng, readout, own=10.0)
    gap = (slice(200, 260), slice(64, 128))
    total[gap], used[gap] = 0.0, 0.0
    found = follow_drift(total, used, 1.0, readout)
    assert (found - drift)[gap].std() < 0.75 * drift[gap].std()


def test_a_faint_source_is_kept(rng):
    readout = make_readout()
    _, total, used = simulated(rng, readout)
    source = np.zeros_like(total)
    source[300:316, 100:102] = 0.3 * 8.0
    lost = follow_drift(total + source, used, 1.0, readout)
    lost -= follow_drift(total, used, 1.0, readout)
    assert lost[300:316, 100:102].mean() < 0.15 * 0.3


def test_white_noise_is_left_alone(rng):
    readout = make_readout()
    total = rng.normal(0, np.sqrt(8.0), (512, 256)).astype(np.float32)
    found = follow_drift(total, np.full_like(total, 8.0), 1.0, readout)
    assert found.std() < 0.01


def test_without_a_pixel_there_is_no_drift():
    nothing = np.zeros((64, 32), np.float32)
    assert not follow_drift(nothing, nothing, 1.0, make_readout()).any()
