"""Subtract the mean of dedicated background exposures from an exposure's slopes.

Exposures of a blank field with the same detector and filter show the sky, the telescope's
glow and what the dark left, without the target. Their own few sources are clipped: against
the errors, which works from three exposures on, or against the scatter among them, as
``jwst`` does, which with a threshold of 3 sigma can reject nothing among ten or fewer.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags32, Plane, SlopePlanes
from ..flags import DO_NOT_USE
from ..numerics.jit import kernel
from ..params import Sigma, StepParams


class BackgroundExposureParams(StepParams):
    """How dedicated background exposures are averaged."""

    clip: Sigma = 3.0
    """Values farther than this from the median of the exposures are left out."""
    scatter: Literal["errors", "sample"] = "errors"
    """What the threshold counts: the error of each value, or the scatter among them."""


def average_backgrounds(
    exposures: Sequence[SlopePlanes], params: BackgroundExposureParams
) -> SlopePlanes:
    """Return the clipped mean of background exposures.

    Parameters
    ----------
    exposures : sequence of SlopePlanes of (rows, cols), DN/s
        Same detector, filter and subarray as the target.
    params : BackgroundExposureParams

    Returns
    -------
    SlopePlanes of (rows, cols)
        Mean slopes with their variances; NaN and DO_NOT_USE where no exposure is usable.

    Raises
    ------
    ValueError
        If there are no exposures, or their shapes differ.

    Notes
    -----
    With ``scatter="sample"`` the mean agrees with the ``background`` step of ``jwst``.
    There flags of any background exposure are added to the target; here only
    DO_NOT_USE where all are unusable, since a cosmic ray there says nothing about here.
    """
    shapes = {exposure.slope.shape for exposure in exposures}
    if len(shapes) != 1:
        raise ValueError(f"background exposures must have one shape, not {shapes}")
    stack = [
        np.stack([np.asarray(getattr(e, name), np.float32) for e in exposures])
        for name in ("slope", "err", "var_poisson", "var_read")
    ]
    out = np.empty((3, *shapes.pop()), np.float32)
    by_errors = params.scatter == "errors"
    _average_clipped(tuple(stack), params.clip, by_errors, out)
    unusable = np.isnan(out[0])
    flags = np.where(unusable, np.uint32(DO_NOT_USE), np.uint32(0))
    mean, var_poisson, var_read = out
    err = np.sqrt(var_poisson + var_read)
    return SlopePlanes(
        slope=mean, err=err, var_poisson=var_poisson, var_read=var_read, flags=flags
    )


def subtract_background(
    slope: Plane, variances: tuple[Plane, Plane], flags: Flags32, mean: SlopePlanes
) -> None:
    """Subtract a mean background and add its variances, in place.

    Parameters
    ----------
    slope : (rows, cols) float32, DN/s
        Owned by the caller; changed.
    variances : ((rows, cols) float32, (rows, cols) float32), (DN/s)**2
        Poisson and read variance; owned by the caller; changed.
    flags : (rows, cols) uint32
        Owned by the caller; DO_NOT_USE is added where the background is unknown.
    mean : SlopePlanes of (rows, cols)

    Notes
    -----
    ``jwst`` leaves the errors as they are, which is wrong by the root of (1 + 1/n) where
    the sky dominates n background exposures as long as the target's.
    """
    var_poisson, var_read = variances
    np.subtract(slope, mean.slope, out=slope)
    np.add(var_poisson, mean.var_poisson, out=var_poisson)
    np.add(var_read, mean.var_read, out=var_read)
    np.bitwise_or(flags, mean.flags, out=flags)


@kernel
def _average_clipped(
    stack: tuple[
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
    ],
    clip: float,
    by_errors: bool,  # noqa: FBT001  # a kernel takes plain scalars
    out: NDArray[np.float32],
) -> None:
    """Fill mean, Poisson and read variance of the values that clipping leaves."""
    slope, err, var_poisson, var_read = stack
    n, n_rows, n_cols = slope.shape
    values = np.empty(n)
    order = np.empty(n, np.int64)
    for row in range(n_rows):
        for col in range(n_cols):
            count = 0
            for k in range(n):
                if not np.isnan(slope[k, row, col]):
                    order[count] = k
                    values[count] = slope[k, row, col]
                    count += 1
            while count > 1:
                middle = np.median(values[:count])
                spread = 0.0 if by_errors else np.std(values[:count])
                kept = 0
                for m in range(count):
                    k = order[m]
                    limit = clip * (err[k, row, col] if by_errors else spread)
                    if not abs(values[m] - middle) > limit:
                        order[kept] = k
                        values[kept] = values[m]
                        kept += 1
                if kept in (count, 0):
                    break
                count = kept
            total, poisson, read = 0.0, 0.0, 0.0
            for m in range(count):
                k = order[m]
                total += values[m]
                poisson += var_poisson[k, row, col]
                read += var_read[k, row, col]
            out[0, row, col] = total / count if count > 0 else np.nan
            out[1, row, col] = poisson / count**2 if count > 0 else np.nan
            out[2, row, col] = read / count**2 if count > 0 else np.nan
