"""Kernels of generalised least squares with a tridiagonal covariance.

Everything runs over rows of pixels, one difference after the other: arrays are
(differences, pixels), and each inner loop writes one array, so that it becomes vector
code. A difference that is not used is cut out of the covariance: its value and its
design are 0, and so are its covariances with its neighbours.

With ``C = L D L'`` of unit lower-triangular ``L``: ``factor`` is the subdiagonal of
``L``, ``inverse`` one over ``D``; ``value`` and ``design`` are ``L**-1 d`` and ``L**-1 1``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.jit import fast_kernel
from .covariance import Pattern


class Steps(NamedTuple):
    """Differences side by side."""

    rate: NDArray[np.float32]
    """(differences, pixels), DN/s less ``shift``; 0 where not used."""
    used: NDArray[np.float32]
    """(differences, pixels): 1 where used, else 0."""
    shift: NDArray[np.float32]
    """(pixels,), DN/s"""
    n_used: NDArray[np.float32]
    """(pixels,)"""


class Noise(NamedTuple):
    """What the covariance of each pixel is made of."""

    signal: NDArray[np.float32]
    """(pixels,), DN**2/s: photon variance a second."""
    read: NDArray[np.float32]
    """(pixels,), DN**2: variance of one read."""


class Elimination(NamedTuple):
    """The factorised covariance, (differences, pixels) each, and three sums, (pixels,)."""

    factor: NDArray[np.float32]
    inverse: NDArray[np.float32]
    value: NDArray[np.float32]
    design: NDArray[np.float32]
    sums: NDArray[np.float32]
    """(3, pixels): ``d' C**-1 d``, ``1' C**-1 d``, ``1' C**-1 1``."""


@fast_kernel
def take_steps(
    counts: NDArray[np.float32],
    flags: NDArray[np.uint8],
    start: int,
    bits: tuple[int, int],
    pattern: Pattern,
    steps: Steps,
) -> None:
    """Fill the differences of some pixels and which of them are used.

    ``counts`` and ``flags`` are (groups, pixels), of which those from ``start`` on are
    taken; ``bits`` are those that spoil a group, and the one that spoils the difference
    before it.
    """
    n_steps, n_pixels = steps.rate.shape
    stop = start + n_pixels
    lost, jump = np.uint8(bits[0]), np.uint8(bits[1])
    one, zero = np.float32(1.0), np.float32(0.0)
    steps.n_used[:] = zero
    steps.shift[:] = zero
    for i in range(n_steps):
        before, after = counts[i, start:stop], counts[i + 1, start:stop]
        first, last = flags[i, start:stop], flags[i + 1, start:stop]
        rate, used = steps.rate[i], steps.used[i]
        scale = one / pattern.step_s[i]
        spoils = lost | jump
        for c in range(n_pixels):
            spoiled = (first[c] & lost) | (last[c] & spoils)
            used[c] = one if spoiled == 0 else zero
        for c in range(n_pixels):
            rate[c] = (after[c] - before[c]) * scale
        for c in range(n_pixels):
            # NaN is not equal to itself: such a difference is not used either
            used[c] = used[c] if rate[c] == rate[c] else zero
        for c in range(n_pixels):
            rate[c] = rate[c] if used[c] > zero else zero
        for c in range(n_pixels):
            steps.n_used[c] += used[c]


@fast_kernel
def find_means(
    steps: Steps, mean: NDArray[np.float32], largest: NDArray[np.float32]
) -> None:
    """Fill the mean and the largest of the differences that are used."""
    n_steps, n_pixels = steps.rate.shape
    zero, one = np.float32(0.0), np.float32(1.0)
    mean[:] = zero
    largest[:] = np.float32(-np.inf)
    for i in range(n_steps):
        rate, used = steps.rate[i], steps.used[i]
        for c in range(n_pixels):
            mean[c] += rate[c]
        for c in range(n_pixels):
            size = rate[c] if used[c] > zero else largest[c]
            largest[c] = max(size, largest[c])
    n_used = steps.n_used
    for c in range(n_pixels):
        mean[c] /= max(n_used[c], one)


@fast_kernel
def move_origin(steps: Steps, by: NDArray[np.float32]) -> None:
    """Subtract a rate from the differences, and remember it in ``shift``."""
    n_steps, n_pixels = steps.rate.shape
    for i in range(n_steps):
        rate, used = steps.rate[i], steps.used[i]
        for c in range(n_pixels):
            rate[c] -= used[c] * by[c]
    shift = steps.shift
    for c in range(n_pixels):
        shift[c] += by[c]


@fast_kernel
def eliminate(steps: Steps, noise: Noise, pattern: Pattern, work: Elimination) -> None:
    """Factorise the covariance and solve forward; sum what the fit needs."""
    n_steps, n_pixels = steps.rate.shape
    signal, read = noise
    zero, one = np.float32(0.0), np.float32(1.0)
    for i in range(n_steps):
        a, b = pattern.photon_diagonal[i], pattern.read_diagonal[i]
        rate, used, inverse = steps.rate[i], steps.used[i], work.inverse[i]
        value, design, factor = work.value[i], work.design[i], work.factor[i]
        if i == 0:
            factor[:] = zero
            for c in range(n_pixels):
                inverse[c] = one / (signal[c] * a + read[c] * b)
            value[:] = rate
            design[:] = used
        else:
            x, y = pattern.photon_off[i - 1], pattern.read_off[i - 1]
            earlier, inverse_0 = steps.used[i - 1], work.inverse[i - 1]
            value_0, design_0 = work.value[i - 1], work.design[i - 1]
            for c in range(n_pixels):
                shared = used[c] * earlier[c] * (signal[c] * x + read[c] * y)
                factor[c] = shared * inverse_0[c]
            for c in range(n_pixels):
                shared = used[c] * earlier[c] * (signal[c] * x + read[c] * y)
                own = signal[c] * a + read[c] * b
                inverse[c] = one / (own - factor[c] * shared)
            for c in range(n_pixels):
                value[c] = rate[c] - factor[c] * value_0[c]
            for c in range(n_pixels):
                design[c] = used[c] - factor[c] * design_0[c]
    _sum_up(work)


@fast_kernel
def _sum_up(work: Elimination) -> None:
    """Fill the three sums of the fit."""
    n_steps, n_pixels = work.value.shape
    chi, right, weight = work.sums[0], work.sums[1], work.sums[2]
    work.sums[:] = np.float32(0.0)
    for i in range(n_steps):
        value, design, inverse = work.value[i], work.design[i], work.inverse[i]
        for c in range(n_pixels):
            chi[c] += value[c] * value[c] * inverse[c]
        for c in range(n_pixels):
            right[c] += value[c] * design[c] * inverse[c]
        for c in range(n_pixels):
            weight[c] += design[c] * design[c] * inverse[c]


@fast_kernel
def back_substitute(work: Elimination) -> None:
    """Turn ``value`` and ``design`` into ``C**-1 d`` and ``C**-1 1``."""
    n_steps, n_pixels = work.value.shape
    for k in range(n_steps):
        i = n_steps - 1 - k
        inverse, value, design = work.inverse[i], work.value[i], work.design[i]
        for c in range(n_pixels):
            value[c] *= inverse[c]
        for c in range(n_pixels):
            design[c] *= inverse[c]
        if k > 0:
            factor, value_1 = work.factor[i + 1], work.value[i + 1]
            design_1 = work.design[i + 1]
            for c in range(n_pixels):
                value[c] -= factor[c] * value_1[c]
            for c in range(n_pixels):
                design[c] -= factor[c] * design_1[c]


@fast_kernel
def split_variance(
    pattern: Pattern, work: Elimination, split: NDArray[np.float32]
) -> None:
    """Fill what multiplies signal and read variance in ``1' C**-1 C C**-1 1``, (2, pixels).

    After ``back_substitute``: the quadratic forms of ``C**-1 1`` with the two parts of
    the covariance.
    """
    n_steps, n_pixels = work.design.shape
    photon, read = split[0], split[1]
    split[:] = np.float32(0.0)
    two = np.float32(2.0)
    for i in range(n_steps):
        own = work.design[i]
        a, b = pattern.photon_diagonal[i], pattern.read_diagonal[i]
        for c in range(n_pixels):
            photon[c] += a * own[c] * own[c]
        for c in range(n_pixels):
            read[c] += b * own[c] * own[c]
        if i + 1 < n_steps:
            after = work.design[i + 1]
            x, y = two * pattern.photon_off[i], two * pattern.read_off[i]
            for c in range(n_pixels):
                photon[c] += x * own[c] * after[c]
            for c in range(n_pixels):
                read[c] += y * own[c] * after[c]


@fast_kernel
def make_steps(n_steps: int, n_pixels: int) -> Steps:
    """Return arrays for differences."""
    shape = (n_steps, n_pixels)
    return Steps(
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty(n_pixels, np.float32),
        np.empty(n_pixels, np.float32),
    )


@fast_kernel
def make_elimination(n_steps: int, n_pixels: int) -> Elimination:
    """Return arrays for the factorised covariance."""
    shape = (n_steps, n_pixels)
    return Elimination(
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty((3, n_pixels), np.float32),
    )
