"""Ramps of which every difference is used: nearly all, so they have a path of their own.

Some hundred pixels at a time are taken through all groups in rows of scratch that stay in
the first cache; the loops over them become vector code. No difference is cut out, so the
covariance is that of the pattern, and one elimination forward is all that chi2 and the
slope need. Ramps with a lost group, a jump or a NaN are named and left to `gls_kernels`.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.jit import fast_kernel, kernel_part
from ..band import PixelNoise, RampBand, in_memory
from .covariance import Pattern

_WIDTH: Final = 512
"""Pixels taken at a time: their scratch fits into the first cache."""
# rows of the scratch
_MEAN, _LARGEST, _SIGNAL, _READ, _GAIN, _RATIO, _SCALE = range(7)
_CHI, _RIGHT, _WEIGHT, _VALUE, _DESIGN, _INVERSE, _DARK = range(7, 14)
_LINES: Final = 14


class Samples(NamedTuple):
    """Ramps of some rows, as they lie in memory."""

    counts: NDArray[np.float32]
    """(n,), DN: from the first sample of the first group to the last of the last."""
    flags: NDArray[np.uint8]
    """(n,)"""
    planes: tuple[int, int]
    """Samples from a pixel's group to its next, of counts and of flags."""
    n_rows: int
    n_cols: int


class Noise(NamedTuple):
    """Noise of the same pixels, (pixels,) each."""

    gain: NDArray[np.float32]
    """e-/DN; unknown where it is not positive."""
    read_noise: NDArray[np.float32]
    """DN"""
    dark: NDArray[np.float32]
    """DN/s; of no pixels where there is none."""


class Planes(NamedTuple):
    """Where the fit writes, (pixels,) each."""

    slope: NDArray[np.float32]
    err: NDArray[np.float32]
    var_poisson: NDArray[np.float32]
    var_read: NDArray[np.float32]
    chi2: NDArray[np.float32]
    flags: NDArray[np.uint32]


class Scratch(NamedTuple):
    """Some hundred pixels side by side."""

    rate: NDArray[np.float32]
    """(differences, pixels), DN/s"""
    power: NDArray[np.float32]
    """(differences, pixels)"""
    line: NDArray[np.float32]
    """(lines, pixels)"""
    seen: NDArray[np.uint8]
    """(pixels,): all bits of the groups."""


def samples_of(band: RampBand, integration: int, rows: slice) -> Samples:
    """Return some rows of an integration as they lie in memory."""
    counts, plane = in_memory(band.counts[integration, :, rows])
    flags, flag_plane = in_memory(band.group_flags[integration, :, rows])
    n_rows, n_cols = band.counts[integration, 0, rows].shape
    return Samples(counts, flags, (plane, flag_plane), n_rows, n_cols)


def noise_of(noise: PixelNoise, rows: slice) -> Noise:
    """Return the noise of some rows, pixel after pixel."""
    dark = noise.dark_dn_s
    return Noise(
        np.ascontiguousarray(noise.gain[rows]).reshape(-1),
        np.ascontiguousarray(noise.read_noise_dn[rows]).reshape(-1),
        np.empty(0, np.float32)
        if dark is None
        else np.ascontiguousarray(dark[rows]).reshape(-1),
    )


def fit_whole_ramps(
    samples: Samples,
    noise: Noise,
    model: tuple[Pattern, np.float32],
    bits: tuple[int, int, int, int, int],
    out: Planes,
) -> NDArray[np.int32]:
    """Fit all ramps as if every difference were used.

    ``model`` is the pattern and its `unit_read_weight`. ``bits`` are those of groups that
    are lost, of a jump, of groups that the result repeats, of pixels without a slope, and
    of pixels without a gain. ``out.flags`` come in as those of the pixels.

    Returns
    -------
    (n,) int32
        Pixels in which a difference is not used: their results are not to stay.
    """
    rest = np.empty(out.slope.size, np.int32)
    unknown = np.float32(np.nan)
    never = unknown, unknown
    levels = never, np.float32(np.inf), model[1]
    n = sweep_whole_ramps(samples, noise, (model[0], *levels), bits, out, rest)
    return rest[:n]


def screen_whole_ramps(
    samples: Samples,
    noise: Noise,
    pattern: Pattern,
    levels: tuple[tuple[np.float32, np.float32], np.float32],
    bits: tuple[int, int],
) -> NDArray[np.int32]:
    """Return the ramps whose chi2 exceeds a limit, and those that are not whole.

    The noise is that of `leave_out.set_noise`: ``levels`` are the square of the loss over
    the photon variance a second, and over the variance of a read, and the limit. ``bits``
    are those of groups that are lost, and of a jump.
    """
    rest, none = np.empty(samples.n_rows * samples.n_cols, np.int32), np.float32(0.0)
    nowhere = np.empty(0, np.float32)
    flags = np.empty(0, np.uint32)
    out = Planes(nowhere, nowhere, nowhere, nowhere, nowhere, flags)
    model = pattern, *levels, none
    n = sweep_whole_ramps(samples, noise, model, (*bits, 0, 0, 0), out, rest)
    return rest[:n]


@fast_kernel
def sweep_whole_ramps(
    samples: Samples,
    noise: Noise,
    model: tuple[Pattern, tuple[np.float32, np.float32], np.float32, np.float32],
    bits: tuple[int, int, int, int, int],
    out: Planes,
    rest: NDArray[np.int32],
) -> int:
    """Fit ramps, or search them where the second of ``model`` holds numbers.

    ``model`` are the pattern, the loss of `screen_whole_ramps`, the limit of chi2 and the
    weight of the reads; ``rest`` is filled with the pixels that are not whole or exceed
    the limit, and how many is returned. One kernel for both: it is compiled but once.
    """
    pattern, lost, limit, read_weight = model
    is_fit = np.isnan(lost[0])
    scratch = Scratch(
        np.empty((len(pattern.step_s), _WIDTH), np.float32),
        np.empty((len(pattern.step_s), _WIDTH), np.float32),
        np.empty((_LINES, _WIDTH), np.float32),
        np.empty(_WIDTH, np.uint8),
    )
    line, spoiled, n_rest = scratch.line, np.uint8(bits[0] | bits[1]), 0
    for row in range(samples.n_rows):
        for first in range(0, samples.n_cols, _WIDTH):
            n = min(_WIDTH, samples.n_cols - first)
            span = row * samples.n_cols + first, n
            take_rates(samples, span, pattern, scratch)
            take_noise(noise, span, line)
            if is_fit:
                guess_signal(n, pattern, scratch)
            else:
                leave_largest(n, lost, scratch)
            eliminate_whole(n, pattern, scratch)
            if is_fit:
                write_whole(span, read_weight, bits, scratch, out)
            for c in range(n):
                right, weight = line[_RIGHT, c], line[_WEIGHT, c]
                chi2 = line[_CHI, c] - right * right / weight
                is_odd = (scratch.seen[c] & spoiled) != 0
                is_odd |= (chi2 > limit) | np.isnan(line[_MEAN, c])
                scratch.seen[c] = np.uint8(is_odd)
            for c in range(n):
                # without a branch: which are odd cannot be foretold
                rest[n_rest] = span[0] + c
                n_rest += scratch.seen[c]
    return n_rest


@kernel_part
def take_rates(
    samples: Samples, span: tuple[int, int], pattern: Pattern, scratch: Scratch
) -> None:
    """Fill the differences of some pixels in DN/s, their mean, and all bits of the groups."""
    rate, line, seen = scratch.rate, scratch.line, scratch.seen
    n_steps, (plane, flag_plane), (start, n) = len(rate), samples.planes, span
    own = samples.flags[start : start + n]
    for c in range(n):
        line[_MEAN, c] = np.float32(0.0)
        seen[c] = own[c]
    for i in range(n_steps):
        low, high = start + i * plane, start + (i + 1) * plane
        before, after = samples.counts[low : low + n], samples.counts[high : high + n]
        high = start + (i + 1) * flag_plane
        group = samples.flags[high : high + n]
        scale = np.float32(1.0) / pattern.step_s[i]
        for c in range(n):
            step = (after[c] - before[c]) * scale
            rate[i, c] = step
            line[_MEAN, c] += step
        for c in range(n):
            seen[c] |= group[c]
    share = np.float32(1.0) / np.float32(n_steps)
    for c in range(n):
        line[_MEAN, c] *= share


@kernel_part
def take_noise(noise: Noise, span: tuple[int, int], line: NDArray[np.float32]) -> None:
    """Fill one over the gain, the variance of a read and the dark rate; NaN if unknown."""
    start, n = span
    zero, one, unknown = np.float32(0.0), np.float32(1.0), np.float32(np.nan)
    gain, read = noise.gain[start : start + n], noise.read_noise[start : start + n]
    for c in range(n):
        line[_GAIN, c] = one / gain[c] if gain[c] > zero else unknown
    for c in range(n):
        line[_READ, c] = read[c] * read[c] if read[c] > zero else unknown
    dark = noise.dark[start : start + n]
    for c in range(n):
        line[_DARK, c] = zero
    for c in range(dark.size):
        line[_DARK, c] = dark[c]


@kernel_part
def guess_signal(n: int, pattern: Pattern, scratch: Scratch) -> None:
    """Fill the photon variance a second from the best slope at the mean rate.

    For even patterns: then the covariance is the same along the ramp and the weights of
    the best slope have a closed form, ``1 - (r**i + r**(n + 1 - i)) / (1 + r**(n + 1))``.
    """
    rate, power, line = scratch.rate, scratch.power, scratch.line
    n_steps, zero, one = len(rate), np.float32(0.0), np.float32(1.0)
    a, x = pattern.photon_diagonal[0], pattern.photon_off[0]
    b, y = pattern.read_diagonal[0], pattern.read_off[0]
    for c in range(n):
        photons = (max(line[_MEAN, c], zero) + line[_DARK, c]) * line[_GAIN, c]
        own = photons * a + line[_READ, c] * b
        shared = photons * x + line[_READ, c] * y
        # without photons the form is singular: a few are added to guess the weights
        own = max(own, np.float32(2.001) * abs(shared))
        root = np.sqrt(own * own - np.float32(4.0) * shared * shared)
        line[_RATIO, c] = -(shared + shared) / (own + root)
        power[0, c] = line[_RATIO, c]
    for i in range(1, n_steps):
        for c in range(n):
            power[i, c] = line[_RATIO, c] * power[i - 1, c]
    for c in range(n):
        line[_SCALE, c] = one / (one + power[n_steps - 1, c] * line[_RATIO, c])
        line[_RIGHT, c] = line[_WEIGHT, c] = zero
    for i in range((n_steps + 1) // 2):
        k = n_steps - 1 - i
        # the middle one of an odd number is its own mirror image
        times = np.float32(1.0 if i < k else 0.5)
        for c in range(n):
            share = times - times * (power[i, c] + power[k, c]) * line[_SCALE, c]
            line[_WEIGHT, c] += share
            line[_RIGHT, c] += share * (rate[i, c] + rate[k, c])
    for c in range(n):
        slope = line[_RIGHT, c] / (line[_WEIGHT, c] + line[_WEIGHT, c])
        line[_SIGNAL, c] = (max(slope, zero) + line[_DARK, c]) * line[_GAIN, c]


@kernel_part
def leave_largest(
    n: int, lost: tuple[np.float32, np.float32], scratch: Scratch
) -> None:
    """Make the mean that without the largest difference, and the noise as `set_noise`."""
    rate, line = scratch.rate, scratch.line
    n_steps, zero = len(rate), np.float32(0.0)
    share = np.float32(1.0) / np.float32(n_steps - 1)
    for c in range(n):
        line[_LARGEST, c] = rate[0, c]
    for i in range(1, n_steps):
        for c in range(n):
            line[_LARGEST, c] = max(line[_LARGEST, c], rate[i, c])
    for c in range(n):
        total = line[_MEAN, c] * np.float32(n_steps)
        without = (total - line[_LARGEST, c]) * share
        light = without + line[_DARK, c]
        photons = max(light, zero) * line[_GAIN, c]
        level = light + np.sqrt(photons * lost[0] + line[_READ, c] * lost[1])
        level = min(level, line[_MEAN, c] + line[_DARK, c])
        line[_SIGNAL, c] = max(level, zero) * line[_GAIN, c]
        line[_MEAN, c] = without


@kernel_part
def eliminate_whole(n: int, pattern: Pattern, scratch: Scratch) -> None:
    """Sum ``d' C**-1 d``, ``1' C**-1 d`` and ``1' C**-1 1``, differences less the mean."""
    rate, line = scratch.rate, scratch.line
    one, zero = np.float32(1.0), np.float32(0.0)
    for c in range(n):
        line[_CHI, c] = line[_RIGHT, c] = line[_WEIGHT, c] = zero
        line[_VALUE, c] = line[_DESIGN, c] = line[_INVERSE, c] = zero
    for i in range(len(rate)):
        a, b = pattern.photon_diagonal[i], pattern.read_diagonal[i]
        x, y = zero, zero
        if i > 0:
            x, y = pattern.photon_off[i - 1], pattern.read_off[i - 1]
        for c in range(n):
            shared = line[_SIGNAL, c] * x + line[_READ, c] * y
            factor = shared * line[_INVERSE, c]
            own = line[_SIGNAL, c] * a + line[_READ, c] * b
            line[_INVERSE, c] = one / (own - factor * shared)
            difference = rate[i, c] - line[_MEAN, c]
            line[_VALUE, c] = difference - factor * line[_VALUE, c]
            line[_DESIGN, c] = one - factor * line[_DESIGN, c]
        for c in range(n):
            value, design = line[_VALUE, c], line[_DESIGN, c]
            line[_CHI, c] += value * value * line[_INVERSE, c]
            line[_RIGHT, c] += value * design * line[_INVERSE, c]
            line[_WEIGHT, c] += design * design * line[_INVERSE, c]


@kernel_part
def write_whole(
    span: tuple[int, int],
    read_weight: np.float32,
    bits: tuple[int, int, int, int, int],
    scratch: Scratch,
    out: Planes,
) -> None:
    """Write slopes, variances, chi2 per degree of freedom and flags of some pixels."""
    line, seen, (start, n) = scratch.line, scratch.seen, span
    zero, one, unknown = np.float32(0.0), np.float32(1.0), np.float32(np.nan)
    kept, lost, no_gain = np.uint8(bits[2]), np.uint32(bits[3]), np.uint32(bits[4])
    inside = slice(start, start + n)
    flags, slope, err = out.flags[inside], out.slope[inside], out.err[inside]
    for c in range(n):
        own = np.uint32(seen[c] & kept)
        own |= no_gain if np.isnan(line[_GAIN, c]) else np.uint32(0)
        own |= np.uint32(0) if line[_WEIGHT, c] > zero else lost
        flags[c] |= own
    for c in range(n):
        value = line[_MEAN, c] + line[_RIGHT, c] / line[_WEIGHT, c]
        slope[c] = value if flags[c] & lost == 0 else unknown
    for c in range(n):
        value = np.sqrt(one / line[_WEIGHT, c])
        err[c] = value if flags[c] & lost == 0 else zero
    var_read, var_poisson = out.var_read[inside], out.var_poisson[inside]
    inverse_weight = one / read_weight
    for c in range(n):
        value = line[_READ, c] * inverse_weight
        var_read[c] = value if flags[c] & lost == 0 else zero
    for c in range(n):
        value = one / line[_WEIGHT, c] - line[_READ, c] * inverse_weight
        var_poisson[c] = max(value, zero) if flags[c] & lost == 0 else zero
    chi2, share = out.chi2[inside], one / np.float32(len(scratch.rate) - 1)
    for c in range(n):
        right, weight = line[_RIGHT, c], line[_WEIGHT, c]
        value = (line[_CHI, c] - right * right / weight) * share
        chi2[c] = value if weight > zero else zero
