"""Ramps of a single integration by segments, some hundred pixels side by side.

Nearly all ramps are one whole segment: these are vector code, with the slopes of all
weights made and one of them chosen. Of ramps cut by jumps or by saturation the segments
are listed, then fitted from the same scratch. What is odder, a NaN, a single good group,
charge loss, is named and left to `ols_kernels`. Loops over pixels are within each part:
to name an array once a pixel costs more than the fit.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.jit import fast_kernel, kernel_part
from ...numerics.selection import select
from .whole_ramps import Noise, Samples

_WIDTH: Final = 512
"""Pixels taken at a time: their scratch fits into the first cache."""
_GAP: Final = 16
"""More columns of the scratch, lest its rows compete for the same lines of the cache."""
_MAX_SORTED: Final = 20
"""Differences up to which sorting all of them side by side takes less time."""
_RATIOS: Final = (0.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""Ratios of signal to noise at which the power of the weights changes."""
_LARGE_VARIANCE: Final = 1.0e6
"""Variances from here on are written as 0: they mean that there is no measurement."""
_WHOLE, _CUT, _ODD = np.uint8(0), np.uint8(1), np.uint8(2)
# lines of the scratch
_RATE, _GAIN, _READ, _DARK, _RISE, _SUM = range(6)
_LINES: Final = 6


class Model(NamedTuple):
    """What is the same for all ramps.

    Attributes
    ----------
    weights : (powers, groups) float32, 1 / group
        What to multiply the groups of a whole ramp with, by the power of the weights.
    table : (groups + 1, powers, groups) float64, 1 / group
        The same for every length of a segment.
    squares : (powers,) float32
        Squared ratio of signal to noise from which on a power is taken.
    group_s : float, s
    n_frames : int
        Reads averaged into a group.
    """

    weights: NDArray[np.float32]
    table: NDArray[np.float64]
    squares: NDArray[np.float32]
    group_s: float
    n_frames: int


class Planes(NamedTuple):
    """Where the fit writes, (pixels,) each."""

    slope: NDArray[np.float32]
    err: NDArray[np.float32]
    own_err: NDArray[np.float32]
    """Of the integration alone, whose segments are weighted by both variances."""
    var_poisson: NDArray[np.float32]
    var_read: NDArray[np.float32]
    flags: NDArray[np.uint32]


class Scratch(NamedTuple):
    """Some hundred pixels side by side."""

    ramp: NDArray[np.float32]
    """(groups, pixels), DN above the first group"""
    step: NDArray[np.float32]
    """(differences, pixels), DN, sorted; infinite from ``n_used`` on"""
    slope: NDArray[np.float32]
    """(powers, pixels), DN/group; the first is in the end the one that is chosen."""
    line: NDArray[np.float32]
    """(lines, pixels)"""
    flags: NDArray[np.uint8]
    """(groups + 1, pixels): the last is that of a lost group."""
    seen: NDArray[np.uint8]
    """(pixels,): all bits of the groups."""
    n_used: NDArray[np.int32]
    """(pixels,): differences without a jump or a lost group."""
    state: NDArray[np.uint8]
    """(pixels,): whole, cut or odd."""
    segments: NDArray[np.int32]
    """(3, n): column, first group and length of the segments of cut ramps."""
    sums: NDArray[np.float64]
    """(4, pixels), as `fit_segments` fills them."""


def make_model(table: NDArray[np.float64], group_s: float, n_frames: int) -> Model:
    """Return the model of a readout from the table of its coefficients."""
    squares = np.array(_RATIOS, np.float32) ** 2
    return Model(table[-1].astype(np.float32), table, squares, group_s, n_frames)


@fast_kernel
def fit_rows(
    samples: Samples,
    noise: Noise,
    model: Model,
    bits: tuple[int, int, int],
    out: Planes,
    rest: NDArray[np.int32],
) -> int:
    """Fit ramps of three or more groups; return how many are left, named in ``rest``.

    ``bits`` are those of a lost group, of a saturated one, and of a jump. ``out.flags``
    come in as those of the pixels.
    """
    n_groups = model.weights.shape[1]
    scratch = Scratch(
        np.empty((n_groups, _WIDTH + _GAP), np.float32),
        np.empty((n_groups - 1, _WIDTH + _GAP), np.float32),
        np.empty((len(model.weights), _WIDTH + _GAP), np.float32),
        np.empty((_LINES, _WIDTH + _GAP), np.float32),
        np.full((n_groups + 1, _WIDTH + _GAP), np.uint8(bits[0])),
        np.empty(_WIDTH, np.uint8),
        np.empty(_WIDTH, np.int32),
        np.empty(_WIDTH, np.uint8),
        np.empty((3, _WIDTH * (n_groups // 2 + 1)), np.int32),
        np.empty((4, _WIDTH), np.float64),
    )
    state, n_rest = scratch.state, 0
    for row in range(samples.n_rows):
        for first in range(0, samples.n_cols, _WIDTH):
            n = min(_WIDTH, samples.n_cols - first)
            start = row * samples.n_cols + first
            take_ramps(samples, (start, n), scratch)
            take_pixels(noise, (start, n), model.n_frames, scratch)
            drop_steps(n, bits, scratch)
            find_rates(n, model.group_s, scratch)
            choose_slopes(n, model, scratch)
            write_whole_ramps((start, n), model, scratch, out)
            judge_ramps((start, n), bits, out.flags, scratch)
            fit_segments(list_segments(n, bits, scratch), model, scratch)
            write_cut_ramps((start, n), model, bits, scratch, out)
            for c in range(n):
                if state[c] == _ODD:
                    rest[n_rest] = start + c
                    n_rest += 1
    return n_rest


@kernel_part
def take_ramps(samples: Samples, span: tuple[int, int], scratch: Scratch) -> None:
    """Fill the groups above the first, their sum, the differences and the flags."""
    ramp, step, line, seen = scratch.ramp, scratch.step, scratch.line, scratch.seen
    (plane, flag_plane), (start, n) = samples.planes, span
    bottom = samples.counts[start : start + n]
    for c in range(n):
        seen[c] = 0
        line[_SUM, c] = np.float32(0.0)
    for g in range(len(ramp)):
        low = start + g * plane
        counts = samples.counts[low : low + n]
        for c in range(n):
            value = counts[c] - bottom[c]
            ramp[g, c] = value
            line[_SUM, c] += value
        if g > 0:
            before = samples.counts[low - plane : low - plane + n]
            for c in range(n):
                step[g - 1, c] = counts[c] - before[c]
        low = start + g * flag_plane
        bits = samples.flags[low : low + n]
        for c in range(n):
            scratch.flags[g, c] = bits[c]
            seen[c] |= bits[c]


@kernel_part
def take_pixels(
    noise: Noise, span: tuple[int, int], n_frames: int, scratch: Scratch
) -> None:
    """Fill the gain, the read variance of a group and the dark rate."""
    line, (start, n) = scratch.line, span
    gain, read = noise.gain[start : start + n], noise.read_noise[start : start + n]
    dark, share = noise.dark[start : start + n], np.float32(1.0 / n_frames)
    for c in range(n):
        line[_GAIN, c] = gain[c]
        line[_READ, c] = read[c] * read[c] * share
        line[_DARK, c] = np.float32(0.0)
    for c in range(dark.size):
        line[_DARK, c] = dark[c]


@kernel_part
def drop_steps(n: int, bits: tuple[int, int, int], scratch: Scratch) -> None:
    """Make the differences infinite that are not used, and count those used."""
    step, n_used, flags = scratch.step, scratch.n_used, scratch.flags
    spoils, lost = np.uint8(bits[0] | bits[1] | bits[2]), np.uint8(bits[0] | bits[1])
    for c in range(n):
        n_used[c] = len(step)
    for k in range(len(step)):
        for c in range(n):
            marks = (flags[k, c] & lost) | (flags[k + 1, c] & spoils)
            value = step[k, c]
            step[k, c] = value if marks == 0 else np.float32(np.inf)
            n_used[c] -= marks != 0


@kernel_part
def find_rates(n: int, group_s: float, scratch: Scratch) -> None:
    """Fill the median of the differences in DN/s.

    Neighbours are exchanged in turn, even pairs and odd: as many rounds as there are
    differences, each of them vector code.
    """
    step, line, n_steps = scratch.step, scratch.line, len(scratch.step)
    share = np.float32(0.5 / group_s)
    if n_steps <= _MAX_SORTED:
        for turn in range(n_steps):
            for k in range(turn % 2, n_steps - 1, 2):
                for c in range(n):
                    one, two = step[k, c], step[k + 1, c]
                    step[k, c] = min(one, two)
                    step[k + 1, c] = max(one, two)
        for c in range(n):
            m = scratch.n_used[c]
            line[_RATE, c] = (step[m // 2, c] + step[max(m - 1, 0) // 2, c]) * share
    else:
        own = np.empty(n_steps, np.float32)
        for c in range(n):
            m = scratch.n_used[c]
            for k in range(n_steps):
                own[k] = step[k, c]
            low = select(own, n_steps, max(m - 1, 0) // 2)
            line[_RATE, c] = (low + select(own, n_steps, m // 2)) * share


@kernel_part
def choose_slopes(n: int, model: Model, scratch: Scratch) -> None:
    """Fill the slopes of whole ramps, DN/group, with the weights that suit their signal.

    The coefficients of a group and of its mirror image differ by the sign alone.
    """
    ramp, line, last = scratch.ramp, scratch.line, len(scratch.ramp) - 1
    slope, weights, zero = scratch.slope, model.weights, np.float32(0.0)
    for power in range(len(weights)):
        for c in range(n):
            slope[power, c] = zero
    for g in range((last + 1) // 2):
        for c in range(n):
            line[_RISE, c] = ramp[last - g, c] - ramp[g, c]
        for power in range(len(weights)):
            weight = weights[power, last - g]
            for c in range(n):
                slope[power, c] += weight * line[_RISE, c]
    for c in range(n):
        signal = ramp[last, c] * line[_GAIN, c]
        total = line[_READ, c] * line[_GAIN, c] * line[_GAIN, c] + signal
        line[_RISE, c] = signal * signal / total if signal > zero else zero
    for power in range(1, len(weights)):
        square = model.squares[power]
        for c in range(n):
            better = slope[power, c]
            slope[0, c] = better if line[_RISE, c] >= square else slope[0, c]


@kernel_part
def write_whole_ramps(
    span: tuple[int, int],
    model: Model,
    scratch: Scratch,
    out: Planes,
) -> None:
    """Write slopes and variances of ramps of a single segment."""
    line, (start, n) = scratch.line, span
    n_groups, zero, one = len(scratch.ramp), np.float32(0.0), np.float32(1.0)
    per_second = np.float32(1.0 / model.group_s)
    spread = 12.0 / (model.group_s**2 * (n_groups**3 - n_groups))
    read_share = np.float32(spread)
    photon_share = np.float32(1.0 / (model.group_s * (n_groups - 1)))
    inside = slice(start, start + n)
    slope, err, own = out.slope[inside], out.err[inside], out.own_err[inside]
    for c in range(n):
        slope[c] = scratch.slope[0, c] * per_second
    var_read, var_poisson = out.var_read[inside], out.var_poisson[inside]
    for c in range(n):
        signal = (max(zero, line[_RATE, c]) + line[_DARK, c]) * (one / line[_GAIN, c])
        reads, photons = line[_READ, c] * read_share, signal * photon_share
        both = np.sqrt(reads + photons)
        var_read[c], var_poisson[c] = reads, photons
        err[c] = both
    for c in range(n):
        own[c] = err[c]


@kernel_part
def judge_ramps(
    span: tuple[int, int],
    bits: tuple[int, int, int],
    flags: NDArray[np.uint32],
    scratch: Scratch,
) -> None:
    """Tell whole ramps from those that are cut, and from those that are odd."""
    line, state, (start, n) = scratch.line, scratch.state, span
    known, zero = np.uint8(bits[0] | bits[1] | bits[2]), np.float32(0.0)
    lost = np.uint32(bits[0] | bits[1])
    for c in range(n):
        seen = scratch.seen[c]
        is_plain = ((seen | known) == known) & ((flags[start + c] & lost) == 0)
        is_plain &= (line[_GAIN, c] > zero) & (line[_READ, c] > zero)
        # not so for NaN and infinities
        is_plain &= line[_SUM, c] - line[_SUM, c] == zero
        cut = _WHOLE if seen == 0 else _CUT
        state[c] = cut if is_plain else _ODD


@kernel_part
def list_segments(n: int, bits: tuple[int, int, int], scratch: Scratch) -> int:
    """List the segments of two and more groups of cut ramps; return how many there are.

    A ramp that has none, or a single good group, or is saturated from the start, is odd.
    """
    flags, segments, state = scratch.flags, scratch.segments, scratch.state
    n_used, n_segments = scratch.n_used, 0
    jump, full = np.uint8(bits[2]), np.uint8(bits[1])
    for c in range(n):
        if state[c] != _CUT:
            continue
        first, begin, n_good = n_segments, -1, 0
        for g in range(len(flags)):
            # the last line is that of a lost group: it ends what is left
            if flags[g, c] == 0:
                n_good += 1
                if begin < 0:
                    begin = g - 1 if g > 0 and flags[g - 1, c] == jump else g
            elif begin >= 0:
                if g - begin > 1:
                    segments[0, n_segments] = c
                    segments[1, n_segments] = begin
                    segments[2, n_segments] = g - begin
                    n_segments += 1
                begin = -1
        is_odd = n_good < 2 or n_segments == first or n_used[c] == 0
        if is_odd or flags[0, c] & full != 0:
            state[c] = _ODD
            n_segments = first
    return n_segments


@kernel_part
def fit_segments(n_segments: int, model: Model, scratch: Scratch) -> None:
    """Sum over the segments of each ramp: slopes, weights, both variances and differences.

    The weight of a segment is what is not common in one over its read variance.
    """
    ramp, line, sums, segments = (
        scratch.ramp,
        scratch.line,
        scratch.sums,
        scratch.segments,
    )
    table, squares = model.table, model.squares
    for c in range(sums.shape[1]):
        sums[0, c] = sums[1, c] = sums[2, c] = sums[3, c] = 0.0
    for k in range(n_segments):
        c, start, n = segments[0, k], segments[1, k], segments[2, k]
        gain, variance = np.float64(line[_GAIN, c]), np.float64(line[_READ, c])
        signal = np.float64(ramp[start + n - 1, c] - ramp[start, c]) * gain
        total = variance * gain * gain + signal
        power, slope = 0, 0.0
        if n > 2 and signal > 0.0:
            for j in range(1, squares.size):
                power += signal * signal >= squares[j] * total
        for j in range(n):
            slope += table[n, power, j] * ramp[start + j, c]
        weight = np.float64(n * (n * n - 1))
        photons = np.float64(max(line[_RATE, c], np.float32(0.0)) + line[_DARK, c])
        reads = variance * (12.0 / model.group_s**2)
        photons /= gain * (model.group_s * (n - 1))
        sums[0, c] += weight * slope
        sums[1, c] += weight
        sums[2, c] += weight / (reads + photons * weight)
        sums[3, c] += n - 1


@kernel_part
def write_cut_ramps(
    span: tuple[int, int],
    model: Model,
    bits: tuple[int, int, int],
    scratch: Scratch,
    out: Planes,
) -> None:
    """Write slopes, variances and flags of ramps of several segments."""
    line, sums, state, seen = scratch.line, scratch.sums, scratch.state, scratch.seen
    slope, err, own_err, flags = out.slope, out.err, out.own_err, out.flags
    reads, photons, (start, n) = out.var_read, out.var_poisson, span
    kept = np.uint8(bits[1] | bits[2])
    for c in range(n):
        if state[c] != _CUT:
            continue
        pixel, gain = start + c, np.float64(line[_GAIN, c])
        rate = np.float64(max(line[_RATE, c], np.float32(0.0)) + line[_DARK, c])
        var_read = 12.0 / model.group_s**2 * line[_READ, c] / sums[1, c]
        var_poisson = rate / (gain * model.group_s * sums[3, c])
        var_read = var_read if var_read < _LARGE_VARIANCE else 0.0
        var_poisson = var_poisson if var_poisson < _LARGE_VARIANCE else 0.0
        mean = sums[0, c] / (sums[1, c] * model.group_s)
        slope[pixel] = mean if var_read > 0.0 else 0.0
        reads[pixel], photons[pixel] = var_read, var_poisson
        own_err[pixel] = np.sqrt(1.0 / sums[2, c])
        err[pixel] = np.sqrt(var_read + var_poisson)
        flags[pixel] |= np.uint32(seen[c] & kept)
