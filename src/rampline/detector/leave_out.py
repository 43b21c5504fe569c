"""Change of chi2 when one difference, or two adjacent ones, are omitted.

Vector kernels over (differences, pixels), as in ``ramp_fit.gls_kernels``.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import fast_kernel, kernel_part
from .ramp_fit.covariance import Pattern
from .ramp_fit.gls_kernels import CHUNK, Tile

_SETTLED = 0.5
"""Remaining chi2 over the limit, without the hit, that is too small to hide another."""
_MIN_JUDGES = 5
"""Minimum number of differences whose majority distinguishes a step down from steps up."""
_TAIL = math.sqrt(math.pi / 2.0)
"""A normal's tail at ``u``, large, is ``exp(-u**2 / 2) / (2 u)`` over this; that of two
normals lacks the ``u``."""
_SINGULAR = 1e-4
"""Relative determinant below which no information is left to fit the slope."""


class Outliers(NamedTuple):
    """Residuals and their projected inverse covariance, and the best of each kind."""

    residual: NDArray[np.float32]
    """(differences, pixels): ``C**-1 (d - slope)``; 0 where not used."""
    backward: NDArray[np.float32]
    """(differences, pixels): pivots of the elimination from the end."""
    own: NDArray[np.float32]
    """(differences, pixels): diagonal of ``C**-1`` with the slope projected out."""
    cross: NDArray[np.float32]
    """(differences, pixels): the same for a difference and the next one."""
    gain: NDArray[np.float32]
    """(3, pixels): decrease of chi2 by the best single, the best pair and the best single
    step down."""
    first: NDArray[np.int32]
    """(2, pixels): index of the single, and of the first of the pair."""
    jump: NDArray[np.float32]
    """(3, pixels), DN/s: step of the single, and the two steps of the pair."""
    line: NDArray[np.float32]
    """(4, pixels): scratch."""


def make_outliers(n_steps: int, n_pixels: int) -> Outliers:
    """Return arrays for the search."""
    shape = n_steps, n_pixels
    return Outliers(
        residual=np.empty(shape, np.float32),
        backward=np.empty(shape, np.float32),
        own=np.empty(shape, np.float32),
        cross=np.empty(shape, np.float32),
        gain=np.empty((3, n_pixels), np.float32),
        first=np.empty((2, n_pixels), np.int32),
        jump=np.empty((3, n_pixels), np.float32),
        line=np.empty((4, n_pixels), np.float32),
    )


@fast_kernel
def set_noise(
    tile: Tile,
    inverse_gain: NDArray[np.float32],
    pattern: Pattern,
    lost: NDArray[np.float32],
) -> None:
    """Fill ``signal`` from the mean, or that without the largest; after `find_means`.

    ``mean`` becomes the latter. The photon noise is that of the lower of two rates: of all
    differences with about the weights of a fit, which the residuals of a ramp without a hit
    do not shift, and of those without the largest, plus what this mean has lost in a ramp
    without a hit: ``lost`` is the square of the loss for each number of differences, over
    the photon variance a second, and over the variance of a read. Uses up ``chi2``.
    """
    mean, largest, n_used, shift = tile.mean, tile.largest, tile.n_used, tile.shift
    zero, one, n_steps = np.float32(0.0), np.float32(1.0), len(tile.rate)
    photon_part, read_part = pattern.photon_diagonal[0], pattern.read_diagonal[0]
    faint = tile.chi2
    for c in range(inverse_gain.size):
        faint[c] = zero
    for i in range(n_steps):
        rates, weight = tile.rate[i], pattern.read_weight[i]
        for c in range(inverse_gain.size):
            faint[c] += weight * rates[c]
    for c in range(inverse_gain.size):
        whole = mean[c]
        without = (whole * n_used[c] - largest[c]) / (n_used[c] - one)
        without = without if n_used[c] > one else whole
        rate = without + shift[c]
        n, photons = int(n_used[c]), max(rate, zero) * inverse_gain[c]
        rate += np.sqrt(photons * lost[0, n] + tile.read[c] * lost[1, n])
        share = (
            photons * photon_part / (photons * photon_part + tile.read[c] * read_part)
        )
        fitted = faint[c] + share * (whole - faint[c]) if n == n_steps else whole
        rate = min(rate, fitted + shift[c])
        mean[c] = without
        tile.signal[c] = max(rate, zero) * inverse_gain[c]


@fast_kernel
def invert(tile: Tile, pattern: Pattern, out: Outliers) -> None:
    """Fill the tridiagonal part of ``C**-1`` from eliminations from both ends."""
    n_steps, n_pixels, one = len(tile.rate), tile.signal.size, np.float32(1.0)
    for start in range(0, n_pixels, CHUNK):
        stop = min(start + CHUNK, n_pixels)
        n, signal, read = stop - start, tile.signal[start:stop], tile.read[start:stop]
        for k in range(n_steps):
            i = n_steps - 1 - k
            a, b = pattern.photon_diagonal[i], pattern.read_diagonal[i]
            pivot, inverse = out.backward[i, start:stop], tile.inverse[i, start:stop]
            own = out.own[i, start:stop]
            for c in range(n):
                pivot[c] = signal[c] * a + read[c] * b
            if k > 0:
                factor = tile.factor[i + 1, start:stop]
                after, own_1 = (
                    out.backward[i + 1, start:stop],
                    out.own[i + 1, start:stop],
                )
                cross = out.cross[i, start:stop]
                for c in range(n):
                    # factor over inverse is the covariance with the next difference
                    shared = factor[c] / inverse[c]
                    pivot[c] -= shared * shared / after[c]
                for c in range(n):
                    cross[c] = -factor[c] * own_1[c]
            for c in range(n):
                variance = signal[c] * a + read[c] * b
                own[c] = one / (one / inverse[c] + pivot[c] - variance)


@fast_kernel
def project(tile: Tile, out: Outliers) -> None:  # noqa: C901 - one loop a line
    """Fill the residuals and project the slope out of ``C**-1``; after `invert`.

    The forward solutions of the tile become ``C**-1 d`` and ``C**-1 1``.
    """
    one, tiny = np.float32(1.0), np.float32(1e-30)
    n_steps, n_pixels = len(tile.rate), tile.signal.size
    least, infinite = np.float32(_SINGULAR), np.float32(np.inf)
    for start in range(0, n_pixels, CHUNK):
        stop = min(start + CHUNK, n_pixels)
        n, right = stop - start, tile.sums[1, start:stop]
        weight = tile.sums[2, start:stop]
        variance, slope = out.line[0, start:stop], out.line[1, start:stop]
        for c in range(n):
            variance[c] = one / max(weight[c], tiny)
        for c in range(n):
            slope[c] = right[c] * variance[c]
        for k in range(n_steps):
            i = n_steps - 1 - k
            inverse, own = tile.inverse[i, start:stop], out.own[i, start:stop]
            value, design = tile.value[i, start:stop], tile.design[i, start:stop]
            residual = out.residual[i, start:stop]
            for c in range(n):
                value[c] *= inverse[c]
            for c in range(n):
                design[c] *= inverse[c]
            if k > 0:
                factor, cross = tile.factor[i + 1, start:stop], out.cross[i, start:stop]
                value_1 = tile.value[i + 1, start:stop]
                design_1 = tile.design[i + 1, start:stop]
                for c in range(n):
                    value[c] -= factor[c] * value_1[c]
                for c in range(n):
                    design[c] -= factor[c] * design_1[c]
                for c in range(n):
                    cross[c] -= variance[c] * design[c] * design_1[c]
            for c in range(n):
                part = own[c] - variance[c] * design[c] * design[c]
                own[c] = part if part > least * own[c] else infinite
            for c in range(n):
                residual[c] = value[c] - slope[c] * design[c]


@kernel_part
def find_best_single(out: Outliers) -> None:
    """Find the positive step whose omission lowers chi2 most; after ``project``.

    For negative steps only the decrease by the best one is stored.
    """
    best, first, jump, down = out.gain[0], out.first[0], out.jump[0], out.gain[2]
    step, saved = out.line[2], out.line[3]
    zero = np.float32(0.0)
    for c in range(best.size):
        best[c] = jump[c] = down[c] = zero
        first[c] = 0
    for i in range(len(out.own)):
        own, residual = out.own[i], out.residual[i]
        for c in range(best.size):
            step[c] = residual[c] / own[c]
        for c in range(best.size):
            saved[c] = step[c] * residual[c] if step[c] < zero else zero
        for c in range(best.size):
            down[c] = max(saved[c], down[c])
        for c in range(best.size):
            saved[c] = step[c] * residual[c] if step[c] > zero else zero
        for c in range(best.size):
            old, is_better = first[c], saved[c] > best[c]
            first[c] = np.int32(i) if is_better else old
        for c in range(best.size):
            new, kept, is_better = step[c], jump[c], saved[c] > best[c]
            jump[c] = new if is_better else kept
        for c in range(best.size):
            best[c] = max(saved[c], best[c])


@kernel_part
def find_best_pair(  # noqa: C901 - one loop a line
    used: NDArray[np.float32], pattern: Pattern, out: Outliers
) -> None:
    """Find the adjacent pair of positive steps whose omission lowers chi2 most."""
    best, first, jump_1, jump_2 = out.gain[1], out.first[1], out.jump[1], out.jump[2]
    inverse, b1, b2, better = out.line[0], out.line[1], out.line[2], out.line[3]
    zero, one = np.float32(0.0), np.float32(1.0)
    least, infinite = np.float32(_SINGULAR), np.float32(np.inf)
    for c in range(best.size):
        best[c] = jump_1[c] = jump_2[c] = zero
        first[c] = 0
    for i in range(len(out.own) - 1):
        if not pattern.is_averaged[i]:
            continue
        p1, p2, cross = out.own[i], out.own[i + 1], out.cross[i]
        e1, e2, u1, u2 = out.residual[i], out.residual[i + 1], used[i], used[i + 1]
        for c in range(best.size):
            product = p1[c] * p2[c]
            value = product - cross[c] * cross[c]
            both = u1[c] * u2[c] / value
            is_fit = (value > least * product) & (value < infinite)
            inverse[c] = both if is_fit else zero
        for c in range(best.size):
            b1[c] = (p2[c] * e1[c] - cross[c] * e2[c]) * inverse[c]
        for c in range(best.size):
            b2[c] = (p1[c] * e2[c] - cross[c] * e1[c]) * inverse[c]
        for c in range(best.size):
            chi2 = b1[c] * e1[c] + b2[c] * e2[c]
            inverse[c] = chi2 if (b1[c] > zero) & (b2[c] > zero) else zero
        for c in range(best.size):
            better[c] = one if inverse[c] > best[c] else zero
        for c in range(best.size):
            old, is_better = first[c], better[c] > zero
            first[c] = np.int32(i) if is_better else old
        for c in range(best.size):
            new, kept, is_better = b1[c], jump_1[c], better[c] > zero
            jump_1[c] = new if is_better else kept
        for c in range(best.size):
            new, kept, is_better = b2[c], jump_2[c], better[c] > zero
            jump_2[c] = new if is_better else kept
        for c in range(best.size):
            new, kept, is_better = inverse[c], best[c], better[c] > zero
            best[c] = new if is_better else kept


@kernel_part
def omit(
    tile: Tile,
    inverse_gain: NDArray[np.float32],
    model: tuple[Pattern, NDArray[np.float32]],
    out: Outliers,
    hits: tuple[NDArray[np.int32], NDArray[np.float32]],
    changed: NDArray[np.intp],
) -> tuple[int, int]:
    """Omit significant hits of each ramp; return the numbers of hits and of ramps to redo.

    ``hits`` are (-, later group, ramp) and (step over its noise, step in DN); ``changed``
    are the ramps that may contain another hit. A step down is not a charge: where it lowers
    chi2 most, nothing is omitted, lest its good neighbours are. ``model`` is the pattern and
    the limits, (photon shares, differences), which hold for Gaussian noise; the noise of few
    photons is skewed, which raises a limit by ``skewness * (limit**2 - 1) / 6`` (Cornish &
    Fisher 1938). The second difference is omitted too where noise would rarely make the
    pair that much better.
    """
    (pattern, limits), (where, size) = model, hits
    zero, infinite = np.float32(0.0), np.float32(np.inf)
    n_hits, n_changed, last = 0, 0, len(limits) - 1
    for c in range(tile.chi2.size):
        n_used = int(tile.n_used[c])
        if n_used < 2:
            continue
        one, two = out.gain[0, c], out.gain[1, c]
        best = max(one, two)
        is_down = n_used >= _MIN_JUDGES and out.gain[2, c] > best
        if is_down or not limits[0, n_used] < best < infinite:
            continue
        i = out.first[0, c]
        own = out.own[i, c] if out.own[i, c] < infinite else zero
        photons = tile.signal[c] * pattern.photon_diagonal[i]
        share = photons / (photons + tile.read[c] * pattern.read_diagonal[i]) * last
        k = min(int(share), last - 1)
        limit = limits[k, n_used]
        limit += (share - k) * (limits[k + 1, n_used] - limit)
        third = tile.signal[c] * inverse_gain[c] * pattern.photon_third[i]
        # photon noise of the other differences reduces the skewness
        lean = third * own * np.sqrt(own) * (n_used - 1.0) / n_used
        root = np.sqrt(limit) + lean * (limit - 1.0) / 6.0
        if not best > root * root:
            continue
        n = 2 if two - one > 2.0 * np.log(_TAIL * root) else 1
        for k in range(n):
            i = out.first[n - 1, c] + k
            jump = out.jump[k + n - 1, c]
            variance = tile.signal[c] * pattern.photon_diagonal[i]
            variance += tile.read[c] * pattern.read_diagonal[i]
            where[1, n_hits], where[2, n_hits] = i + 1, c
            size[0, n_hits] = jump / np.sqrt(variance)
            size[1, n_hits] = jump * pattern.step_s[i]
            n_hits += 1
            tile.rate[i, c] = np.float32(0.0)
            tile.used[i, c] = np.float32(0.0)
        # for a pair the noise was too large: it included the smaller part of the hit
        left = limits[0, n_used - n]
        if n == 2 or not tile.chi2[c] - one < _SETTLED * left:
            changed[n_changed] = c
            n_changed += 1
    return n_hits, n_changed


@kernel_part
def keep_columns(tile: Tile, chosen: NDArray[np.intp]) -> None:
    """Move the ramps of the chosen columns, in ascending order, to the tile's front."""
    for i in range(len(tile.rate)):
        rate, used = tile.rate[i], tile.used[i]
        for c in range(chosen.size):
            rate[c], used[c] = rate[chosen[c]], used[chosen[c]]
    for c in range(chosen.size):
        k = chosen[c]
        tile.read[c], tile.shift[c] = tile.read[k], tile.shift[k]
