"""The kernels of the fit by segments: one pixel after the other, all its integrations."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.jit import kernel

_LARGE_VARIANCE: Final = 1.0e6
"""Variances from here on are written as 0: they mean that there is no measurement."""

_NOT_GOOD, _JUMP_ONLY, _NO_VALUE, _HAS_JUMP = 1, 2, 4, 8
SLOPE, ERR, VAR_POISSON, VAR_READ = 0, 1, 2, 3


class Bits(NamedTuple):
    """Flag bits that the kernels read or set."""

    do_not_use: int
    saturated: int
    jump: int
    persistence: int
    chargeloss: int


class Times(NamedTuple):
    """Times of the ramp, s, and whether a single group is enough."""

    group: float
    frame: float
    one_group: float
    keep_one_group: bool


class Block(NamedTuple):
    """Pixels side by side: ramps and noise."""

    counts: NDArray[np.float32]
    flags: NDArray[np.uint8]
    zero: NDArray[np.float32]
    gain: NDArray[np.float32]
    read_variance: NDArray[np.float64]
    dark: NDArray[np.float32]


class Result(NamedTuple):
    """Slope, err, two variances and flags of each integration; the last is the exposure."""

    planes: NDArray[np.float32]
    flags: NDArray[np.uint32]


class Scratch(NamedTuple):
    """One pixel's ramps: what each group is good for, values, segments, outcome."""

    kind: NDArray[np.uint8]
    values: NDArray[np.float64]
    steps: NDArray[np.float64]
    segments: NDArray[np.int64]
    single_s: NDArray[np.float64]
    added: NDArray[np.uint32]
    is_single: NDArray[np.bool_]
    is_cut: NDArray[np.bool_]


@kernel
def fit_pixels(
    block: Block,
    table: NDArray[np.float64],
    times: Times,
    bits: Bits,
    result: Result,
) -> None:
    """Fit the ramps of all pixels."""
    n_ints, n_groups, n_pixels = block.counts.shape
    scratch = Scratch(
        np.empty((n_ints, n_groups), np.uint8),
        np.empty((n_ints, n_groups)),
        np.empty(n_groups),
        np.empty((n_groups + 1, 2), np.int64),
        np.empty(n_ints),
        np.empty(n_ints, np.uint32),
        np.empty(n_ints, np.bool_),
        np.empty(n_ints, np.bool_),
    )
    for pixel in range(n_pixels):
        rate, seen = 0.0, 0
        for i in range(n_ints):
            seen |= _take_ramp(block, (pixel, i), times, bits, scratch)
            rate += _median_rate(scratch, i, times) / n_ints
        signal = (max(0.0, rate) + block.dark[pixel]) / block.gain[pixel]
        _fit_pixel(block, (pixel, signal), (table, times), bits, scratch, result)
        if seen & bits.chargeloss:
            _refit_noise(block, pixel, times, bits, scratch, result)


@kernel
def _take_ramp(
    block: Block, place: tuple[int, int], times: Times, bits: Bits, scratch: Scratch
) -> int:
    """Sort the groups of one integration by what they are good for; return all its bits."""
    pixel, i = place
    n_groups = block.counts.shape[1]
    kind, values = scratch.kind[i], scratch.values[i]
    n_clean, n_good, n_lost, n_full, seen = 0, 0, 0, 0, 0
    for g in range(n_groups):
        flags = int(block.flags[i, g, pixel])
        count = block.counts[i, g, pixel]
        is_lost = flags & (bits.do_not_use | bits.saturated) != 0 or np.isnan(count)
        kind[g] = _kind(flags & ~bits.persistence, is_lost, bits)
        values[g] = count
        seen |= flags
        n_clean += flags == 0 and not is_lost
        n_good += kind[g] == 0
        n_lost += is_lost
        n_full += flags & bits.saturated != 0
    first = int(block.flags[i, 0, pixel])
    single_s, is_single = times.group, True
    if not times.keep_one_group:
        if n_good == 1:
            kind[:] = _NOT_GOOD | _NO_VALUE
            n_lost = n_groups
        is_single = False
    elif n_clean == 1 and first == 0:
        single_s = times.one_group
    elif n_clean == 0 and abs(block.zero[i, pixel]) > 0.0:
        values[0], kind[0], first, single_s = block.zero[i, pixel], 0, 0, times.frame
        n_lost -= 1
        n_full -= n_full == n_groups
    else:
        is_single = False
    scratch.is_single[i] = is_single
    scratch.single_s[i] = single_s
    scratch.is_cut[i] = seen & bits.saturated != 0
    added = seen & (bits.jump | bits.persistence)
    if n_lost == n_groups or first & bits.saturated:
        added |= bits.do_not_use
    if n_full == n_groups or first & bits.saturated:
        added |= bits.saturated
    scratch.added[i] = added
    return seen


@kernel
def _kind(flags: int, is_lost: bool, bits: Bits) -> int:  # noqa: FBT001
    """Return what a group is good for."""
    kind = 0
    if flags != 0 or is_lost:
        kind |= _NOT_GOOD
    if flags == bits.jump and not is_lost:
        kind |= _JUMP_ONLY
    if flags & bits.jump:
        kind |= _HAS_JUMP
    if is_lost:
        kind |= _NO_VALUE
    return kind


@kernel
def _median_rate(scratch: Scratch, i: int, times: Times) -> float:
    """Return the median of the unflagged differences of one integration, DN/s."""
    kind, values, steps = scratch.kind[i], scratch.values[i], scratch.steps
    n_groups = kind.size
    if n_groups == 1:
        return float(values[0] / times.one_group) if kind[0] & _NO_VALUE == 0 else 0.0
    if scratch.is_single[i]:
        return float(values[0] / scratch.single_s[i])
    n = 0
    for g in range(1, n_groups):
        if kind[g] & (_NO_VALUE | _HAS_JUMP) == 0 and kind[g - 1] & _NO_VALUE == 0:
            step = values[g] - values[g - 1]
            k = n
            while k > 0 and steps[k - 1] > step:
                steps[k] = steps[k - 1]
                k -= 1
            steps[k] = step
            n += 1
    if n > 0:
        middle = 0.5 * (steps[n // 2] + steps[(n - 1) // 2])
        return float(middle / times.group)
    if kind[0] & _NO_VALUE == 0:
        return float(values[0] / times.group)
    return 0.0


@kernel
def _find_segments(kind: NDArray[np.uint8], segments: NDArray[np.int64]) -> int:
    """Fill start and length of the segments; return their number.

    A segment is a run of good groups with the jump before it; single groups count only
    where there is nothing longer, and then only the first.
    """
    n, longest, start = 0, 0, -1
    for g in range(kind.size + 1):
        good = g < kind.size and kind[g] & _NOT_GOOD == 0
        if good and start < 0:
            start = g - 1 if g > 0 and kind[g - 1] & _JUMP_ONLY else g
        elif not good and start >= 0:
            segments[n, 0], segments[n, 1] = start, g - start
            longest = max(longest, g - start)
            n, start = n + 1, -1
    if longest < 2:
        return min(n, 1)
    kept = 0
    for k in range(n):
        if segments[k, 1] > 1:
            segments[kept] = segments[k]
            kept += 1
    return kept


@kernel
def _read_variance(
    length: int, variance: float, times: Times, single_s: float
) -> float:
    """Return the variance of a segment's slope from read noise alone."""
    if length == 1:
        return 2.0 * variance / single_s**2
    return 12.0 * variance / (times.group**2 * (length**3 - length))


@kernel
def _power_index(rise: float, gain: float, variance: float) -> int:
    """Return which power of the weights suits a segment that rises by ``rise`` DN."""
    total = variance * gain**2 + rise * gain
    snr = rise * gain / np.sqrt(total) if total > 0.0 else 0.0
    return (snr >= 5.0) + (snr >= 10.0) + (snr >= 20.0) + (snr >= 50.0) + (snr >= 100.0)


@kernel
def _fit_integration(
    scratch: Scratch,
    i: int,
    noise: tuple[float, float, float],
    table: NDArray[np.float64],
    times: Times,
) -> tuple[float, float, float, float]:
    """Return sums over the segments: slope and 1 over read variance, the photons', both.

    ``noise`` is (signal in DN**2/s, read variance of a group in DN**2, gain).
    """
    signal, variance, gain = noise
    values, segments = scratch.values[i], scratch.segments
    sum_slope, sum_read, sum_poisson, sum_both = 0.0, 0.0, 0.0, 0.0
    for k in range(_find_segments(scratch.kind[i], segments)):
        start, length = segments[k, 0], segments[k, 1]
        time = times.group if length > 1 else scratch.single_s[i]
        rise = values[start + length - 1] - values[start]
        weight = table[length, _power_index(rise, gain, variance) if length > 2 else 0]
        slope = 0.0
        for g in range(length):
            slope += weight[g] * values[start + g]
        var_read = _read_variance(length, variance, times, time)
        var_poisson = signal / (time * max(length - 1, 1))
        sum_slope += slope / time / var_read
        sum_read += 1.0 / var_read
        sum_poisson += 1.0 / var_poisson if var_poisson > 0.0 else 0.0
        sum_both += 1.0 / (var_read + var_poisson)
    return sum_slope, sum_read, sum_poisson, sum_both


@kernel
def _fit_pixel(
    block: Block,
    place: tuple[int, float],
    model: tuple[NDArray[np.float64], Times],
    bits: Bits,
    scratch: Scratch,
    result: Result,
) -> None:
    """Fit all integrations of a pixel and combine them."""
    pixel, signal = place
    table, times = model
    n_ints = block.counts.shape[0]
    noise = signal, block.read_variance[pixel], block.gain[pixel]
    invalid = bits.do_not_use | bits.saturated
    sum_slope, sum_read, sum_poisson = 0.0, 0.0, 0.0
    common, united, cut = invalid, 0, False
    for i in range(n_ints):
        sums = _fit_integration(scratch, i, noise, table, times)
        if sums[1] == 0.0:
            scratch.added[i] |= bits.do_not_use
        elif scratch.added[i] & invalid == 0:
            sum_slope += sums[0]
            sum_read += sums[1]
            sum_poisson += sums[2]
        flags = result.flags[i, pixel] | scratch.added[i]
        _write_fit(sums, flags & invalid != 0, (i, pixel), result)
        if sums[3] > 0.0 and flags & invalid == 0:
            result.planes[ERR, i, pixel] = np.sqrt(1.0 / sums[3])
        common &= flags
        united |= scratch.added[i] & ~invalid
        cut = cut or scratch.is_cut[i]
        result.flags[i, pixel] = flags | (bits.saturated if scratch.is_cut[i] else 0)
    flags = result.flags[n_ints, pixel] | common | united
    sums = sum_slope, sum_read, sum_poisson, 0.0
    _write_fit(sums, flags & invalid != 0, (n_ints, pixel), result)
    result.flags[n_ints, pixel] = flags | (bits.saturated if cut else 0)


@kernel
def _write_fit(
    sums: tuple[float, float, float, float],
    is_lost: bool,  # noqa: FBT001 - a kernel has no keywords
    place: tuple[int, int],
    result: Result,
) -> None:
    """Turn sums over segments into a slope with its variances."""
    i, pixel = place
    if is_lost:
        result.planes[SLOPE, i, pixel] = np.nan
        return
    var_read = _limited(sums[1])
    var_poisson = _limited(sums[2])
    result.planes[SLOPE, i, pixel] = sums[0] * var_read
    result.planes[VAR_READ, i, pixel] = var_read
    result.planes[VAR_POISSON, i, pixel] = var_poisson
    result.planes[ERR, i, pixel] = np.sqrt(var_read + var_poisson)


@kernel
def _limited(inverse: float) -> float:
    """Return a variance from its inverse; 0 where it measures nothing."""
    variance = 1.0 / inverse if inverse > 0.0 else 0.0
    return variance if variance < _LARGE_VARIANCE else 0.0


@kernel
def _refit_noise(
    block: Block,
    pixel: int,
    times: Times,
    bits: Bits,
    scratch: Scratch,
    result: Result,
) -> None:
    """Give ramps with CHARGELOSS the read variance they have with those groups used.

    Otherwise the brighter pixels of a star, which lose more groups, weigh less.
    """
    n_ints = block.counts.shape[0]
    total = 0.0
    for i in range(n_ints):
        if _restore_groups(block, (pixel, i), bits, scratch):
            inverse = 0.0
            for k in range(_find_segments(scratch.kind[i], scratch.segments)):
                inverse += 1.0 / _read_variance(
                    scratch.segments[k, 1],
                    block.read_variance[pixel],
                    times,
                    scratch.single_s[i],
                )
            if inverse > 0.0 and not np.isnan(result.planes[SLOPE, i, pixel]):
                result.planes[VAR_READ, i, pixel] = _limited(inverse)
            total += inverse
        elif result.planes[VAR_READ, i, pixel] > 0.0:
            total += 1.0 / result.planes[VAR_READ, i, pixel]
    if total > 0.0 and not np.isnan(result.planes[SLOPE, n_ints, pixel]):
        result.planes[VAR_READ, n_ints, pixel] = _limited(total)


@kernel
def _restore_groups(
    block: Block, place: tuple[int, int], bits: Bits, scratch: Scratch
) -> bool:
    """Sort the groups as if those with CHARGELOSS were good; return whether there are any."""
    pixel, i = place
    lost = bits.do_not_use | bits.saturated
    found = False
    for g in range(block.counts.shape[1]):
        flags = int(block.flags[i, g, pixel])
        if flags & bits.chargeloss:
            flags &= ~(bits.do_not_use | bits.chargeloss)
            found = True
        is_lost = flags & lost != 0
        scratch.kind[i, g] = _kind(flags & ~bits.persistence, is_lost, bits)
    return found
