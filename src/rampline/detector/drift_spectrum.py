"""How strong the drift of the amplifiers is, from the covariance of an image with itself.

The drift's power falls as one over the frequency. Its covariance therefore falls with the
logarithm of the time between two readings, so the products of what was read some time apart
tell how strong it is, the white noise left aside, and products between amplifiers tell
which part they share. A constant stands for what the subtraction of the sky took away.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics import fourier


class Spectrum(NamedTuple):
    """Power of the drift over that of one cycle in the whole stream, falling as 1/f."""

    common: float
    """(DN/s)**2 per reading"""
    own: float
    """(DN/s)**2 per reading, of each output"""


def measure_spectrum(
    sums: NDArray[np.float32], counts: NDArray[np.float32], lag: NDArray[np.intp]
) -> Spectrum:
    """Measure the strength of the drift.

    Parameters
    ----------
    sums, counts : (outputs, n) float32
        Pixels of each reading in the order of time, less the sky: their sum, DN/s, and
        their number; 0 where there is none, as at the end, longer than any lag.
    lag : (lags,) int
        Times between readings that are compared, in readings; none at which sources
        correlate with themselves.

    Returns
    -------
    Spectrum
        0 where the covariance does not fall with time.
    """
    n_outputs, length = sums.shape
    data, seen = fourier.rfft(sums, axis=1), fourier.rfft(counts, axis=1)
    shape = fourier.irfft(falling(length), length)[lag]
    total = _strength(_auto(data), _auto(seen), shape, lag)
    if n_outputs == 1:
        return Spectrum(0.0, max(total, 0.0))
    common = _strength(_cross(data), _cross(seen), shape, lag)
    common = min(max(common, 0.0), max(total, 0.0))
    return Spectrum(common, max(total - common, 0.0))


def falling(length: int) -> NDArray[np.float32]:
    """Return one over the frequency for a stream of so many readings, (length // 2 + 1,)."""
    cycles = np.maximum(np.arange(length // 2 + 1, dtype=np.float32), np.float32(1.0))
    return np.asarray(1.0 / cycles, np.float32)


def scatter_of_tilt(spectrum: Spectrum, n_outputs: int, n_rows: int) -> float:
    """Return by how much the drift alone tilts the mean of the outputs, rms.

    Parameters
    ----------
    spectrum : Spectrum
        Of a reading for each row, measured on a stream of ``stream_length(n_rows)``.
    n_outputs, n_rows : int

    Returns
    -------
    float, DN/s
        From the first row to the last.
    """
    length = stream_length(n_rows)
    y = (np.arange(n_rows) + 0.5) / n_rows - 0.5
    power = np.abs(fourier.rfft(y / (y @ y), length)) ** 2 * falling(length)
    power[1:] *= 2.0
    mean = spectrum.common + spectrum.own / n_outputs
    return float(np.sqrt(mean * power.sum(dtype=np.float64) / length**2 * length))


def stream_length(n_rows: int) -> int:
    """Return rows of a stream with a quarter more: its end must not know of its start."""
    return fourier.fast_length(n_rows + n_rows // 4)


def _auto(values: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Return the power of the outputs, summed."""
    return np.asarray((values.real**2 + values.imag**2).sum(axis=0), np.float32)


def _cross(values: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Return the power that pairs of different outputs share, summed."""
    joint = values.sum(axis=0)
    return np.asarray(joint.real**2 + joint.imag**2 - _auto(values), np.float32)


def _strength(
    power: NDArray[np.float32],
    pairs: NDArray[np.float32],
    shape: NDArray[np.float32],
    lag: NDArray[np.intp],
) -> float:
    """Fit a shape and a constant to the mean product over each lag."""
    number = np.maximum(fourier.irfft(pairs)[lag], 0.0).astype(np.float64)
    covariance = fourier.irfft(power)[lag] / np.maximum(number, 1.0)
    # as much weight for each octave of time
    weight = number / lag
    weight /= max(float(weight.sum()), 1e-30)
    x = shape - weight @ shape
    y = covariance - weight @ covariance
    return float((weight * x) @ y / max((weight * x) @ x, 1e-30))
