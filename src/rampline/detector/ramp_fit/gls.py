"""Slopes by generalised least squares: the exact covariance, in closed form.

With the covariance known the best linear slope is ``1' C**-1 d / 1' C**-1 1``. It depends
on the rate itself through the photon noise; a rate that is estimated with about the same
weights is uncorrelated with what the weights leave over, so a second fit at the rate of
the first is unbiased (Brandt 2024, PASP 136, 045004). All integrations are fitted at
their common rate: low ones do not weigh more than high ones.

The read-noise variance is that of the same ramp without light, the photons' the rest of
the total: so it depends on the pixel and its usable groups, not on what it saw, and
serves as a weight. A share of the total by cause would rise with the signal, because the
weights of a bright ramp are not the best against read noise, and would bias mosaics.
"""

from types import EllipsisType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import flags
from ...exposure.records import SlopePlanes
from ...exposure.timing import Readout
from ..band import PixelNoise, RampBand, Scalar, flat_block, pick_pixels
from .covariance import Pattern, readout_pattern, unit_read_weight
from .cut_ramps import fit_cut_ramps
from .few_groups import Reset, fit_few_groups
from .gls_kernels import (
    Tile,
    eliminate,
    find_means,
    load_steps,
    make_tile,
    move_origin,
    tile_width,
    weigh_reads,
    write_slopes,
)
from .planes import SlopeFit
from .shared_hits import fit_shared_hits
from .whole_ramps import (
    Noise,
    Planes,
    Samples,
    fit_whole_ramps,
    noise_of,
    samples_of,
)
from .zero_frame import fit_zero_frames

_SPOILS = flags.BAD_FOR_SLOPE, flags.JUMP
_MIN_EVEN = 2
"""Groups from which on a ramp has more than one difference."""
_UNKNOWN_GAIN = flags.NO_GAIN_VALUE | flags.DO_NOT_USE
_KEPT = flags.JUMP | flags.SATURATED | flags.PERSISTENCE
"""Bits of the groups that the slope's flags repeat."""


class Block(NamedTuple):
    """Pixels side by side: ramps and noise."""

    counts: NDArray[np.float32]
    flags: NDArray[np.uint8]
    inverse_gain: NDArray[np.float32]
    """NaN where the gain is unknown."""
    read: NDArray[np.float32]
    """Variance of one read, DN**2; NaN where it is unknown."""
    dark: NDArray[np.float32]
    """DN/s"""


class Part(NamedTuple):
    """What one integration, or all of them, add up to, (pixels,) each."""

    sums: NDArray[np.float32]
    """(3, pixels): as `Tile.sums`."""
    reads: NDArray[np.float32]
    """(pixels,): as `weigh_reads` fills it."""
    n_used: NDArray[np.float32]
    seen: NDArray[np.uint8]


class Target(NamedTuple):
    """Where the results go: contiguous planes (pixels,)."""

    integrations: list[SlopePlanes]
    exposure: SlopePlanes
    chi2: NDArray[np.float32]


def fit_gls(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    rows: slice,
    reset: Reset | None,
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
    reset : Reset, optional
        Of the reset level, from which a ramp of a single group is measured. None: such
        ramps have no slope.
    out : SlopeFit
        Planes of those rows, written into.
    """
    pattern = readout_pattern(readout)
    n_ints, n_groups = band.counts.shape[:2]
    integrations = [_flat_planes(out.integrations, i) for i in range(n_ints)]
    target = Target(integrations, _flat_planes(out.exposure, ...), _flat(out.chi2))
    # pixels without a gain or without a difference divide by zero: they are lost
    with np.errstate(divide="ignore", invalid="ignore"):
        if n_ints == 1 and n_groups > _MIN_EVEN:
            _fit_alone(band, noise, readout, rows, target.exposure, target.chi2)
            if not np.may_share_memory(out.exposure.slope, out.integrations.slope):
                _copy(target.exposure, target.integrations[0])
        else:
            _fit_ramps(*_take_block(band, noise, rows), pattern, target)
    if n_ints == 1 and readout.n_frames > 1 and band.zero_frame is not None:
        fit_zero_frames(band, noise, readout, rows, out)
    if reset is not None:
        fit_few_groups(band, noise, readout, rows, reset, out)


def _fit_alone(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    rows: slice,
    to: SlopePlanes,
    chi2: NDArray[np.float32],
) -> None:
    """Fit a single integration, all ramps as if every difference were used.

    Then those again of which that is not so, and those again that were hit but once.
    """
    pattern = readout_pattern(readout)
    samples, own = samples_of(band, 0, rows), noise_of(noise, rows)
    known = band.pixel_flags[rows].reshape(-1)
    to.flags[:] = known
    out = Planes(to.slope, to.err, to.var_poisson, to.var_read, chi2, to.flags)
    bits = (*_SPOILS, _KEPT, flags.DO_NOT_USE, _UNKNOWN_GAIN)
    model = pattern, unit_read_weight(pattern)
    rest = fit_whole_ramps(samples, own, model, bits, out)
    # side by side they stay in the cache, whatever the order in which they are taken
    samples, own = _pick(band, own, rows, rest)
    spare = Planes._make([*np.empty((5, rest.size), np.float32), known[rest]])
    every = np.arange(rest.size, dtype=np.int32)
    fit_cut_ramps(samples, own, every, pattern, bits, spare)
    if readout.n_frames > 1:
        fit_shared_hits(samples, own, every, _SPOILS, readout, spare)
    for plane, values in zip(out, spare, strict=True):
        plane[rest] = values


def _pick(
    band: RampBand, noise: Noise, rows: slice, pixels: NDArray[np.int32]
) -> tuple[Samples, Noise]:
    """Copy some ramps of a single integration, and their noise."""
    n = pixels.size
    counts = pick_pixels(band.counts[0, :, rows], pixels)
    bits = pick_pixels(band.group_flags[0, :, rows], pixels)
    dark = noise.dark[pixels] if noise.dark.size else noise.dark
    own = Noise(noise.gain[pixels], noise.read_noise[pixels], dark)
    return Samples(counts.reshape(-1), bits.reshape(-1), (n, n), 1, n), own


def _fit_ramps(
    block: Block, pixel_flags: NDArray[np.uint32], pattern: Pattern, target: Target
) -> None:
    """Fit ramps of any number of integrations, whatever is left of them."""
    n_steps, n_pixels = block.counts.shape[1] - 1, block.counts.shape[2]
    width = tile_width(n_steps, n_pixels)
    tile = make_tile(n_steps, width)
    for start in range(0, n_pixels, max(width, 1)):
        span = start, min(start + width, n_pixels)
        origin, parts = _fit_tile(block, span, pattern, tile)
        planes = [*target.integrations, target.exposure]
        for own, part in zip(planes, parts[-len(planes) :], strict=True):
            _write(own, span, pixel_flags[slice(*span)], origin, part)
        target.chi2[slice(*span)] = _reduced_chi2(parts[-1])[: span[1] - start]


def _copy(source: SlopePlanes, target: SlopePlanes) -> None:
    """Copy all planes."""
    target.slope[:], target.err[:] = source.slope, source.err
    target.var_poisson[:], target.var_read[:] = source.var_poisson, source.var_read
    target.flags[:] = source.flags


def _take_block(
    band: RampBand, noise: PixelNoise, rows: slice
) -> tuple[Block, NDArray[np.uint32]]:
    """Copy some rows to contiguous arrays, and their flags."""
    own = noise_of(noise, rows)
    counts, bits = flat_block(band.counts, rows), flat_block(band.group_flags, rows)
    dark = own.dark if own.dark.size else np.zeros(own.gain.size, np.float32)
    marks = band.pixel_flags[rows].flatten()
    block = _make_block(counts, bits, own.gain, own.read_noise, dark)
    return block, _name_gains(marks, own.gain)


def _make_block(
    counts: NDArray[np.float32],
    group_flags: NDArray[np.uint8],
    gain: NDArray[np.float32],
    sigma: NDArray[np.float32],
    dark: NDArray[np.float32],
) -> Block:
    """Return ramps with the noise as the fit takes it."""
    inverse = np.full(gain.shape, np.nan, np.float32)
    np.divide(1.0, gain, out=inverse, where=gain > 0.0)
    read = np.where(sigma > 0.0, sigma**2, np.float32(np.nan))
    return Block(counts, group_flags, inverse, read, dark)


def _name_gains(
    marks: NDArray[np.uint32], gain: NDArray[np.float32]
) -> NDArray[np.uint32]:
    """Add the flags of pixels whose gain is not known."""
    marks[~(gain > 0.0)] |= np.uint32(_UNKNOWN_GAIN)
    return marks


def _fit_tile(
    block: Block, span: tuple[int, int], pattern: Pattern, tile: Tile
) -> tuple[NDArray[np.float32], list[Part]]:
    """Fit some pixels; return the rate they are relative to, and the sums of all parts.

    The last part is the sum of the integrations.
    """
    n_ints, inside = len(block.counts), slice(0, span[1] - span[0])
    tile.read[inside] = block.read[slice(*span)]
    origin, total = np.zeros_like(tile.mean), np.zeros_like(tile.mean)
    for i in range(n_ints):
        load_steps(block.counts[i], block.flags[i], span, _SPOILS, pattern, tile)
        find_means(tile)
        origin += tile.mean * tile.n_used
        total += tile.n_used
    origin /= np.maximum(total, 1.0)
    rate = origin
    parts: list[Part] = []
    for is_last in (False, True):
        photons = np.maximum(rate[inside], 0.0) + block.dark[slice(*span)]
        tile.signal[inside] = photons * block.inverse_gain[slice(*span)]
        parts = []
        for i in range(n_ints):
            if n_ints > 1:
                load_steps(
                    block.counts[i], block.flags[i], span, _SPOILS, pattern, tile
                )
                find_means(tile)
            if n_ints > 1 or not is_last:
                move_origin(tile, origin)
            parts.append(_fit_part(tile, pattern, is_last=is_last))
        parts.append(_add_up(parts))
        rate = origin + parts[-1].sums[1] / parts[-1].sums[2]
    return origin, parts


def _fit_part(tile: Tile, pattern: Pattern, *, is_last: bool) -> Part:
    """Fit the integration that is loaded; the variances only the last time."""
    eliminate(tile, pattern)
    sums, reads = tile.sums.copy(), np.zeros(tile.mean.size, np.float32)
    if is_last:
        weigh_reads(tile, pattern, reads)
    return Part(sums, reads, tile.n_used.copy(), tile.seen.copy())


def _add_up(parts: list[Part]) -> Part:
    """Return the sum of the integrations."""
    if len(parts) == 1:
        return parts[0]
    sums, reads, n_used, seen = (
        np.stack(columns) for columns in zip(*parts, strict=True)
    )
    return Part(
        sums.sum(axis=0),
        reads.sum(axis=0),
        n_used.sum(axis=0),
        np.bitwise_or.reduce(seen, axis=0),
    )


def _reduced_chi2(whole: Part) -> NDArray[np.float32]:
    """Return chi2 per degree of freedom, NaN where there is none."""
    chi, right, weight = whole.sums
    freedom = np.where(whole.n_used > 1.0, whole.n_used - np.float32(1.0), np.nan)
    return np.asarray((chi - right * right / weight) / freedom, np.float32)


def _write(
    planes: SlopePlanes,
    span: tuple[int, int],
    pixel_flags: NDArray[np.uint32],
    origin: NDArray[np.float32],
    part: Part,
) -> None:
    """Write slopes, variances and flags of some pixels."""
    inside = slice(*span)
    marks = pixel_flags | (part.seen[: pixel_flags.size] & np.uint8(_KEPT))
    views = (
        planes.slope[inside],
        planes.err[inside],
        planes.var_poisson[inside],
        planes.var_read[inside],
    )
    write_slopes(part.sums, part.reads, origin, flags.DO_NOT_USE, marks, views)
    planes.flags[inside] = marks


def _flat_planes(planes: SlopePlanes, which: int | EllipsisType) -> SlopePlanes:
    """Return contiguous views (pixels,) of planes, or of one integration of them."""
    return SlopePlanes(
        slope=_flat(planes.slope[which]),
        err=_flat(planes.err[which]),
        var_poisson=_flat(planes.var_poisson[which]),
        var_read=_flat(planes.var_read[which]),
        flags=_flat(planes.flags[which]),
    )


def _flat(plane: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return a view (pixels,); an error if that takes a copy."""
    view = plane.view()
    view.shape = (-1,)
    return view
