"""Fit a slope to each ramp: the counts a second, with their noise by cause.

Read noise is independent from group to group, the photons of a group are in all later
ones too; the ways of weighting the two differ (``gls``, ``ols``). Differences with a cosmic ray
and groups that are saturated are left out.
"""

from typing import Annotated, Literal

from pydantic import Field

from ...exposure.timing import Readout
from ...params import Params, Seconds, Unit
from ..band import PixelNoise, RampBand, row_blocks
from .few_groups import Reset
from .gls import fit_gls
from .ols import fit_ols
from .planes import SlopeFit, empty_slopes, rows_of


class SlopeParams(Params):
    """How slopes are fitted."""

    algorithm: Literal["gls", "jwst"] = "gls"
    """``gls``: generalised least squares; ``jwst``: by segments with Fixsen weights."""
    one_group_ramps: bool = True
    """Whether a ramp with a single good group gets a slope; ``jwst`` 3.0 drops it."""
    reset_noise: Annotated[float, Field(gt=0), Unit("DN")] = 18.0
    """Scatter of the reset level: the noise of a ramp of a single group (``gls``)."""
    reset_time_error: Seconds = 1.0
    """How well the time is known from which on light counts after a reset (``gls``)."""
    zero_frame: bool = True
    """Whether the zero frame counts apart from its group in ramps that saturate (``gls``)."""


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
    keep = params.one_group_ramps
    level = Reset(params.reset_noise, params.reset_time_error) if keep else None
    if params.algorithm == "gls" and not params.zero_frame:
        band = band._replace(zero_frame=None)
    for rows in row_blocks(band.counts.shape):
        if params.algorithm == "gls":
            fit_gls(band, noise, readout, rows, level, rows_of(fit, rows))
        else:
            fit_ols(band, noise, readout, rows, keep, rows_of(fit, rows))
    return fit
