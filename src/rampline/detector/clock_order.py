"""Estimate the drift of the amplifiers in the order in which pixels are clocked out.

All amplifiers read one pixel at the same instant, 10 us after the previous one, with a pause
after each row; adjacent amplifiers read in opposite directions. In this order the drift is a
stationary process with a known spectrum, partly common to the amplifiers, partly their own.
Its estimate, given the pixels that show only sky and their white noise, is the conditional
mean: the best linear estimate, which also bridges sources. Drifts shorter than half a row
are not removed: they are faint, and following them would remove light of sources too faint
for the mask. The unit of time is a strip of eight pixels.
"""

from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from ..numerics import fourier
from ..numerics.conjugate_gradients import conjugate_gradients
from .drift_spectrum import falling, measure_spectrum, stream_length
from .stripes import STRIP

_PAUSE: Final = 2
"""Strips that stand for the 12 clocks after each row."""
_SHORTEST: Final = 300 / STRIP
"""Period, in strips, of the fastest cycle that is followed: 3 ms."""
_APART: Final = 12
"""Distance along a row, in strips, beyond which light of a source is uncorrelated."""
_LONGEST: Final = 16
"""Longest lag, in rows, over which the covariance is fitted."""
_LIMITS: Final = (1e-3, 60)
"""Relative residual at which to stop, and maximum number of iterations."""

Streams = NDArray[np.float32]
"""(outputs, clock rows, strips of a clock row), in clock order"""
Cycles = NDArray[np.complex128]
"""(outputs, cycles in the whole stream): amplitudes, from 0 cycles on"""


class ClockOrder(NamedTuple):
    """When the strips of an image were read."""

    n_rows: int
    n_strips: int
    """Number of strips of one output."""
    directions: tuple[int, ...]
    """1 or -1 along the columns, for each output from the left."""
    rows_down: bool

    @classmethod
    def of(cls, readout: Readout, shape: tuple[int, ...]) -> Self:
        """Return the order of an image of the given rows and strips."""
        n = readout.n_outputs
        directions = tuple(readout.fast_axis * (-1) ** k for k in range(n))
        return cls(shape[0], shape[1] // n, directions, readout.slow_axis < 0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the streams, including pauses and padding."""
        rows = stream_length(self.n_rows)
        return len(self.directions), rows, self.n_strips + _PAUSE

    def unfold(self, plane: NDArray[np.float32]) -> Streams:
        """Return a plane of strips as streams, 0 in pauses and padding."""
        streams = np.zeros(self.shape, np.float32)
        plane = plane[::-1] if self.rows_down else plane
        parts = np.split(plane, len(self.directions), axis=1)
        for stream, part, step in zip(streams, parts, self.directions, strict=True):
            stream[: self.n_rows, : self.n_strips] = part[:, ::step]
        return streams

    def fold(self, streams: Streams) -> NDArray[np.float32]:
        """Return streams as a plane of strips, without pauses and padding."""
        inner = streams[:, : self.n_rows, : self.n_strips]
        pairs = zip(inner, self.directions, strict=True)
        plane = np.concatenate([part[:, ::step] for part, step in pairs], axis=1)
        return np.ascontiguousarray(plane[::-1] if self.rows_down else plane)


def follow_drift(
    total: NDArray[np.float32],
    used: NDArray[np.float32],
    variance: float,
    readout: Readout,
) -> NDArray[np.float32]:
    """Estimate the drift at every strip.

    Parameters
    ----------
    total : (rows, strips) float32, DN/s
        Sums over the pixels of each strip that show only sky, minus the sky.
    used : (rows, strips) float32
        Number of pixels summed.
    variance : float, (DN/s)**2
        White noise of a pixel.
    readout : Readout
        Its outputs are equally many strips wide.

    Returns
    -------
    (rows, strips) float32, DN/s
        The drift, also where no pixel was used; 0 everywhere without measurable drift.

    Notes
    -----
    The conditional mean ``(S^-1 + N^-1)^-1 N^-1 d`` of a Gaussian drift with covariance S,
    circulant in time, and white noise N, infinite where no pixel was used. The published
    filter, a ratio of two convolutions (StreamClean of ``snowblind``), is the same only if
    no pixel is missing.
    """
    order = ClockOrder.of(readout, total.shape)
    sums, counts = order.unfold(total), order.unfold(used)
    line, n_streams = sums.shape[2], len(sums)
    lag = np.arange(1, min(_LONGEST * line, sums[0].size // 6))
    lag = lag[(lag % line >= _APART) & (lag % line <= line - _APART)]
    flat = (n_streams, -1)
    spectrum = measure_spectrum(sums.reshape(flat), counts.reshape(flat), lag)
    if spectrum.own <= 0.0 or variance <= 0.0:
        return np.zeros_like(total)
    length = sums[0].size
    power = falling(length)[: max(int(length / _SHORTEST), 1)]
    weight = np.float32(1.0 / variance)
    powers = spectrum.own * power, spectrum.common * power
    return order.fold(conditional_mean(sums * weight, counts * weight, powers))


def conditional_mean(
    right: Streams,
    weight: Streams,
    powers: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> Streams:
    """Return the drift given the readings, by conjugate gradients.

    Parameters
    ----------
    right : Streams
        Sums over the variance of a pixel, 1/(DN/s).
    weight : Streams
        Number of pixels over the variance of one, 1/(DN/s)**2.
    powers : two of (cycles,) float32, (DN/s)**2
        Spectrum per reading of each output's own drift, positive, and of the common drift,
        from 0 cycles in the whole stream up to the fastest that is followed.

    Notes
    -----
    The unknowns are the amplitudes of the followed cycles. The preconditioner is the same
    problem with the mean weight everywhere, in which the cycles are independent.
    """
    shape, length = right.shape, right[0].size
    flat_weight = weight.reshape(len(weight), -1)
    alone = powers[0].astype(np.float64)
    shared, n_cycles = alone + len(right) * powers[1], len(alone)
    mean = float(weight[weight > 0.0].mean())

    def image_of(cycles: Cycles) -> Cycles:
        drift = fourier.irfft(cycles.astype(np.complex64), length, axis=1)
        seen = fourier.rfft(flat_weight * drift, axis=1)[:, :n_cycles]
        from_prior = _apply(1.0 / alone, 1.0 / shared, cycles)
        return np.asarray(seen + from_prior, np.complex128)

    left = fourier.rfft(right.reshape(flat_weight.shape), axis=1)[:, :n_cycles]
    own, joint = (prior / (1.0 + mean * prior) for prior in (alone, shared))

    def guess_of(cycles: Cycles) -> Cycles:
        return _apply(own, joint, cycles)

    cycles = left.astype(np.complex128)
    cycles = conjugate_gradients(image_of, cycles, guess_of, _dot, _LIMITS)
    drift = fourier.irfft(cycles.astype(np.complex64), length, axis=1)
    return np.asarray(drift, np.float32).reshape(shape)


def _apply(
    own: NDArray[np.float64], joint: NDArray[np.float64], cycles: Cycles
) -> Cycles:
    """Multiply the mean of the streams by ``joint`` and the rest by ``own``."""
    return np.asarray(own * cycles + (joint - own) * cycles.mean(axis=0), np.complex128)


def _dot(one: Cycles, other: Cycles) -> float:
    """Return the inner product of two sets of streams, up to a factor."""
    whole = (one.real * other.real + one.imag * other.imag).sum()
    constant = (one[:, 0].real * other[:, 0].real).sum()
    return float(2.0 * whole - constant)
