"""What leaving out one difference, or two neighbours, would do to chi2.

Vector kernels over (differences, pixels), as in ``ramp_fit.gls_kernels``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import fast_kernel
from .ramp_fit.covariance import Pattern
from .ramp_fit.gls_kernels import Elimination, Noise, Steps, back_substitute

_TIE = 1e-4
"""Relative difference of chi2 below which two pairs are equally likely."""
_SINGULAR = 1e-4
"""Relative determinant below which residuals leave nothing to fit the slope with."""


class Outliers(NamedTuple):
    """Residuals and their projected inverse covariance, and the best of each kind."""

    residual: NDArray[np.float32]
    """(differences, pixels): ``C**-1 (d - slope)``; 0 where not used."""
    backward: NDArray[np.float32]
    """(differences, pixels): pivots of the elimination from the end."""
    own: NDArray[np.float32]
    """(differences, pixels): diagonal of ``C**-1``, then of ``P``."""
    gain: NDArray[np.float32]
    """(2, pixels): chi2 that the best single and the best pair save."""
    which: NDArray[np.int32]
    """(2, pixels): the difference, and the first of the pair."""
    jump: NDArray[np.float32]
    """(3, pixels), DN/s: step of the single, and the two of the pair."""
    line: NDArray[np.float32]
    """(8, pixels): scratch."""


@fast_kernel
def make_outliers(n_steps: int, n_pixels: int) -> Outliers:
    """Return arrays for the search."""
    shape = (n_steps, n_pixels)
    return Outliers(
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty((2, n_pixels), np.float32),
        np.empty((2, n_pixels), np.int32),
        np.empty((3, n_pixels), np.float32),
        np.empty((8, n_pixels), np.float32),
    )


@fast_kernel
def find_outliers(
    steps: Steps,
    noise: Noise,
    pattern: Pattern,
    work: Elimination,
    out: Outliers,
) -> None:
    """Find the best difference and the best pair to leave out; after ``eliminate``."""
    _eliminate_backward(steps, noise, pattern, out.backward)
    _invert_diagonal(noise, pattern, work, out)
    back_substitute(work)
    _project(work, out)
    _find_best_single(work, out)
    _find_best_pair(steps, pattern, work, out)


@fast_kernel
def _eliminate_backward(
    steps: Steps, noise: Noise, pattern: Pattern, backward: NDArray[np.float32]
) -> None:
    """Fill the pivots of the elimination that begins with the last difference."""
    n_steps, n_pixels = backward.shape
    signal, read = noise
    for k in range(n_steps):
        i = n_steps - 1 - k
        a, b = pattern.photon_diagonal[i], pattern.read_diagonal[i]
        pivot = backward[i]
        for c in range(n_pixels):
            pivot[c] = signal[c] * a + read[c] * b
        if k > 0:
            x, y = pattern.photon_off[i], pattern.read_off[i]
            used, later, after = steps.used[i], steps.used[i + 1], backward[i + 1]
            for c in range(n_pixels):
                shared = used[c] * later[c] * (signal[c] * x + read[c] * y)
                pivot[c] -= shared * shared / after[c]


@fast_kernel
def _invert_diagonal(
    noise: Noise, pattern: Pattern, work: Elimination, out: Outliers
) -> None:
    """Fill the diagonal of the inverse covariance from the pivots of both eliminations."""
    n_steps, n_pixels = out.own.shape
    signal, read = noise
    one = np.float32(1.0)
    for i in range(n_steps):
        a, b = pattern.photon_diagonal[i], pattern.read_diagonal[i]
        own, forward, backward = out.own[i], work.inverse[i], out.backward[i]
        for c in range(n_pixels):
            variance = signal[c] * a + read[c] * b
            own[c] = one / (one / forward[c] + backward[c] - variance)


@fast_kernel
def _project(work: Elimination, out: Outliers) -> None:
    """Fill the residuals about the slope; its variance goes to ``line[0]``."""
    n_steps, n_pixels = out.own.shape
    variance, slope = out.line[0], out.line[1]
    right, weight = work.sums[1], work.sums[2]
    one, tiny = np.float32(1.0), np.float32(1e-30)
    for c in range(n_pixels):
        variance[c] = one / max(weight[c], tiny)
    for c in range(n_pixels):
        slope[c] = right[c] * variance[c]
    for i in range(n_steps):
        residual, value, design = out.residual[i], work.value[i], work.design[i]
        for c in range(n_pixels):
            residual[c] = value[c] - slope[c] * design[c]


@fast_kernel
def _take_projected(
    work: Elimination, out: Outliers, i: int, projected: NDArray[np.float32]
) -> None:
    """Fill the diagonal of ``P`` of one difference."""
    own, design, variance = out.own[i], work.design[i], out.line[0]
    for c in range(projected.size):
        projected[c] = own[c] - variance[c] * design[c] * design[c]


@fast_kernel
def _find_best_single(work: Elimination, out: Outliers) -> None:
    """Find the positive step whose omission saves most chi2."""
    n_steps, n_pixels = out.own.shape
    best, index, jump = out.gain[0], out.which[0], out.jump[0]
    projected, saved = out.line[2], out.line[3]
    zero, least = np.float32(0.0), np.float32(_SINGULAR)
    best[:] = zero
    index[:] = np.int32(0)
    jump[:] = zero
    for i in range(n_steps):
        own, residual = out.own[i], out.residual[i]
        _take_projected(work, out, i, projected)
        for c in range(n_pixels):
            positive = residual[c] > zero and projected[c] > least * own[c]
            chi2 = residual[c] * residual[c] / projected[c]
            saved[c] = chi2 if positive else zero
        for c in range(n_pixels):
            index[c] = np.int32(i) if saved[c] > best[c] else index[c]
        for c in range(n_pixels):
            step = residual[c] / projected[c]
            jump[c] = step if saved[c] > best[c] else jump[c]
        for c in range(n_pixels):
            best[c] = max(saved[c], best[c])


@fast_kernel
def _find_best_pair(
    steps: Steps, pattern: Pattern, work: Elimination, out: Outliers
) -> None:
    """Find the neighbours, of a positive sum, whose omission saves most chi2."""
    n_steps, n_pixels = out.own.shape
    out.gain[1][:] = np.float32(0.0)
    out.which[1][:] = np.int32(0)
    out.jump[1:][:] = np.float32(0.0)
    best, index, first, second = out.gain[1], out.which[1], out.jump[1], out.jump[2]
    saved, better, one = out.line[3], out.line[4], np.float32(1.0)
    b1, b2, zero, tie = out.line[6], out.line[7], np.float32(0.0), np.float32(_TIE)
    for i in range(n_steps - 1):
        if not pattern.is_averaged[i]:
            continue
        _solve_pair(steps, work, out, i)
        e1, e2 = out.residual[i], out.residual[i + 1]
        t1, t2 = pattern.step_s[i], pattern.step_s[i + 1]
        for c in range(n_pixels):
            chi2 = b1[c] * e1[c] + b2[c] * e2[c]
            saved[c] = chi2 if b1[c] * t1 + b2[c] * t2 > zero else zero
        for c in range(n_pixels):
            larger = b1[c] + b2[c] > first[c] + second[c]
            margin = best[c] * (one - tie) if larger else best[c] * (one + tie)
            better[c] = one if saved[c] > margin else zero
        for c in range(n_pixels):
            index[c] = np.int32(i) if better[c] > zero else index[c]
        for c in range(n_pixels):
            first[c] = b1[c] if better[c] > zero else first[c]
        for c in range(n_pixels):
            second[c] = b2[c] if better[c] > zero else second[c]
        for c in range(n_pixels):
            best[c] = saved[c] if better[c] > zero else best[c]


@fast_kernel
def _solve_pair(steps: Steps, work: Elimination, out: Outliers, i: int) -> None:
    """Fill the two steps, ``line[6]`` and ``line[7]``, that explain two residuals."""
    n_pixels = out.own.shape[1]
    variance, p1, p2, cross = out.line[0], out.line[2], out.line[4], out.line[5]
    determinant, b1, b2 = out.line[3], out.line[6], out.line[7]
    _take_projected(work, out, i, p1)
    _take_projected(work, out, i + 1, p2)
    factor, own = work.factor[i + 1], out.own[i + 1]
    w1, w2 = work.design[i], work.design[i + 1]
    for c in range(n_pixels):
        cross[c] = -factor[c] * own[c] - variance[c] * w1[c] * w2[c]
    least, infinite = np.float32(_SINGULAR), np.float32(np.inf)
    for c in range(n_pixels):
        product = p1[c] * p2[c]
        value = product - cross[c] * cross[c]
        determinant[c] = value if value > least * product else infinite
    u1, u2, zero = steps.used[i], steps.used[i + 1], np.float32(0.0)
    for c in range(n_pixels):
        determinant[c] = determinant[c] if u1[c] * u2[c] > zero else infinite
    e1, e2 = out.residual[i], out.residual[i + 1]
    for c in range(n_pixels):
        b1[c] = (p2[c] * e1[c] - cross[c] * e2[c]) / determinant[c]
    for c in range(n_pixels):
        b2[c] = (p1[c] * e2[c] - cross[c] * e1[c]) / determinant[c]
