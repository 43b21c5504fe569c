"""The jump search by generalised least squares.

A difference that a cosmic ray hit is an outlier of a model with one slope. Leaving out
difference ``i`` lowers chi2 by ``e_i**2 / P_ii``, with ``e = P d`` and ``P`` the inverse
covariance with the slope projected out; leaving out two neighbours, which a hit within
an averaged group spoils both, by the same form of two (Brandt 2024, PASP 136, 045005,
in the closed form of a tridiagonal covariance). ``e / P`` is the step itself: charge is
only ever added, so negative steps are not jumps. With few differences this sign tells
the hit pair from the two good ones.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..exposure.timing import Readout
from ..flags import BAD_FOR_SLOPE, JUMP
from ..numerics.jit import kernel
from .band import Hits, PixelNoise, RampBand, flat_block
from .leave_out import Outliers, find_outliers, make_outliers
from .ramp_fit.covariance import Pattern, difference_pattern
from .ramp_fit.gls_kernels import (
    Elimination,
    Noise,
    Steps,
    eliminate,
    find_means,
    make_elimination,
    make_steps,
    move_origin,
    take_steps,
)
from .thresholds import one_sided_threshold

_CHUNK = 512


class _Block(NamedTuple):
    """Pixels side by side."""

    counts: NDArray[np.float32]
    flags: NDArray[np.uint8]
    inverse_gain: NDArray[np.float32]
    read: NDArray[np.float32]


class _Queue(NamedTuple):
    """Ramps to be searched, as many as a chunk has pixels."""

    steps: Steps
    work: Elimination
    noise: Noise
    outliers: Outliers
    inverse_gain: NDArray[np.float32]
    place: NDArray[np.int32]
    """(2, pixels): integration and pixel; the pixel is -1 where nothing waits."""


def search_gls(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    rows: slice,
    false_positives: float,
) -> Hits:
    """Find jumps in some rows of a band.

    Parameters
    ----------
    band : RampBand
    noise : PixelNoise
    readout : Readout
    rows : slice
    false_positives : float
        Fraction of ramps without a hit that may be flagged.

    Returns
    -------
    Hits
    """
    counts = flat_block(band.counts, rows)
    n_ints, n_groups, n_pixels = counts.shape
    gain = noise.gain[rows].reshape(-1)
    inverse_gain = np.zeros(gain.shape, np.float32)
    np.divide(1.0, gain, out=inverse_gain, where=gain > 0.0)
    read = noise.read_noise_dn[rows].reshape(-1) ** 2
    block = _Block(counts, flat_block(band.group_flags, rows), inverse_gain, read)
    pattern = difference_pattern(list(readout.read_times_s()))
    limits = chi2_limits(n_groups - 1, readout.n_frames, false_positives)
    capacity = n_ints * (n_groups - 1) * n_pixels
    hits = Hits(np.empty((3, capacity), np.int32), np.empty((2, capacity), np.float32))
    n = _search_block(block, (BAD_FOR_SLOPE, JUMP), pattern, limits, hits)
    return Hits(hits.where[:, :n].copy(), hits.size[:, :n].copy())


def chi2_limits(
    n_steps: int, n_frames: int, false_positives: float
) -> NDArray[np.float32]:
    """Return by how much chi2 must fall for one and for two differences left out.

    Returns
    -------
    (2, n_steps + 1) float32
        For each number of differences in the ramp; infinite below two.

    Notes
    -----
    The pair's limit has the same probability: chi2 of two degrees of freedom is
    exponential.
    """
    limits = np.full((2, n_steps + 1), np.inf, np.float32)
    for n in range(2, n_steps + 1):
        threshold = one_sided_threshold(n, n_frames, false_positives)
        limits[0, n] = threshold**2
        limits[1, n] = -2.0 * np.log(special.erfc(threshold / np.sqrt(2.0)))
    return limits


@kernel
def _make_queue(n_steps: int, n_pixels: int) -> _Queue:
    """Return arrays for a chunk of pixels."""
    queue = _Queue(
        make_steps(n_steps, n_pixels),
        make_elimination(n_steps, n_pixels),
        Noise(np.ones(n_pixels, np.float32), np.ones(n_pixels, np.float32)),
        make_outliers(n_steps, n_pixels),
        np.zeros(n_pixels, np.float32),
        np.full((2, n_pixels), -1, np.int32),
    )
    queue.steps.rate[:] = np.float32(0.0)
    queue.steps.used[:] = np.float32(0.0)
    queue.steps.n_used[:] = np.float32(0.0)
    queue.steps.shift[:] = np.float32(0.0)
    return queue


@kernel
def _search_block(
    block: _Block,
    spoils: tuple[int, int],
    pattern: Pattern,
    limits: NDArray[np.float32],
    hits: Hits,
) -> int:
    """Search all pixels; return the number of hits."""
    n_ints, _, n_pixels = block.counts.shape
    n_steps = len(pattern.step_s)
    queue = _make_queue(n_steps, _CHUNK)
    chunk = _make_queue(n_steps, min(_CHUNK, n_pixels))
    n_waiting, n_hits = 0, 0
    for i in range(n_ints):
        for start in range(0, n_pixels, _CHUNK):
            if n_pixels - start < len(chunk.inverse_gain):
                chunk = _make_queue(n_steps, n_pixels - start)
            _load_chunk(block, (i, start), spoils, pattern, chunk)
            for c in range(len(chunk.inverse_gain)):
                if _is_suspect(chunk, c, limits):
                    _move(chunk, c, queue, n_waiting)
                    n_waiting += 1
                while n_waiting == _CHUNK:
                    n_waiting, n_hits = _work_off(queue, pattern, limits, hits, n_hits)
        if n_pixels % _CHUNK and n_ints > 1:
            chunk = _make_queue(n_steps, min(_CHUNK, n_pixels))
    while n_waiting > 0:
        n_waiting, n_hits = _work_off(queue, pattern, limits, hits, n_hits)
    return n_hits


@kernel
def _load_chunk(
    block: _Block,
    place: tuple[int, int],
    spoils: tuple[int, int],
    pattern: Pattern,
    chunk: _Queue,
) -> None:
    """Take some pixels of one integration and fit them."""
    i, start = place
    stop = start + len(chunk.inverse_gain)
    chunk.inverse_gain[:] = block.inverse_gain[start:stop]
    chunk.noise.read[:] = block.read[start:stop]
    chunk.place[0][:] = i
    chunk.place[1][:] = np.arange(start, stop).astype(np.int32)
    take_steps(block.counts[i], block.flags[i], start, spoils, pattern, chunk.steps)
    _fit(chunk, pattern)


@kernel
def _fit(queue: _Queue, pattern: Pattern) -> None:
    """Fit with the noise of the mean difference without the largest."""
    steps, line = queue.steps, queue.outliers.line
    mean, largest = line[0], line[1]
    find_means(steps, mean, largest)
    one, zero = np.float32(1.0), np.float32(0.0)
    n_used, shift, signal = steps.n_used, steps.shift, queue.noise.signal
    for c in range(len(mean)):
        without = (mean[c] * n_used[c] - largest[c]) / max(n_used[c] - one, one)
        mean[c] = without if n_used[c] > one else mean[c]
    move_origin(steps, mean)
    inverse_gain = queue.inverse_gain
    for c in range(len(mean)):
        signal[c] = max(shift[c], zero) * inverse_gain[c]
    eliminate(steps, queue.noise, pattern, queue.work)


@kernel
def _is_suspect(chunk: _Queue, c: int, limits: NDArray[np.float32]) -> bool:
    """Return whether chi2 is large enough that leaving something out may pay."""
    chi, right, weight = chunk.work.sums[:, c]
    if not (weight > 0.0 and chunk.inverse_gain[c] > 0.0):
        return False
    chi2 = chi - right * right / weight
    return bool(chi2 > limits[0, int(chunk.steps.n_used[c])])


@kernel
def _move(source: _Queue, c: int, target: _Queue, k: int) -> None:
    """Copy a ramp from one place to another."""
    for i in range(len(source.steps.rate)):
        target.steps.rate[i, k] = source.steps.rate[i, c]
        target.steps.used[i, k] = source.steps.used[i, c]
    target.steps.shift[k] = source.steps.shift[c]
    target.steps.n_used[k] = source.steps.n_used[c]
    target.noise.read[k] = source.noise.read[c]
    target.inverse_gain[k] = source.inverse_gain[c]
    target.place[0, k] = source.place[0, c]
    target.place[1, k] = source.place[1, c]


@kernel
def _work_off(
    queue: _Queue,
    pattern: Pattern,
    limits: NDArray[np.float32],
    hits: Hits,
    n_hits: int,
) -> tuple[int, int]:
    """Leave out what saves most chi2 of each ramp; those that lost something stay.

    Returns how many wait now, and the number of hits.
    """
    _fit(queue, pattern)
    find_outliers(queue.steps, queue.noise, pattern, queue.work, queue.outliers)
    n_waiting = 0
    for c in range(len(queue.inverse_gain)):
        if queue.place[1, c] < 0:
            continue
        before = n_hits
        n_hits = _omit(queue, c, pattern, limits, hits, n_hits)
        if n_hits > before and queue.steps.n_used[c] >= 2.0:
            _move(queue, c, queue, n_waiting)
            n_waiting += 1
    queue.place[1][n_waiting:] = -1
    return n_waiting, n_hits


@kernel
def _omit(
    queue: _Queue,
    c: int,
    pattern: Pattern,
    limits: NDArray[np.float32],
    hits: Hits,
    n_hits: int,
) -> int:
    """Leave out one difference or two where it pays; return the number of hits."""
    steps, found = queue.steps, queue.outliers
    n_used = int(steps.n_used[c])
    single = found.gain[0, c] - limits[0, n_used]
    pair = found.gain[1, c] - limits[1, n_used]
    if not (single > 0.0 or pair > 0.0):
        return n_hits
    is_pair = pair > single
    first = found.which[1 if is_pair else 0, c]
    for k in range(2 if is_pair else 1):
        i = first + k
        jump = found.jump[1 + k if is_pair else 0, c]
        variance = queue.noise.signal[c] * pattern.photon_diagonal[i]
        variance += queue.noise.read[c] * pattern.read_diagonal[i]
        hits.where[0, n_hits] = queue.place[0, c]
        hits.where[1, n_hits] = i + 1
        hits.where[2, n_hits] = queue.place[1, c]
        hits.size[0, n_hits] = jump / np.sqrt(variance)
        hits.size[1, n_hits] = jump * pattern.step_s[i]
        n_hits += 1
        steps.rate[i, c] = np.float32(0.0)
        steps.used[i, c] = np.float32(0.0)
        steps.n_used[c] -= np.float32(1.0)
    return n_hits
