"""Kernels of generalised least squares with a tridiagonal covariance.

A tile is some thousand pixels side by side; everything runs over them one difference
after the other, in inner loops that each write one array and so become vector code. No
kernel calls another: each is compiled once, and what joins them is NumPy on the tile. A
difference that is not used is cut out of the covariance: its value, its design and its
covariances with its neighbours are 0.

With ``C = L D L'`` of unit lower-triangular ``L``: ``factor`` is the subdiagonal of
``L``, ``inverse`` one over ``D``; ``value`` and ``design`` are ``L**-1 d`` and ``L**-1 1``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.jit import fast_kernel
from .covariance import Pattern
from .whole_ramps import Samples

CHUNK = 1024
"""Pixels that a kernel takes through all differences at a time."""
_LINE = 16
"""Values of a line of the cache."""
_TILE_VALUES = 1 << 16
"""Values of one (differences, pixels) array of a tile: the six of them stay in cache."""


class Tile(NamedTuple):
    """Ramps of some pixels and what the fit makes of them; all float32 but ``seen``.

    (differences, pixels) each; from ``sums`` on by pixel.
    """

    rate: NDArray[np.float32]
    """Differences less ``shift``, DN/s; 0 where not used."""
    used: NDArray[np.float32]
    """1 where the difference is used, else 0."""
    factor: NDArray[np.float32]
    inverse: NDArray[np.float32]
    value: NDArray[np.float32]
    design: NDArray[np.float32]
    sums: NDArray[np.float32]
    """(3, pixels): ``d' C**-1 d``, ``1' C**-1 d``, ``1' C**-1 1``."""
    chi2: NDArray[np.float32]
    """Of the fit to this tile alone; 0 where there is nothing to fit."""
    n_used: NDArray[np.float32]
    mean: NDArray[np.float32]
    """Mean of the used differences, DN/s less ``shift`` when it was found."""
    largest: NDArray[np.float32]
    """Largest of them, likewise."""
    shift: NDArray[np.float32]
    """What was subtracted so that float32 is precise enough, DN/s."""
    signal: NDArray[np.float32]
    """Photon variance a second, DN**2/s."""
    read: NDArray[np.float32]
    """Variance of one read, DN**2."""
    seen: NDArray[np.uint8]
    """All bits of the groups."""


def make_tile(n_steps: int, n_pixels: int) -> Tile:
    """Return a tile of arbitrary content, none of it used, but harmless noise."""
    shape = n_steps, n_pixels
    return Tile(
        rate=np.empty(shape, np.float32),
        used=np.zeros(shape, np.float32),
        factor=np.empty(shape, np.float32),
        inverse=np.empty(shape, np.float32),
        value=np.empty(shape, np.float32),
        design=np.empty(shape, np.float32),
        sums=np.empty((3, n_pixels), np.float32),
        chi2=np.empty(n_pixels, np.float32),
        n_used=np.zeros(n_pixels, np.float32),
        mean=np.zeros(n_pixels, np.float32),
        largest=np.zeros(n_pixels, np.float32),
        shift=np.zeros(n_pixels, np.float32),
        signal=np.ones(n_pixels, np.float32),
        read=np.ones(n_pixels, np.float32),
        seen=np.zeros(n_pixels, np.uint8),
    )


def tile_width(n_steps: int, n_pixels: int) -> int:
    """Return how many pixels a tile should hold, of at most ``n_pixels``.

    An odd number of cache lines: rows a power of two apart push each other out of the
    cache, which costs a factor of up to four.
    """
    lines = max(_TILE_VALUES // max(n_steps, 1) // _LINE, _LINE) | 1
    return min(lines * _LINE, n_pixels)


@fast_kernel
def load_steps(
    counts: NDArray[np.float32],
    flags: NDArray[np.uint8],
    span: tuple[int, int],
    bits: tuple[int, int],
    pattern: Pattern,
    tile: Tile,
) -> None:
    """Fill the differences of some pixels and which of them are used.

    ``counts`` and ``flags`` are (groups, pixels), of which ``span`` (start, stop) is
    taken; ``bits`` are those that spoil a group, and the one that spoils the difference
    before it.
    """
    start, stop = span
    n = stop - start
    lost, jump = np.uint8(bits[0]), np.uint8(bits[1])
    one, zero = np.float32(1.0), np.float32(0.0)
    seen, shift = tile.seen, tile.shift
    group = flags[0, start:stop]
    for c in range(n):
        shift[c] = zero
    for c in range(n):
        seen[c] = group[c]
    for i in range(len(tile.rate)):
        before, after = counts[i, start:stop], counts[i + 1, start:stop]
        first, last = flags[i, start:stop], flags[i + 1, start:stop]
        rate, used = tile.rate[i], tile.used[i]
        scale = one / pattern.step_s[i]
        for c in range(n):
            seen[c] |= last[c]
        for c in range(n):
            step = (after[c] - before[c]) * scale
            spoiled = ((first[c] | last[c]) & lost) | (last[c] & jump)
            # NaN is not equal to itself: such a difference is not used either
            used[c] = one if (spoiled == 0) & (step == step) else zero  # noqa: PLR0124
        for c in range(n):
            step = (after[c] - before[c]) * scale
            rate[c] = step if used[c] > zero else zero


@fast_kernel
def pick_steps(
    samples: Samples,
    pixels: NDArray[np.int32],
    bits: tuple[int, int],
    pattern: Pattern,
    tile: Tile,
    column: int,
) -> None:
    """Fill the differences of some pixels of a band, from a column of the tile on.

    ``bits`` as for `load_steps`.
    """
    counts, flags, (plane, flag_plane) = samples.counts, samples.flags, samples.planes
    lost, jump = np.uint8(bits[0]), np.uint8(bits[1])
    one, zero = np.float32(1.0), np.float32(0.0)
    inside = slice(column, column + pixels.size)
    seen, shift = tile.seen[inside], tile.shift[inside]
    for c in range(pixels.size):
        shift[c] = zero
        seen[c] = flags[np.uint32(pixels[c])]
    for i in range(len(tile.rate)):
        before, after = counts[i * plane :], counts[(i + 1) * plane :]
        first, last = flags[i * flag_plane :], flags[(i + 1) * flag_plane :]
        rate, used = tile.rate[i, inside], tile.used[i, inside]
        scale = one / pattern.step_s[i]
        for c in range(pixels.size):
            k = np.uint32(pixels[c])
            step, bit = (after[k] - before[k]) * scale, last[k]
            spoiled = ((first[k] | bit) & lost) | (bit & jump)
            # NaN is not equal to itself: such a difference is not used either
            is_used = (spoiled == 0) & (step == step)  # noqa: PLR0124
            seen[c] |= bit
            used[c] = one if is_used else zero
            rate[c] = step if is_used else zero


@fast_kernel
def find_means(tile: Tile) -> None:
    """Fill the number of differences that are used, their mean and the largest."""
    n_used, mean, largest = tile.n_used, tile.mean, tile.largest
    zero, one = np.float32(0.0), np.float32(1.0)
    for c in range(mean.size):
        n_used[c] = zero
        mean[c] = zero
        largest[c] = -np.inf
    for i in range(len(tile.rate)):
        rate, used = tile.rate[i], tile.used[i]
        for c in range(mean.size):
            n_used[c] += used[c]
        for c in range(mean.size):
            mean[c] += rate[c]
        for c in range(mean.size):
            new, old = rate[c], largest[c]
            largest[c] = new if (used[c] > zero) & (new > old) else old
    for c in range(mean.size):
        mean[c] /= max(n_used[c], one)


@fast_kernel
def move_origin(tile: Tile, by: NDArray[np.float32]) -> None:
    """Subtract a rate from the differences, and remember it in ``shift``."""
    for i in range(len(tile.rate)):
        rate, used = tile.rate[i], tile.used[i]
        for c in range(rate.size):
            rate[c] -= used[c] * by[c]
    shift = tile.shift
    for c in range(shift.size):
        shift[c] += by[c]


@fast_kernel
def eliminate(  # noqa: C901, PLR0912 - one loop a line
    tile: Tile, pattern: Pattern
) -> None:
    """Factorise the covariance and solve forward; sum what the fit needs."""
    n_pixels, one, zero = tile.signal.size, np.float32(1.0), np.float32(0.0)
    for start in range(0, n_pixels, CHUNK):
        stop = min(start + CHUNK, n_pixels)
        n, signal, read = stop - start, tile.signal[start:stop], tile.read[start:stop]
        chi, right = tile.sums[0, start:stop], tile.sums[1, start:stop]
        weight, chi2 = tile.sums[2, start:stop], tile.chi2[start:stop]
        for c in range(n):
            chi[c] = right[c] = weight[c] = zero
        for i in range(len(tile.rate)):
            a, b = pattern.photon_diagonal[i], pattern.read_diagonal[i]
            rate, used = tile.rate[i, start:stop], tile.used[i, start:stop]
            value, design = tile.value[i, start:stop], tile.design[i, start:stop]
            factor, inverse = tile.factor[i, start:stop], tile.inverse[i, start:stop]
            if i == 0:
                for c in range(n):
                    factor[c] = zero
                    value[c] = rate[c]
                    design[c] = used[c]
                for c in range(n):
                    inverse[c] = one / (signal[c] * a + read[c] * b)
            else:
                k, x, y = i - 1, pattern.photon_off[i - 1], pattern.read_off[i - 1]
                earlier = tile.used[k, start:stop]
                inverse_0 = tile.inverse[k, start:stop]
                value_0, design_0 = (
                    tile.value[k, start:stop],
                    tile.design[k, start:stop],
                )
                for c in range(n):
                    shared = used[c] * earlier[c] * (signal[c] * x + read[c] * y)
                    factor[c] = shared * inverse_0[c]
                for c in range(n):
                    own = signal[c] * a + read[c] * b
                    shared = used[c] * earlier[c] * (signal[c] * x + read[c] * y)
                    inverse[c] = one / (own - factor[c] * shared)
                for c in range(n):
                    value[c] = rate[c] - factor[c] * value_0[c]
                for c in range(n):
                    design[c] = used[c] - factor[c] * design_0[c]
            for c in range(n):
                chi[c] += value[c] * value[c] * inverse[c]
            for c in range(n):
                right[c] += value[c] * design[c] * inverse[c]
            for c in range(n):
                weight[c] += design[c] * design[c] * inverse[c]
        for c in range(n):
            fitted = right[c] * right[c] / weight[c]
            chi2[c] = chi[c] - fitted if weight[c] > zero else zero


@fast_kernel
def weigh_reads(tile: Tile, pattern: Pattern, weight: NDArray[np.float32]) -> None:
    """Fill ``1' C**-1 1`` for the noise of the reads alone, (pixels,).

    Uses up ``factor``, ``inverse`` and ``design``.
    """
    n, one = weight.size, np.float32(1.0)
    for c in range(n):
        weight[c] = np.float32(0.0)
    for i in range(len(tile.rate)):
        b, used, inverse = pattern.read_diagonal[i], tile.used[i], tile.inverse[i]
        design, factor = tile.design[i], tile.factor[i]
        if i == 0:
            for c in range(n):
                factor[c] = np.float32(0.0)
                inverse[c] = one / b
                design[c] = used[c]
        else:
            y, earlier = pattern.read_off[i - 1], tile.used[i - 1]
            inverse_0, design_0 = tile.inverse[i - 1], tile.design[i - 1]
            for c in range(n):
                factor[c] = used[c] * earlier[c] * y * inverse_0[c]
            for c in range(n):
                inverse[c] = one / (b - factor[c] * used[c] * earlier[c] * y)
            for c in range(n):
                design[c] = used[c] - factor[c] * design_0[c]
        for c in range(n):
            weight[c] += design[c] * design[c] * inverse[c]
    read = tile.read
    for c in range(n):
        weight[c] /= read[c]


def write_slopes(
    sums: NDArray[np.float32],
    reads: NDArray[np.float32],
    origin: NDArray[np.float32],
    lost_bit: int,
    marks: NDArray[np.uint32],
    planes: tuple[
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
    ],
) -> None:
    """Fill slope, err and both variances; add a bit to ``marks`` where there is no fit.

    ``sums`` and ``reads`` are those of `eliminate` and `weigh_reads`. Pixels that have
    the bit already get no slope either.
    """
    slope, err, var_poisson, var_read = planes
    inside, bit = slice(0, marks.size), np.uint32(lost_bit)
    right, weight = sums[1, inside], sums[2, inside]
    lost = ~(weight > 0.0) | (marks & bit != 0)
    np.bitwise_or(marks, bit, out=marks, where=lost)
    with np.errstate(all="ignore"):
        variance = np.float32(1.0) / weight
        np.add(origin[inside], right / weight, out=slope)
        np.sqrt(variance, out=err)
        np.divide(np.float32(1.0), reads[inside], out=var_read)
        np.maximum(variance - var_read, np.float32(0.0), out=var_poisson)
    slope[lost] = np.nan
    for plane in (err, var_poisson, var_read):
        plane[lost] = 0.0
