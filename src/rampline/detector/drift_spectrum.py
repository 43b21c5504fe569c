"""Strength of the drift of the amplifiers, from the autocovariance of an image.

The power of the drift falls as one over the frequency. Its covariance therefore decreases
with the logarithm of the time between two readings: the products of readings some time apart
give its strength without the white noise, and products between amplifiers give the common
part. A constant accounts for the variance removed by the subtraction of the sky.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics import fourier


class Spectrum(NamedTuple):
    """Power of the drift at one cycle in the whole stream; it falls as 1/f."""

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
        Sum (DN/s) and number of the pixels of each reading in the order of time, minus the
        sky; 0 without pixels, as in the padding at the end, longer than any lag.
    lag : (lags,) int
        Lags in readings, longer than those at which the light of sources is correlated.

    Returns
    -------
    Spectrum
        0 where the covariance does not decrease with time.
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
    """Return one over the frequency of a stream of ``length``, (length // 2 + 1,)."""
    cycles = np.maximum(np.arange(length // 2 + 1, dtype=np.float32), np.float32(1.0))
    return np.asarray(1.0 / cycles, np.float32)


def scatter_of_tilt(spectrum: Spectrum, n_outputs: int, n_rows: int) -> float:
    """Return the rms tilt of the mean of the outputs due to the drift alone.

    Parameters
    ----------
    spectrum : Spectrum
        For one reading per row, measured on a stream of ``stream_length(n_rows)``.
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
    """Return the rows of a stream padded by a quarter, so that its ends are independent."""
    return fourier.fast_length(n_rows + n_rows // 4)


def _auto(values: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Return the power of the outputs, summed."""
    return np.asarray((values.real**2 + values.imag**2).sum(axis=0), np.float32)


def _cross(values: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Return the cross power of different outputs, summed over pairs."""
    joint = values.sum(axis=0)
    return np.asarray(joint.real**2 + joint.imag**2 - _auto(values), np.float32)


def _strength(
    power: NDArray[np.float32],
    pairs: NDArray[np.float32],
    shape: NDArray[np.float32],
    lag: NDArray[np.intp],
) -> float:
    """Fit a shape and a constant to the mean product at each lag."""
    number = np.maximum(fourier.irfft(pairs)[lag], 0.0).astype(np.float64)
    covariance = fourier.irfft(power)[lag] / np.maximum(number, 1.0)
    # equal weight for each octave of time
    weight = number / lag
    weight /= max(float(weight.sum()), 1e-30)
    x = shape - weight @ shape
    y = covariance - weight @ covariance
    return float((weight * x) @ y / max((weight * x) @ x, 1e-30))
