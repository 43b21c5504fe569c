"""Slopes of ramps that were hit once, when a group is the mean of several reads.

A charge that lands within an averaged group is shared between the difference before it
and the one after it; how, depends on the read at which it landed, and each read is as
likely as any other. For each read the share is known and only the charge is not: the
slope with that charge fitted, weighted by how likely the ramp is with it, and averaged
over the reads, is unbiased and knows more than a fit without both differences.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...exposure.timing import Readout
from ...numerics.jit import fast_kernel, kernel, kernel_part
from ..leave_out import Outliers, invert, make_outliers, project
from .covariance import readout_pattern
from .gls_kernels import Tile, eliminate, make_tile, move_origin, pick_steps
from .whole_ramps import Noise, Planes, Samples

_NEGLIGIBLE = 12.0
"""Log likelihood below the best read's from which on a read does not count."""
_PRECISION = 0.01
"""How well the share is known: reads are averaged before they are made linear, and a part
of the charge is the neighbours'."""
_NEVER = np.float32(-1e30)
"""Log likelihood of a read at which the hit cannot have been."""
_NONE, _HALF, _ONE, _TWO = (np.float32(n) for n in (0.0, 0.5, 1.0, 2.0))
_ENDLESS = np.float32(np.inf)
_ROOTS = 16
"""The exponential is this power of a short series, which is vector code."""
_LEAST, _STEP = np.float32(-_NEGLIGIBLE), np.float32(1.0 / _ROOTS)
_CENTRE = np.float32(_NEGLIGIBLE / (2.0 * _ROOTS))
_SERIES = tuple(
    np.float32(math.exp(-_NEGLIGIBLE / (2.0 * _ROOTS)) / math.factorial(k))
    for k in range(8)
)
_WIDTH = 4112
"""Ramps fitted side by side: an odd number of cache lines."""
_CHUNK = 128
"""Ramps hit in the same differences that are taken through all reads at a time."""
_MAX_RUN = 2
_MIN_STEPS = 3
"""Differences from which on light can be told from a charge shared by two of them."""


def find_single_hits(
    samples: Samples, pixels: NDArray[np.int32], n_groups: int, bits: tuple[int, int]
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return the first and the last difference of the only hit of each ramp.

    Parameters
    ----------
    samples : Samples
    pixels : (n,) int32
    n_groups : int
    bits : (bad, jump)
        Bits that spoil a group, and the difference before it.

    Returns
    -------
    first, last : (n,) int16
        -1 where there is no hit, more than one, or one of more than two differences.
    """
    first = np.full(pixels.size, -1, np.int16)
    last = first.copy()
    _find_runs(samples, pixels, n_groups, bits, (first, last))
    return first, last


def fit_shared_hits(
    samples: Samples,
    noise: Noise,
    pixels: NDArray[np.int32],
    bits: tuple[int, int],
    readout: Readout,
    out: Planes,
) -> None:
    """Fit ramps again that were hit once, all differences used.

    Parameters
    ----------
    samples : Samples
    noise : Noise
    pixels : (n,) int32
        Among which they are.
    bits : (bad, jump)
        Bits that spoil a group, and the difference before it.
    readout : Readout
    out : Planes
        Of the fit without the differences that were hit: slopes and variances are read, and
        written where there is a single hit in at least three differences.
    """
    pattern = readout_pattern(readout)
    n_steps = len(pattern.step_s)
    first, last = find_single_hits(samples, pixels, n_steps + 1, bits)
    chosen = np.flatnonzero((first >= 0) & np.isfinite(out.slope[pixels]))
    # side by side those that were hit in the same differences
    order = np.argsort(first[chosen] * np.int16(_MAX_RUN) + last[chosen], kind="stable")
    chosen = chosen[order]
    hit, pixels = np.stack([first[chosen], last[chosen]]), pixels[chosen]
    shares = list_shares(n_steps, readout.n_frames, readout.n_dropped)
    tile, ways = make_tile(n_steps, _WIDTH), make_outliers(n_steps, _WIDTH)
    for start in range(0, chosen.size, _WIDTH):
        part = slice(start, start + _WIDTH)
        own = pixels[part]
        pick_steps(samples, own, (bits[0], 0), pattern, tile, 0)
        origin = np.zeros(_WIDTH, np.float32)
        _load_light(noise, own, out.slope, tile, origin)
        move_origin(tile, origin)
        eliminate(tile, pattern)
        invert(tile, pattern, ways)
        project(tile, ways)
        found = np.zeros((2, own.size), np.float32)
        _average_reads(tile, ways, np.ascontiguousarray(hit[:, part]), shares, found)
        _replace(tile, own, found, out)


@lru_cache(maxsize=8)
def list_shares(n_steps: int, n_frames: int, n_dropped: int) -> NDArray[np.float32]:
    """List in which ways a hit of some differences may be shared between them.

    Returns
    -------
    (n_steps, 2, 3, ways) float32
        By the first difference that was hit and by how many more were: (difference, its
        share, number of reads); the next difference has the rest. -1 from the last way on.
    """
    # what of a hit in the first or the last group lies before or after all differences
    # is not seen
    n_reads = 1.0 + n_dropped + (n_frames - 1.0) * np.arange(3)
    shape = n_steps, _MAX_RUN, 3, 3 * n_frames + 2
    shares = np.full(shape, -1.0, np.float32)
    for begin in range(n_steps):
        for more in range(_MAX_RUN):
            end = min(begin + more, n_steps - 1)
            whole = [
                (i, 1.0, n_reads[(i == 0) + (i == n_steps - 1)])
                for i in range(begin, end + 1)
            ]
            split = [
                (i, k / n_frames, 1.0)
                for i in range(max(begin - 1, 0), min(end + 1, n_steps - 1))
                for k in range(1, n_frames)
            ]
            ways = np.array(whole + split).T
            shares[begin, more, :, : ways.shape[1]] = ways
    return shares


@fast_kernel
def _load_light(
    noise: Noise,
    pixels: NDArray[np.int32],
    slope: NDArray[np.float32],
    tile: Tile,
    origin: NDArray[np.float32],
) -> None:
    """Fill the noise of some pixels at slopes that are known, and these as ``origin``."""
    zero, dark = np.float32(0.0), noise.dark
    for c in range(pixels.size):
        k = pixels[c]
        light = max(slope[k], zero)
        if dark.size:
            light += dark[k]
        origin[c] = slope[k]
        tile.signal[c] = light / noise.gain[k]
        tile.read[c] = noise.read_noise[k] * noise.read_noise[k]


@fast_kernel
def _replace(
    tile: Tile, pixels: NDArray[np.int32], found: NDArray[np.float32], out: Planes
) -> None:
    """Put slopes, relative to those before, and variances to their place."""
    for c in range(pixels.size):
        k, variance, n_used = pixels[c], found[1, c], np.float32(0.0)
        for i in range(len(tile.used)):
            n_used += tile.used[i, c]
        if variance > np.float32(0.0) and n_used >= np.float32(_MIN_STEPS):
            ratio = variance / (out.err[k] * out.err[k])
            out.slope[k] += found[0, c]
            out.err[k] = np.sqrt(variance)
            out.var_poisson[k] *= ratio
            out.var_read[k] *= ratio


@kernel
def _find_runs(
    samples: Samples,
    pixels: NDArray[np.int32],
    n_groups: int,
    bits: tuple[int, int],
    ends: tuple[NDArray[np.int16], NDArray[np.int16]],
) -> None:
    """Fill the ends of the only run of hit differences of each ramp."""
    flags, plane, (first, last) = samples.flags, samples.planes[1], ends
    bad, jump = np.uint8(bits[0]), np.uint8(bits[1])
    for c in range(pixels.size):
        start, stop, n_runs = -1, -1, 0
        before = flags[pixels[c]]
        for i in range(n_groups - 1):
            after = flags[pixels[c] + (i + 1) * plane]
            if after & jump != 0 and (before | after) & bad == 0:
                if stop != i - 1 or n_runs == 0:
                    n_runs += 1
                    start = i
                stop = i
            before = after
        if n_runs == 1 and stop - start < _MAX_RUN:
            first[c], last[c] = start, stop


@kernel_part
def _average_ways(  # noqa: C901 - one loop a line
    trial: NDArray[np.float32],
    best: NDArray[np.float32],
    reads: NDArray[np.float32],
    unit: NDArray[np.float32],
    found: NDArray[np.float32],
) -> None:
    """Fill by how much hits raised the slopes, and the variance of that.

    ``trial`` (4, ways, ramps) are, for each way, half the chi2 it saves, of which ``best``
    is the largest, its design, its residual and its weight, which are used up; ``reads``
    how many reads it stands for; ``unit`` the variance of the slope without a hit. The
    third row of ``found``, (3, ramps), is scratch.
    """
    n, mean, square, total = best.size, found[0], found[1], found[2]
    for c in range(n):
        mean[c] = square[c] = total[c] = _NONE
    for k in range(reads.size):
        chi2, design, shift, weight = trial[0, k], trial[1, k], trial[2, k], trial[3, k]
        number = reads[k]
        for c in range(n):
            below = chi2[c] - best[c]
            z = max(below, _LEAST) * _STEP + _CENTRE
            e = _SERIES[5] + z * (_SERIES[6] + z * _SERIES[7])
            e = _SERIES[2] + z * (_SERIES[3] + z * (_SERIES[4] + z * e))
            e = _SERIES[0] + z * (_SERIES[1] + z * e)
            e *= e
            e *= e
            e *= e
            e *= e
            share = number * e / np.sqrt(weight[c])
            chi2[c] = share if below > _LEAST else _NONE
        for c in range(n):
            total[c] += chi2[c]
        for c in range(n):
            design[c] *= unit[c] / weight[c]
        for c in range(n):
            shift[c] *= design[c]
        for c in range(n):
            mean[c] += chi2[c] * shift[c]
    for c in range(n):
        mean[c] /= total[c]
    for k in range(reads.size):
        # about the mean: the difference of two squares would be all rounding
        chi2, design, shift, weight = trial[0, k], trial[1, k], trial[2, k], trial[3, k]
        for c in range(n):
            apart = shift[c] - mean[c]
            spread = design[c] * design[c] * weight[c]
            square[c] += chi2[c] * (apart * apart + spread)
    for c in range(n):
        square[c] /= total[c]


@kernel_part
def _try_ways(  # noqa: C901, PLR0912 - one loop a line
    tile: Tile,
    out: Outliers,
    inside: tuple[int, int],
    ways: NDArray[np.float32],
    trial: NDArray[np.float32],
    best: NDArray[np.float32],
) -> None:
    """Fill ``trial`` and ``best``, as `_average_ways` takes them, for some ramps.

    A way that cannot be has harmless values and `_NEVER` for its chi2. ``ways`` are those
    of `list_shares` for the differences in which all these ramps were hit.
    """
    start, stop = inside
    n = stop - start
    for c in range(n):
        best[c] = _NEVER
    for k in range(ways.shape[1]):
        i, one = int(ways[0, k]), ways[1, k]
        two = _ONE - one
        chi2, design, value, weight = trial[0, k], trial[1, k], trial[2, k], trial[3, k]
        residual, along = out.residual[i, start:stop], tile.design[i, start:stop]
        own, used = out.own[i, start:stop], tile.used[i, start:stop]
        if one < _ONE:
            residual_1 = out.residual[i + 1, start:stop]
            along_1, used_1 = (
                tile.design[i + 1, start:stop],
                tile.used[i + 1, start:stop],
            )
            own_1, cross = out.own[i + 1, start:stop], out.cross[i, start:stop]
            for c in range(n):
                value[c] = one * residual[c] + two * residual_1[c]
            for c in range(n):
                design[c] = one * along[c] + two * along_1[c]
            for c in range(n):
                chi2[c] = used[c] * used_1[c]
            for c in range(n):
                shared = two * own_1[c] + _TWO * one * cross[c]
                weight[c] = one * one * own[c] + two * shared
        else:
            for c in range(n):
                value[c] = residual[c]
            for c in range(n):
                design[c] = along[c]
            for c in range(n):
                weight[c] = own[c]
            for c in range(n):
                chi2[c] = used[c]
        for c in range(n):
            v, w, least = value[c], weight[c], chi2[c]
            can_be = (least > _NONE) & (v > _NONE) & (w > _NONE) & (w < _ENDLESS)
            saved = _HALF * v * v / w
            chi2[c] = saved if can_be else _NEVER
        for c in range(n):
            v = value[c]
            value[c] = v if chi2[c] >= _NONE else _NONE
        for c in range(n):
            w = weight[c]
            weight[c] = w if chi2[c] >= _NONE else _ONE
        for c in range(n):
            d = design[c]
            design[c] = d if chi2[c] >= _NONE else _NONE
        for c in range(n):
            best[c] = max(best[c], chi2[c])


@fast_kernel
def _average_reads(
    tile: Tile,
    out: Outliers,
    hits: NDArray[np.int16],
    shares: NDArray[np.float32],
    found: NDArray[np.float32],
) -> None:
    """Fill slope and variance, averaged over the reads at which the hit may have been.

    ``hits`` are first and last difference, ``shares`` as `list_shares` gives them. Both
    stay 0 where no read can be told from light, and after hits so strong that what is not
    known of their share counts: there both differences are better left out. Neighbours
    that were hit in the same differences are taken together.
    """
    n_pixels, most = hits.shape[1], shares.shape[3]
    right, sums = tile.sums[1], tile.sums[2]
    trial = np.empty((4, most, _CHUNK), np.float32)
    line = np.empty((5, _CHUNK), np.float32)
    best, unit, average = line[0], line[1], line[2:]
    coarse, start = np.float32(0.5 / _PRECISION**2), 0
    while start < n_pixels:
        begin, end, stop = hits[0, start], hits[1, start], start + 1
        while (
            stop < min(n_pixels, start + _CHUNK)
            and hits[0, stop] == begin
            and hits[1, stop] == end
        ):
            stop += 1
        n, n_ways, every = stop - start, 0, shares[begin, end - begin]
        while n_ways < most and every[0, n_ways] >= _NONE:
            n_ways += 1
        ways = every[:, :n_ways]
        _try_ways(tile, out, (start, stop), ways, trial, best)
        for c in range(n):
            unit[c] = _ONE / sums[start + c]
        _average_ways(trial, best[:n], ways[2], unit, average)
        for c in range(n):
            # neither light alone, nor a hit too strong for what is known of its shares
            if _NONE <= best[c] <= coarse:
                found[0, start + c] = right[start + c] * unit[c] - average[0, c]
                found[1, start + c] = unit[c] + average[1, c]
        start = stop
