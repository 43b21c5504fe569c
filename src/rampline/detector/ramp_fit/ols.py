"""Slopes by weighted least squares, segment by segment: the fit of the standard pipeline.

A jump cuts a ramp into segments. Within a segment the groups far from the middle weigh
the more, the more the photons' noise rules (Fixsen et al. 2000, PASP 112, 1350): weights
``|2k / (n - 1) - 1|**P`` with a power that steps with the signal-to-noise ratio of last
minus first group. Segments and integrations are combined by their read variance alone,
since photon variances estimated from the slope itself would favour the low ones.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ... import flags
from ...exposure.timing import Readout
from ..band import PixelNoise, RampBand, flat_block
from .ols_kernels import (
    ERR,
    SLOPE,
    VAR_POISSON,
    VAR_READ,
    Bits,
    Block,
    Result,
    Times,
    fit_clean_pixels,
    fit_pixels,
)
from .planes import SlopeFit

_MIN_WEIGHTED: Final = 3
"""Groups from which on the weights differ."""
_POWERS: Final = (0.0, 0.4, 1.0, 3.0, 6.0, 10.0)


def fit_ols(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    rows: slice,
    keep_one_group: bool,  # noqa: FBT001 - hands on the field of that name
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
    keep_one_group : bool
        Whether a single good group is enough for a slope.
    out : SlopeFit
        Planes of those rows, written into.

    Notes
    -----
    Agrees with ``OLS_C`` of ``stcal`` 1.20 (``slope_fitter.c``), including the read
    variance of ramps with CHARGELOSS. On purpose different: a ramp whose groups are all
    flagged, but not all as DO_NOT_USE or SATURATED, is DO_NOT_USE (there a slope of 0
    without error); a count that is NaN is not used (there it is a count of 0); of a
    single group the photon noise survives another integration that is saturated; where
    no slope is given, no read variance is given either.
    """
    block = _take_block(band, noise, readout, rows)
    n_ints, n_groups, n_pixels = block.counts.shape
    result = Result(
        np.zeros((4, n_ints + 1, n_pixels), np.float32),
        np.empty((n_ints + 1, n_pixels), np.uint32),
    )
    result.flags[:] = band.pixel_flags[rows].reshape(-1)
    unknown = np.uint32(flags.NO_GAIN_VALUE | flags.DO_NOT_USE)
    result.flags[:, ~(block.gain > 0)] |= unknown
    one_group_s = 0.5 * (readout.n_frames + 1.0) * readout.frame_s
    keep = keep_one_group or n_groups == 1
    times = Times(readout.group_s, readout.frame_s, one_group_s, keep)
    bits = (
        flags.DO_NOT_USE,
        flags.SATURATED,
        flags.JUMP,
        flags.PERSISTENCE,
        flags.CHARGELOSS,
    )
    table, is_clean = slope_coefficients(n_groups), _find_clean(block, result)
    fit_clean_pixels(block, np.flatnonzero(is_clean), table, times, result)
    fit_pixels(block, np.flatnonzero(~is_clean), table, times, Bits(*bits), result)
    # read noise that is unknown or none leaves nothing to weight with
    lost = np.isnan(result.planes[SLOPE])
    result.flags[lost] |= np.uint32(flags.DO_NOT_USE)
    result.planes[ERR:, lost] = 0.0
    _write(result, out)


@lru_cache(maxsize=8)
def slope_coefficients(n_groups: int) -> NDArray[np.float64]:
    """Return what to multiply the groups of a segment with to get its slope.

    Returns
    -------
    (n_groups + 1, 6, n_groups) float64, 1 / group
        For each length of the segment and power of the weights; of a single group 1.
    """
    table = np.zeros((n_groups + 1, len(_POWERS), n_groups))
    table[1, :, 0] = 1.0
    for length in range(2, n_groups + 1):
        offset = np.arange(length) - 0.5 * (length - 1)
        for index, power in enumerate(_POWERS):
            weight = np.abs(offset / offset[-1]) ** (power if length > 2 else 0.0)
            table[length, index, :length] = weight * offset / (weight @ offset**2)
    return table


def _find_clean(block: Block, result: Result) -> NDArray[np.bool_]:
    """Return the pixels of a single integration that nothing is wrong with."""
    n_ints, n_groups, _ = block.counts.shape
    if n_ints > 1 or n_groups < _MIN_WEIGHTED:
        return np.zeros(block.gain.shape, np.bool_)
    clean: NDArray[np.bool_] = np.bitwise_or.reduce(block.flags[0], axis=0) == 0
    clean &= np.isfinite(block.counts[0].sum(axis=0)) & (block.gain > 0)
    clean &= block.read_variance > 0
    clean &= result.flags[0] & np.uint32(flags.BAD_FOR_SLOPE) == 0
    return clean


def _take_block(
    band: RampBand, noise: PixelNoise, readout: Readout, rows: slice
) -> Block:
    """Copy some rows to contiguous arrays."""
    counts = flat_block(band.counts, rows)
    zero = np.full((counts.shape[0], counts.shape[2]), np.nan, np.float32)
    if band.zero_frame is not None:
        zero[:] = band.zero_frame[:, rows].reshape(zero.shape)
    dark = np.zeros(counts.shape[2], np.float32)
    if noise.dark_dn_s is not None:
        dark[:] = noise.dark_dn_s[rows].reshape(-1)
    sigma = noise.read_noise_dn[rows].reshape(-1).astype(np.float64)
    return Block(
        counts,
        flat_block(band.group_flags, rows),
        zero,
        np.ascontiguousarray(noise.gain[rows]).reshape(-1),
        sigma**2 / readout.n_frames,
        dark,
    )


def _write(result: Result, out: SlopeFit) -> None:
    """Copy the results to planes of the exposure and of its integrations."""
    shape = out.exposure.slope.shape
    for planes, which in ((out.integrations, slice(0, -1)), (out.exposure, -1)):
        target = planes.slope.shape
        planes.slope[:] = result.planes[SLOPE, which].reshape(target)
        planes.err[:] = result.planes[ERR, which].reshape(target)
        planes.var_poisson[:] = result.planes[VAR_POISSON, which].reshape(target)
        planes.var_read[:] = result.planes[VAR_READ, which].reshape(target)
        planes.flags[:] = result.flags[which].reshape(target)
    out.chi2[:] = np.full(shape, np.nan, np.float32)
