"""Slopes by generalised least squares: the exact covariance, in closed form.

With the covariance known the best linear slope is ``1' C**-1 d / 1' C**-1 1``. It depends
on the rate itself through the photon noise; a rate that is estimated with about the same
weights is uncorrelated with what the weights leave over, so a second fit at the rate of
the first is unbiased (Brandt 2024, PASP 136, 045004). All integrations are fitted at
their common rate: low ones do not weigh more than high ones.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import flags
from ...exposure.timing import Readout
from ...numerics.jit import kernel
from ..band import PixelNoise, RampBand, flat_block
from .covariance import Pattern, difference_pattern
from .gls_kernels import (
    Elimination,
    Noise,
    Steps,
    back_substitute,
    eliminate,
    find_means,
    make_elimination,
    make_steps,
    move_origin,
    split_variance,
    take_steps,
)
from .planes import SlopeFit

_CHUNK = 512
"""Pixels worked on at a time: their scratch stays in cache."""


class _Block(NamedTuple):
    """Pixels side by side."""

    counts: NDArray[np.float32]
    flags: NDArray[np.uint8]
    inverse_gain: NDArray[np.float32]
    read: NDArray[np.float32]
    dark: NDArray[np.float32]


class _Result(NamedTuple):
    """What the fit leaves; along the first axis the integrations, then the exposure."""

    slope: NDArray[np.float32]
    var_poisson: NDArray[np.float32]
    var_read: NDArray[np.float32]
    n_used: NDArray[np.float32]
    chi2: NDArray[np.float32]


def fit_gls(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    rows: slice,
    reset_noise_dn: float,
    out: SlopeFit,
) -> None:
    """Fit some rows of a band and write the slopes to ``out``.

    Parameters
    ----------
    band : RampBand
    noise : PixelNoise
    readout : Readout
    rows : slice
        Rows of the band to fit.
    reset_noise_dn : float, DN
        Scatter of the reset level about the superbias: the noise of a ramp of a single
        group, which is measured from the reset. Not positive: such ramps have no slope.
    out : SlopeFit
        Planes of those rows, written into.
    """
    block = _take_block(band, noise, rows)
    n_ints, n_groups, n_pixels = block.counts.shape
    shape = (n_ints + 1, n_pixels)
    result = _Result(
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty(n_pixels, np.float32),
    )
    groups = list(readout.read_times_s())
    spoils = flags.BAD_FOR_SLOPE, flags.JUMP
    if n_groups > 1:
        _fit_block(block, spoils, difference_pattern(groups), result)
    else:
        result.n_used[:] = 0.0
        result.chi2[:] = np.nan
    if reset_noise_dn > 0.0:
        zero = None if band.zero_frame is None else flat_block(band.zero_frame, rows)
        _fit_single_groups(block, zero, readout, reset_noise_dn, result)
    _write(block, band.pixel_flags[rows], result, out)


def _take_block(band: RampBand, noise: PixelNoise, rows: slice) -> _Block:
    """Copy some rows to contiguous arrays."""
    counts = flat_block(band.counts, rows)
    gain = noise.gain[rows].reshape(-1)
    inverse = np.full(gain.shape, np.nan, np.float32)
    np.divide(1.0, gain, out=inverse, where=gain > 0.0)
    dark = np.zeros(gain.shape, np.float32)
    if noise.dark_dn_s is not None:
        dark[:] = noise.dark_dn_s[rows].reshape(-1)
    read = noise.read_noise_dn[rows].reshape(-1) ** 2
    return _Block(counts, flat_block(band.group_flags, rows), inverse, read, dark)


class _Scratch(NamedTuple):
    """Arrays for one chunk of pixels."""

    steps: Steps
    work: Elimination
    noise: Noise
    split: NDArray[np.float32]
    sums: NDArray[np.float32]
    """(6, pixels): origin, rate, and sums over the integrations."""


@kernel
def _make_scratch(n_steps: int, n_pixels: int) -> _Scratch:
    """Return scratch for a chunk."""
    return _Scratch(
        make_steps(n_steps, n_pixels),
        make_elimination(n_steps, n_pixels),
        Noise(np.empty(n_pixels, np.float32), np.empty(n_pixels, np.float32)),
        np.empty((2, n_pixels), np.float32),
        np.empty((6, n_pixels), np.float32),
    )


@kernel
def _fit_block(
    block: _Block, spoils: tuple[int, int], pattern: Pattern, result: _Result
) -> None:
    """Fit all pixels, a chunk at a time."""
    n_steps, n_pixels = len(pattern.step_s), block.counts.shape[2]
    scratch = _make_scratch(n_steps, min(_CHUNK, n_pixels))
    for start in range(0, n_pixels, _CHUNK):
        if n_pixels - start < scratch.split.shape[1]:
            scratch = _make_scratch(n_steps, n_pixels - start)
        _start_chunk(block, start, spoils, pattern, scratch)
        for is_last in (False, True):
            _fit_chunk(block, (start, is_last), spoils, pattern, scratch, result)


@kernel
def _start_chunk(
    block: _Block,
    start: int,
    spoils: tuple[int, int],
    pattern: Pattern,
    scratch: _Scratch,
) -> None:
    """Find the mean difference over all integrations, from which the fit starts."""
    n_ints, n_pixels = len(block.counts), scratch.split.shape[1]
    origin, rate, total = scratch.sums[0], scratch.sums[1], scratch.sums[2]
    mean, largest = scratch.split[0], scratch.split[1]
    origin[:] = np.float32(0.0)
    total[:] = np.float32(0.0)
    scratch.noise.read[:] = block.read[start : start + n_pixels]
    for i in range(n_ints):
        take_steps(
            block.counts[i], block.flags[i], start, spoils, pattern, scratch.steps
        )
        find_means(scratch.steps, mean, largest)
        for c in range(n_pixels):
            origin[c] += mean[c] * scratch.steps.n_used[c]
        for c in range(n_pixels):
            total[c] += scratch.steps.n_used[c]
    for c in range(n_pixels):
        origin[c] /= max(total[c], np.float32(1.0))
    rate[:] = origin
    if n_ints == 1:
        move_origin(scratch.steps, origin)


@kernel
def _fit_chunk(
    block: _Block,
    place: tuple[int, bool],
    spoils: tuple[int, int],
    pattern: Pattern,
    scratch: _Scratch,
    result: _Result,
) -> None:
    """Fit a chunk at the rate that is known so far; the last time, note the results."""
    start, is_last = place
    n_ints, n_pixels = len(block.counts), scratch.split.shape[1]
    origin, rate, sums = scratch.sums[0], scratch.sums[1], scratch.sums[3:]
    total = scratch.sums[2]
    signal, zero = scratch.noise.signal, np.float32(0.0)
    stop = start + n_pixels
    dark, inverse_gain = block.dark[start:stop], block.inverse_gain[start:stop]
    for c in range(n_pixels):
        signal[c] = (max(rate[c], zero) + dark[c]) * inverse_gain[c]
    sums[:] = zero
    if is_last:
        result.var_poisson[n_ints, start:stop] = zero
        result.var_read[n_ints, start:stop] = zero
    for i in range(n_ints):
        if n_ints > 1:
            take_steps(
                block.counts[i], block.flags[i], start, spoils, pattern, scratch.steps
            )
            move_origin(scratch.steps, origin)
        eliminate(scratch.steps, scratch.noise, pattern, scratch.work)
        sums += scratch.work.sums
        if is_last:
            back_substitute(scratch.work)
            split_variance(pattern, scratch.work, scratch.split)
            _note_integration(scratch, (i, start), result)
    right, weight = sums[1], sums[2]
    for c in range(n_pixels):
        rate[c] = origin[c] + right[c] / weight[c]
    if is_last:
        slope, chi2 = result.slope[n_ints, start:stop], result.chi2[start:stop]
        var_poisson = result.var_poisson[n_ints, start:stop]
        var_read = result.var_read[n_ints, start:stop]
        for c in range(n_pixels):
            slope[c] = rate[c]
            var_poisson[c] /= weight[c] * weight[c]
            var_read[c] /= weight[c] * weight[c]
            left = sums[0, c] - right[c] * right[c] / weight[c]
            chi2[c] = left / (total[c] - np.float32(1.0)) if total[c] > 1.5 else np.nan
        result.n_used[n_ints, start:stop] = total


@kernel
def _note_integration(
    scratch: _Scratch, place: tuple[int, int], result: _Result
) -> None:
    """Note the slope of an integration and add its part to the exposure's variances."""
    i, start = place
    n_ints, n_pixels = len(result.slope) - 1, scratch.split.shape[1]
    stop = start + n_pixels
    right, weight = scratch.work.sums[1], scratch.work.sums[2]
    origin, noise, split = scratch.sums[0], scratch.noise, scratch.split
    for c in range(n_pixels):
        var_poisson = noise.signal[c] * split[0, c]
        var_read = noise.read[c] * split[1, c]
        square = weight[c] * weight[c]
        result.slope[i, start + c] = origin[c] + right[c] / weight[c]
        result.var_poisson[i, start + c] = var_poisson / square
        result.var_read[i, start + c] = var_read / square
        result.var_poisson[n_ints, start + c] += var_poisson
        result.var_read[n_ints, start + c] += var_read
    result.n_used[i, start:stop] = scratch.steps.n_used


def _fit_single_groups(
    block: _Block,
    zero: NDArray[np.float32] | None,
    readout: Readout,
    reset_noise_dn: float,
    result: _Result,
) -> None:
    """Give ramps without a difference the slope from the reset to their one good group.

    Where no group is good it is the zero frame, the first read, that counts.
    """
    n_ints = len(block.counts)
    i, pixel = np.nonzero(result.n_used[:n_ints] == 0)
    reads = readout.read_times_s()
    is_good = block.flags[i, :, pixel] & np.uint8(flags.BAD_FOR_SLOPE) == 0
    is_good &= np.isfinite(block.counts[i, :, pixel])
    group = np.argmax(is_good, axis=1)
    count = np.where(is_good.any(axis=1), block.counts[i, group, pixel], np.nan)
    time = reads.mean(axis=1)[group]
    shared = np.minimum(reads[:, :, None], reads[:, None, :]).mean((1, 2))[group]
    n_reads = np.full(count.shape, readout.n_frames)
    if zero is not None:
        saved = np.isnan(count)
        count[saved] = zero[i, pixel][saved]
        time[saved] = shared[saved] = readout.frame_s
        n_reads[saved] = 1
    slope = count / time
    photons = np.maximum(slope, 0.0) + block.dark[pixel]
    result.slope[i, pixel] = slope
    result.var_poisson[i, pixel] = (
        photons * block.inverse_gain[pixel] * shared / time**2
    )
    result.var_read[i, pixel] = (
        block.read[pixel] / n_reads + reset_noise_dn**2
    ) / time**2
    _combine_single_groups(np.unique(pixel), result)


def _combine_single_groups(pixels: NDArray[np.intp], result: _Result) -> None:
    """Give exposures without any difference the mean of their integrations."""
    lost = pixels[result.n_used[-1, pixels] == 0]
    slopes = result.slope[:-1, lost]
    known = np.isfinite(slopes)
    n = np.maximum(known.sum(axis=0), 1)
    for plane, power in (
        (result.slope, 1),
        (result.var_poisson, 2),
        (result.var_read, 2),
    ):
        total = np.where(known, plane[:-1, lost], 0.0).sum(axis=0)
        plane[-1, lost] = np.where(known.any(axis=0), total / n**power, np.nan)


def _write(
    block: _Block, pixel_flags: NDArray[np.uint32], result: _Result, out: SlopeFit
) -> None:
    """Copy the results to planes of the exposure and of its integrations."""
    kept = np.uint8(flags.JUMP | flags.SATURATED | flags.PERSISTENCE)
    seen = np.bitwise_or.reduce(block.flags, axis=1) & kept
    seen = np.concatenate([seen, np.bitwise_or.reduce(seen, axis=0)[None]])
    marks = pixel_flags.reshape(-1) | seen
    unknown = np.uint32(flags.NO_GAIN_VALUE | flags.DO_NOT_USE)
    marks[:, np.isnan(block.inverse_gain)] |= unknown
    marks[~np.isfinite(result.slope)] |= np.uint32(flags.DO_NOT_USE)
    lost = marks & np.uint32(flags.DO_NOT_USE) != 0
    for planes, which in ((out.integrations, slice(0, -1)), (out.exposure, -1)):
        shape, dropped = planes.slope.shape, lost[which]
        slope = np.where(dropped, np.nan, result.slope[which])
        var_poisson = np.where(dropped, 0.0, result.var_poisson[which])
        var_read = np.where(dropped, 0.0, result.var_read[which])
        planes.slope[:] = slope.reshape(shape)
        planes.var_poisson[:] = var_poisson.reshape(shape)
        planes.var_read[:] = var_read.reshape(shape)
        planes.err[:] = np.sqrt(planes.var_poisson + planes.var_read)
        planes.flags[:] = marks[which].reshape(shape)
    out.chi2[:] = result.chi2.reshape(out.chi2.shape)
