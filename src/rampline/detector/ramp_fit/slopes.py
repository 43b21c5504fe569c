"""Fit a slope to each ramp: the counts a second, with their noise by cause.

Read noise is independent from group to group, the photons of a group are in all later
ones too; the ways of weighting the two differ (``ols``). Differences with a cosmic ray
and groups that are saturated are left out.
"""

from typing import Literal

from ...exposure.timing import Readout
from ...params import Params
from ..band import PixelNoise, RampBand, row_blocks
from .ols import fit_ols
from .planes import SlopeFit, empty_slopes, rows_of


class SlopeParams(Params):
    """How slopes are fitted."""

    algorithm: Literal["jwst"] = "jwst"
    """``jwst``: least squares with Fixsen weights, segment by segment."""
    one_group_ramps: bool = False
    """Whether a ramp with a single good group gets a slope (``jwst`` drops it)."""


def fit_slopes(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    params: SlopeParams,
    out: SlopeFit | None = None,
) -> SlopeFit:
    """Fit slopes to a band of ramps.

    Parameters
    ----------
    band : RampBand
    noise : PixelNoise
    readout : Readout
    params : SlopeParams
    out : SlopeFit, optional
        Where the result is written; new planes if not given.

    Returns
    -------
    SlopeFit
        DN/s and (DN/s)**2. Slopes are NaN and variances 0 where DO_NOT_USE is set.

    Notes
    -----
    The flags are the pixel's with JUMP where a group of the ramp has it, SATURATED where
    a group is saturated, PERSISTENCE likewise, NO_GAIN_VALUE and DO_NOT_USE where the
    gain is unknown, DO_NOT_USE where no slope could be fitted; the exposure has
    DO_NOT_USE only where all of its integrations have it.
    """
    n_ints, _, n_rows, n_cols = band.counts.shape
    fit = empty_slopes(n_ints, n_rows, n_cols) if out is None else out
    for rows in row_blocks(band.counts.shape):
        fit_ols(band, noise, readout, rows, params.one_group_ramps, rows_of(fit, rows))
    return fit
