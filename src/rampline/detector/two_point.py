"""Two-point differences: the jump search of the standard pipeline.

A difference of two groups that is too far from the pixel's median difference is a jump
(Anderson & Gordon 2011, PASP 123, 1237). If there are few differences, they are tested one
by one, the worst first, with a median that excludes the largest; many differences are
tested at once; with a hundred integrations each difference is compared with the same
difference in the other integrations.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from ..flags import BAD_FOR_SLOPE
from ..numerics.jit import kernel
from ..params import Count, Params, Sigma
from .band import Hits, PixelNoise, RampBand

_CLIP_ITERATIONS = 5
_WIDTH = 512
"""Number of pixels whose differences are compared together."""
_GAP = 16
"""Padding columns of the sorted array, so that its rows do not share cache lines."""
_QUIET, _OPEN, _SORTED = np.uint8(0), np.uint8(1), np.uint8(2)
"""No jump; possibly a jump; possibly a jump, with the sorted differences known."""
_MAX_SORTED = 20
"""Maximum number of differences that are sorted for many pixels together."""


class TwoPointParams(Params):
    """Thresholds of the two-point search; the defaults are those of ``jwst`` 3.0."""

    rejection: Sigma = 4.0
    """Threshold of a jump with four or more usable differences."""
    rejection_three: Sigma = 5.0
    """Threshold of a jump with three usable differences."""
    rejection_two: Sigma = 6.0
    """Threshold of a jump with two usable differences."""
    single_pass: Count = 10
    """Minimum number of differences of an integration to test all of them at once."""
    clip_integrations: Count = 100
    """Minimum number of integrations to clip each difference over the integrations."""


class _Block(NamedTuple):
    """A block of pixels, in electrons."""

    counts: NDArray[np.float32]
    flags: NDArray[np.uint8]
    gain: NDArray[np.float32]
    read_noise: NDArray[np.float32]
    n_frames: int


def search_two_point(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    rows: slice,
    params: TwoPointParams,
) -> Hits:
    """Find jumps in some rows of a band.

    Parameters
    ----------
    band : RampBand
    noise : PixelNoise
    readout : Readout
    rows : slice
    params : TwoPointParams

    Returns
    -------
    Hits

    Notes
    -----
    Agrees with ``stcal`` 1.20 (``twopoint_difference.find_crs``) with three exceptions:
    whether all differences are tested at once depends on the groups of the exposure, not on
    how many of them are flagged over the whole frame; a group that is flagged in nearly
    every pixel by the clipping over integrations keeps its flags; pixels without a gain are
    not searched.
    """
    n_ints, n_groups = band.counts.shape[:2]
    counts = band.counts[:, :, rows].reshape(n_ints, n_groups, -1)
    n_pixels = counts.shape[2]
    block = _Block(
        counts,
        band.group_flags[:, :, rows].reshape(counts.shape),
        np.ascontiguousarray(noise.gain[rows]).reshape(-1),
        np.ascontiguousarray(noise.read_noise_dn[rows]).reshape(-1),
        readout.n_frames,
    )
    limits = np.array([params.rejection, params.rejection_three, params.rejection_two])
    capacity = n_ints * (n_groups - 1) * n_pixels
    hits = Hits(np.empty((3, capacity), np.int32), np.empty((2, capacity), np.float32))
    if n_ints >= params.clip_integrations:
        n = _clip_integrations(block, BAD_FOR_SLOPE, params.rejection, hits)
    else:
        single = n_groups - 1 >= params.single_pass
        n = _search_pixels(block, BAD_FOR_SLOPE, limits, single, hits)
    return Hits(hits.where[:, :n].copy(), hits.size[:, :n].copy())


@kernel
def _search_pixels(
    block: _Block,
    bad: int,
    limits: NDArray[np.float64],
    single: bool,  # noqa: FBT001 - a kernel has no keywords
    hits: Hits,
) -> int:
    """Search the pixels one by one; return the number of hits."""
    n_ints, n_groups, n_pixels = block.counts.shape
    steps = np.empty(n_ints * (n_groups - 1), np.float32)
    outside = np.empty(steps.size, np.bool_)
    ordered = np.empty_like(steps)
    state = np.empty(_WIDTH, np.uint8)
    sorted_steps = np.empty((n_groups - 1, _WIDTH + _GAP), np.float32)
    is_short = n_ints == 1 and 2 <= n_groups - 1 <= _MAX_SORTED
    n_hits = 0
    for pixel in range(n_pixels):
        at = pixel % _WIDTH
        if at == 0 and is_short:
            _judge_worst(block, pixel, bad, (limits, single), (sorted_steps, state))
        elif at == 0:
            _judge_ranges(block, pixel, bad, (limits, single), state)
        if state[at] == _QUIET or not block.gain[pixel] > 0.0:
            continue
        variance = _difference_noise(block, pixel)
        _take_steps(block, pixel, bad, steps)
        if state[at] == _SORTED:
            n = steps.size
            for k in range(n):
                ordered[k] = sorted_steps[k, at]
        else:
            n = _sort_usable(steps, single, ordered)
        low, high = _search_steps(ordered, n, variance, limits, single)
        if low <= high:
            for k in range(steps.size):
                size = steps[k] if single else abs(steps[k])
                outside[k] = size < low or size > high
            scale = variance, block.gain[pixel]
            place = pixel, n_groups - 1, n_hits
            n_hits = _note_hits(steps, ordered, outside, scale, place, hits)
    return n_hits


@kernel
def _judge_worst(
    block: _Block,
    start: int,
    bad: int,
    rule: tuple[NDArray[np.float64], bool],
    out: tuple[NDArray[np.float32], NDArray[np.uint8]],
) -> None:
    """Fill in which of the pixels from ``start`` on the worst difference may be a jump.

    For one integration of few groups. The differences of many pixels are sorted together,
    by odd-even exchanges of neighbours, so that their median is known; if one is unusable,
    or the largest two are equal, a jump is possible. ``rule`` is the limits and whether all
    differences are tested at once; ``out`` holds the sorted differences first.
    """
    (limits, single), (ordered, state) = rule, out
    n_steps, spoils = len(ordered), np.uint8(bad)
    n = min(state.size, block.gain.size - start)
    stop, gain = start + n, block.gain[start : start + n]
    for c in range(n):
        state[c] = _SORTED
    for k in range(n_steps):
        before, after = (
            block.counts[0, k, start:stop],
            block.counts[0, k + 1, start:stop],
        )
        first, last = block.flags[0, k, start:stop], block.flags[0, k + 1, start:stop]
        step = ordered[k]
        for c in range(n):
            value = after[c] * gain[c] - before[c] * gain[c]
            step[c] = value if single else abs(value)
        for c in range(n):
            is_used = (((first[c] | last[c]) & spoils) == 0) & (step[c] == step[c])
            state[c] = state[c] if is_used else _OPEN
    for turn in range(n_steps):
        for k in range(turn % 2, n_steps - 1, 2):
            low, high = ordered[k], ordered[k + 1]
            for c in range(n):
                one, two = low[c], high[c]
                is_sorted = one <= two
                low[c] = one if is_sorted else two
                high[c] = two if is_sorted else one
    kept = n_steps if single else n_steps - 1
    middle = kept // 2
    below = middle if n_steps == 3 else (kept - 1) // 2
    limit = limits[0] if single or n_steps > 3 else limits[4 - n_steps]
    square = np.float32(0.999 * limit * limit)
    lower, upper = ordered[below], ordered[middle]
    least, most, next_most = ordered[0], ordered[n_steps - 1], ordered[n_steps - 2]
    for c in range(n):
        level = np.float32(0.5) * (lower[c] + upper[c])
        far = max(most[c] - level, level - least[c])
        variance = abs(level) + np.float32(_difference_noise(block, start + c))
        is_plain = (far * far <= square * variance) & (next_most[c] < most[c])
        state[c] = _QUIET if is_plain & (state[c] == _SORTED) else state[c]


@kernel
def _judge_ranges(
    block: _Block,
    start: int,
    bad: int,
    rule: tuple[NDArray[np.float64], bool],
    state: NDArray[np.uint8],
) -> None:
    """Fill in which of the pixels from ``start`` on the worst difference may be a jump.

    For any ramps: no difference can deviate by more than the range of all of them.
    """
    limits, single = rule
    n_ints, n_groups, n_pixels = block.counts.shape
    stop, spoils = min(start + state.size, n_pixels), np.uint8(bad)
    n, gain = stop - start, block.gain[start:stop]
    low, high = np.full(n, np.float32(np.inf)), np.full(n, np.float32(-np.inf))
    for i in range(n_ints):
        for g in range(1, n_groups):
            before = block.counts[i, g - 1, start:stop]
            after = block.counts[i, g, start:stop]
            first, last = (
                block.flags[i, g - 1, start:stop],
                block.flags[i, g, start:stop],
            )
            for c in range(n):
                step = after[c] * gain[c] - before[c] * gain[c]
                size = step if single else abs(step)
                is_used = ((first[c] | last[c]) & spoils) == 0
                least, most = low[c], high[c]
                # False for NaN
                low[c] = size if is_used & (size < least) else least
                high[c] = size if is_used & (size > most) else most
    square = 0.999 * min(limits[0], limits[1], limits[2]) ** 2
    for c in range(n):
        lowest, highest = np.float64(low[c]), np.float64(high[c])
        variance = _difference_noise(block, start + c) + max(lowest, -highest, 0.0)
        is_wide = (highest - lowest) ** 2 > square * variance
        state[c] = _OPEN if is_wide else _QUIET


@kernel
def _difference_noise(block: _Block, pixel: int) -> float:
    """Return the variance of a difference from read noise, e-**2."""
    sigma = np.float64(block.read_noise[pixel]) * block.gain[pixel]
    return float(2.0 * sigma * sigma / block.n_frames)


@kernel
def _take_steps(
    block: _Block, pixel: int, bad: int, steps: NDArray[np.float32]
) -> None:
    """Fill the differences, e-, NaN where unusable."""
    n_ints, n_groups, _ = block.counts.shape
    gain = block.gain[pixel]
    k = 0
    for i in range(n_ints):
        before = np.float32(np.nan)
        for g in range(n_groups):
            after = block.counts[i, g, pixel] * gain
            if block.flags[i, g, pixel] & bad:
                after = np.float32(np.nan)
            if g > 0:
                steps[k] = after - before
                k += 1
            before = after


@kernel
def _sort_usable(
    steps: NDArray[np.float32],
    signed: bool,  # noqa: FBT001 - a kernel has no keywords
    ordered: NDArray[np.float32],
) -> int:
    """Fill ``ordered`` with the sorted usable differences; return their number."""
    n = 0
    for step in steps:
        size = step if signed else abs(step)
        if size == size:  # noqa: PLR0124 - false for NaN
            k = n
            while k > 0 and ordered[k - 1] > size:
                ordered[k] = ordered[k - 1]
                k -= 1
            ordered[k] = size
            n += 1
    return n


@kernel
def _median(ordered: NDArray[np.float32], first: int, n: int) -> float:
    """Return the median of ``n`` sorted values; NaN of none."""
    if n == 0:
        return np.nan
    upper = np.float64(ordered[first + n // 2])
    return 0.5 * (upper + np.float64(ordered[first + (n - 1) // 2]))


@kernel
def _search_steps(
    ordered: NDArray[np.float32],
    n: int,
    variance: float,
    limits: NDArray[np.float64],
    single: bool,  # noqa: FBT001 - a kernel has no keywords
) -> tuple[float, float]:
    """Return the range of differences without a jump; (inf, -inf): no jump.

    If ``single``, signed differences about their median are tested at once. Otherwise
    absolute differences are tested, dropping the worst until none exceeds the threshold.
    The first ``n`` of ``ordered`` are sorted.
    """
    if single:
        middle = _median(ordered, 0, n)
        reach = limits[0] * np.sqrt(abs(middle) + variance)
        return middle - reach, middle + reach
    first, last, found = 0, n, False
    while last - first >= 2:
        n = last - first
        middle = _clipped_median(ordered, first, n)
        below, above = middle - ordered[first], ordered[last - 1] - middle
        limit = limits[0 if n >= 4 else 4 - n]
        sigma = np.sqrt(middle + variance)
        if sigma == 0.0 or not max(below, above) > limit * sigma:
            break
        found = True
        top, bottom = ordered[last - 1], ordered[first]
        while above >= below and last > first and ordered[last - 1] == top:
            last -= 1
        while below >= above and first < last and ordered[first] == bottom:
            first += 1
    if not found:
        return np.inf, -np.inf
    if first == last:
        return -1.0, -1.0
    return ordered[first], ordered[last - 1]


@kernel
def _clipped_median(ordered: NDArray[np.float32], first: int, n: int) -> float:
    """Return the median without the largest; the middle of three, the smaller of two."""
    if n == 2:
        return np.float64(ordered[first])
    if n == 3:
        return np.float64(ordered[first + 1])
    kept = n - 1
    while kept > 0 and ordered[first + kept - 1] == ordered[first + n - 1]:
        kept -= 1
    return _median(ordered, first, kept)


@kernel
def _note_hits(
    steps: NDArray[np.float32],
    ordered: NDArray[np.float32],
    outside: NDArray[np.bool_],
    scale: tuple[float, float],
    place: tuple[int, int, int],
    hits: Hits,
) -> int:
    """Append the differences that are jumps to the hits; return the new number of hits.

    ``scale`` is (read variance in e-, gain), ``place`` is (pixel, differences of an
    integration, hits so far).
    """
    variance, gain = scale
    pixel, n_steps, n_hits = place
    middle = _median(ordered, 0, _sort_usable(steps, True, ordered))
    sigma = np.sqrt(abs(middle) + variance)
    for k in range(steps.size):
        if outside[k]:
            hits.where[0, n_hits] = k // n_steps
            hits.where[1, n_hits] = k % n_steps + 1
            hits.where[2, n_hits] = pixel
            hits.size[0, n_hits] = abs(steps[k] - middle) / sigma
            hits.size[1, n_hits] = (steps[k] - middle) / gain
            n_hits += 1
    return n_hits


@kernel
def _clip_integrations(block: _Block, bad: int, limit: float, hits: Hits) -> int:
    """Clip each difference over the integrations; return the number of hits."""
    n_ints, n_groups, n_pixels = block.counts.shape
    n_steps = n_groups - 1
    steps = np.empty(n_ints * n_steps, np.float32)
    outside = np.empty(n_ints * n_steps, np.bool_)
    ordered = np.empty_like(steps)
    n_hits = 0
    for pixel in range(n_pixels):
        if not block.gain[pixel] > 0.0:
            continue
        _take_steps(block, pixel, bad, steps)
        found = False
        for k in range(n_steps):
            column = steps[k::n_steps]
            n = _sort_usable(column, True, ordered)
            low, high = _clip_sorted(ordered, n, limit)
            for i in range(n_ints):
                outside[i * n_steps + k] = column[i] < low or column[i] > high
                found = found or outside[i * n_steps + k]
        if found:
            scale = _difference_noise(block, pixel), block.gain[pixel]
            place = pixel, n_steps, n_hits
            n_hits = _note_hits(steps, ordered, outside, scale, place, hits)
    return n_hits


@kernel
def _clip_sorted(
    ordered: NDArray[np.float32], n: int, limit: float
) -> tuple[float, float]:
    """Return the bounds of values clipped about their median until convergence."""
    first, last = 0, n
    low, high = -np.inf, np.inf
    for _ in range(_CLIP_ITERATIONS):
        kept = last - first
        mean, square = 0.0, 0.0
        for k in range(first, last):
            mean += ordered[k] / kept
        for k in range(first, last):
            square += (ordered[k] - mean) ** 2 / kept
        middle = _median(ordered, first, kept)
        low, high = middle - limit * np.sqrt(square), middle + limit * np.sqrt(square)
        while first < last and ordered[first] < low:
            first += 1
        while first < last and ordered[last - 1] > high:
            last -= 1
        if last - first == kept:
            break
    return low, high
