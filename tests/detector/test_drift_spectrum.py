import numpy as np
import pytest
from scipy import fft

from rampline.detector.drift_spectrum import (
    Spectrum,
    falling,
    measure_spectrum,
    scatter_of_tilt,
    stream_length,
)

N = 8192


def drifts(rng, n_streams, strength=1.0, length=N):
    """Streams of 1/f noise of a known strength, without their mean."""
    white = fft.rfft(rng.normal(size=(n_streams, length)), axis=1)
    values = white * np.sqrt(strength * falling(length))
    values[:, 0] = 0.0
    return fft.irfft(values, length, axis=1)


def test_strengths_are_measured_beneath_white_noise_and_masks(rng):
    found = []
    for _ in range(12):
        streams = drifts(rng, 4, 400.0) + drifts(rng, 1, 300.0)
        streams += rng.normal(0, 2.0, streams.shape)
        counts = np.where(rng.random(streams.shape) < 0.7, 8.0, 0.0)
        counts[:, N * 3 // 4 :] = 0.0
        sums = (streams * counts).astype(np.float32)
        lag = np.arange(2, 400)
        found.append(measure_spectrum(sums, counts.astype(np.float32), lag))
    common, own = np.mean(found, axis=0)
    assert common == pytest.approx(300.0, rel=0.15)
    assert own == pytest.approx(400.0, rel=0.15)


def test_white_noise_is_no_drift(rng):
    white = rng.normal(size=(4, N)).astype(np.float32)
    found = measure_spectrum(white, np.ones_like(white), np.arange(1, 400))
    assert found.common < 1.0
    assert found.own < 4.0


def test_one_output_shares_nothing(rng):
    stream = drifts(rng, 1, 100.0).astype(np.float32)
    found = measure_spectrum(stream, np.ones_like(stream), np.arange(1, 400))
    assert found.common == 0.0
    assert found.own == pytest.approx(100.0, rel=0.4)


def test_without_a_reading_there_is_no_drift():
    nothing = np.zeros((4, N), np.float32)
    assert measure_spectrum(nothing, nothing, np.arange(1, 100)) == Spectrum(0.0, 0.0)


def test_the_scatter_of_tilts_is_that_of_fitted_drifts(rng):
    n_rows = 512
    length = stream_length(n_rows)
    y = (np.arange(n_rows) + 0.5) / n_rows - 0.5
    rows = drifts(rng, 4000, 50.0, length)[:, :n_rows]
    tilts = rows @ y / (y @ y)
    expected = scatter_of_tilt(Spectrum(0.0, 50.0), 1, n_rows)
    assert tilts.std() == pytest.approx(expected, rel=0.05)
    shared = scatter_of_tilt(Spectrum(50.0, 0.0), 4, n_rows)
    apart = scatter_of_tilt(Spectrum(0.0, 50.0), 4, n_rows)
    assert shared == pytest.approx(2.0 * apart)


def test_the_padding_is_a_quarter_at_least():
    assert all(stream_length(n) >= 1.25 * n - 1 for n in (64, 160, 2048))
