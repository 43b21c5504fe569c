"""Slopes of ramps that saturate after a few groups, the zero frame a mean of its own.

The zero frame is the first read, and part of the first group's mean. Apart from it, it
begins the ramp several reads earlier: where photons make the noise, the slope is known from
the first read to the last, so this counts while there are few groups. Whether the zero
frame is full or not is its own affair; where it disagrees with the line of the groups by
more than four sigma, a hit within the first group or a dark that was not taken off, it
is left alone. Ramps of one or two groups are those of `few_groups`.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import flags
from ...exposure.timing import Readout
from ..band import PixelNoise, RampBand
from .covariance import Pattern, difference_pattern
from .gls_kernels import (
    Tile,
    eliminate,
    make_tile,
    move_origin,
    pick_steps,
    tile_width,
    weigh_reads,
)
from .planes import SlopeFit
from .whole_ramps import Samples

_FEWEST: Final = 3
_MOST: Final = 6
"""Good groups from and up to which it is worth the while: the error of a slope that
photons limit falls by 2 to 4 % at the fewest, by 1 to 2 % at the most."""
_OUTLIER: Final = 16.0
"""Chi2 of the zero frame from which on it does not belong to the line."""
_BITS: Final = flags.BAD_FOR_SLOPE, flags.JUMP


class _Ramps(NamedTuple):
    """Ramps that saturate after a few groups."""

    counts: NDArray[np.float32]
    """(groups + 1, ramps), DN: the zero frame, the rest of the first group, the others."""
    flags: NDArray[np.uint8]
    """(groups + 1, ramps)"""
    signal: NDArray[np.float32]
    """(ramps,): photon variance a second, DN**2/s."""
    read: NDArray[np.float32]
    """(ramps,): variance of a read, DN**2."""
    slope: NDArray[np.float32]
    """(ramps,), DN/s: without the zero frame."""


@lru_cache(maxsize=8)
def zero_frame_pattern(readout: Readout) -> Pattern:
    """Return the covariance of the differences, the first read apart from its group."""
    first, *later = readout.read_times_s()
    return difference_pattern([first[:1], first[1:], *later])


def fit_zero_frames(
    band: RampBand, noise: PixelNoise, readout: Readout, rows: slice, out: SlopeFit
) -> None:
    """Fit ramps of three to six good groups again, with the zero frame.

    Parameters
    ----------
    band : RampBand
        Of one integration, with a zero frame.
    noise : PixelNoise
    readout : Readout
        Of at least two reads in a group.
    rows : slice
        Rows of the band to look at.
    out : SlopeFit
        Planes of those rows: the slopes without the zero frame are read and, where it
        belongs to the line, written.

    Notes
    -----
    At the rate of the fit without it, so the slope stays unbiased. Ramps with a hit are left
    to the fit of hits.
    """
    where = _find_ramps(band, rows, out)
    pattern = zero_frame_pattern(readout)
    n_steps = len(pattern.step_s)
    width = tile_width(n_steps, where[0].size)
    for start in range(0, where[0].size, max(width, 1)):
        row, col = (index[start : start + width] for index in where)
        ramps = _take(band, noise, readout, (rows, row, col), out)
        alone, _, _ = _fit(ramps, pattern, without_zero=True)
        chi2, slope, variances = _fit(ramps, pattern, without_zero=False)
        belongs = np.isfinite(slope) & (chi2 - alone < _OUTLIER)
        _write(out, (row[belongs], col[belongs]), slope[belongs], variances[:, belongs])


def _find_ramps(
    band: RampBand, rows: slice, out: SlopeFit
) -> tuple[NDArray[np.intp], ...]:
    """Return rows and columns of the ramps to fit."""
    bits = band.group_flags[0, :, rows]
    zero = band.zero_frame
    saturated = bits[-1] & np.uint8(flags.SATURATED) != 0
    # one index is found faster than two
    row, col = np.unravel_index(np.flatnonzero(saturated), saturated.shape)
    own = bits[:, row, col]
    is_good = own & np.uint8(flags.BAD_FOR_SLOPE) == 0
    n_good = np.count_nonzero(is_good, axis=0)
    chosen = is_good[0] & (n_good >= _FEWEST) & (n_good <= _MOST)
    chosen &= (own & np.uint8(flags.JUMP) == 0).all(axis=0)
    if zero is not None:
        chosen &= np.isfinite(zero[0, rows][row, col])
    chosen &= np.isfinite(out.exposure.slope[row, col])
    return row[chosen], col[chosen]


def _take(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    place: tuple[slice, NDArray[np.intp], NDArray[np.intp]],
    out: SlopeFit,
) -> _Ramps:
    """Copy ramps, the zero frame taken out of the first group."""
    rows, row, col = place
    n_frames = np.float32(readout.n_frames)
    groups = band.counts[0, :, rows][:, row, col]
    bits = band.group_flags[0, :, rows][:, row, col]
    zero = (
        groups[:0] if band.zero_frame is None else band.zero_frame[:, rows][:, row, col]
    )
    rest = (groups[:1] * n_frames - zero) / (n_frames - np.float32(1.0))
    slope, gain = out.exposure.slope[row, col], noise.gain[rows][row, col]
    dark = 0.0 if noise.dark_dn_s is None else noise.dark_dn_s[rows][row, col]
    # a list of pixels leaves the groups last: another kind of array for the kernels
    return _Ramps(
        np.ascontiguousarray(np.concatenate([zero, rest, groups[1:]])),
        np.ascontiguousarray(np.concatenate([bits[:1], bits])),
        np.asarray((np.maximum(slope, 0.0) + dark) / gain, np.float32),
        np.asarray(noise.read_noise_dn[rows][row, col] ** 2, np.float32),
        slope,
    )


def _fit(
    ramps: _Ramps, pattern: Pattern, *, without_zero: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return chi2, slopes and (2, ramps): variance of all causes, and of the reads alone."""
    tile = _loaded(ramps, pattern, without_zero=without_zero)
    eliminate(tile, pattern)
    reads = np.zeros(ramps.slope.size, np.float32)
    _, right, weight = tile.sums.copy()
    chi2 = tile.chi2.copy()
    weigh_reads(tile, pattern, reads)
    with np.errstate(divide="ignore", invalid="ignore"):
        variances = np.asarray(1.0 / np.stack([weight, reads]), np.float32)
        slope = np.asarray(ramps.slope + right / weight, np.float32)
    return chi2, slope, variances


def _loaded(ramps: _Ramps, pattern: Pattern, *, without_zero: bool) -> Tile:
    """Return a tile with the differences, less the slope that is known already."""
    n_groups, n = ramps.counts.shape
    tile, bits = make_tile(n_groups - 1, n), ramps.flags
    if without_zero:
        bits = bits.copy()
        bits[0] = flags.DO_NOT_USE
    samples = Samples(ramps.counts.reshape(-1), bits.reshape(-1), (n, n), 1, n)
    pick_steps(samples, np.arange(n, dtype=np.int32), _BITS, pattern, tile, 0)
    tile.signal[:], tile.read[:] = ramps.signal, ramps.read
    move_origin(tile, ramps.slope)
    return tile


def _write(
    out: SlopeFit,
    at: tuple[NDArray[np.intp], ...],
    slope: NDArray[np.float32],
    variances: NDArray[np.float32],
) -> None:
    """Write slopes and variances of an exposure of one integration."""
    total, read = variances
    for planes, place in (
        (out.exposure, at),
        (out.integrations, (np.zeros_like(at[0]), *at)),
    ):
        planes.slope[place] = slope
        planes.err[place] = np.sqrt(total)
        planes.var_read[place] = read
        planes.var_poisson[place] = np.maximum(total - read, np.float32(0.0))
