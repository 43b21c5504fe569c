"""Subtract the mean of dedicated background exposures from an exposure's slopes.

Exposures of a blank field with the same detector and filter show the sky, the thermal
emission of the telescope and dark residuals, without the target. Their own few sources
are clipped: relative to the errors, which works with three or more exposures, or
relative to the scatter among them, as in ``jwst``, which at 3 sigma can reject nothing
among ten or fewer exposures.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags32, Plane, SlopePlanes
from ..flags import DO_NOT_USE
from ..numerics.jit import kernel
from ..params import Sigma, StepParams


class DedicatedBackgroundParams(StepParams):
    """How dedicated background exposures are averaged."""

    clip: Sigma = 3.0
    """Values farther than this from the median of the exposures are excluded."""
    scatter: Literal["errors", "sample"] = "errors"
    """Unit of the threshold: the error of each value, or the scatter of the values."""


def average_backgrounds(
    exposures: Sequence[SlopePlanes], params: DedicatedBackgroundParams
) -> SlopePlanes:
    """Return the clipped mean of background exposures.

    Parameters
    ----------
    exposures : sequence of SlopePlanes of (rows, cols), DN/s
        Same detector, filter and subarray as the target.
    params : DedicatedBackgroundParams

    Returns
    -------
    SlopePlanes of (rows, cols)
        Mean slopes with their variances; NaN and DO_NOT_USE where no exposure is
        usable.

    Raises
    ------
    ValueError
        If there are no exposures, or their shapes differ.

    Notes
    -----
    With ``scatter="sample"`` the mean agrees with the ``background`` step of ``jwst``,
    which adds the flags of every background exposure to the target. Here only
    DO_NOT_USE is added, where all exposures are unusable: a cosmic ray in one does not
    affect the target.
    """
    shapes = {exposure.slope.shape for exposure in exposures}
    if len(shapes) != 1:
        raise ValueError(f"background exposures must have one shape, not {shapes}")
    stack = (
        np.stack([exposure.slope for exposure in exposures]),
        np.stack([exposure.err for exposure in exposures]),
        np.stack([exposure.var_poisson for exposure in exposures]),
        np.stack([exposure.var_read for exposure in exposures]),
    )
    out = np.empty((3, *shapes.pop()), np.float32)
    by_errors = params.scatter == "errors"
    _average_clipped(stack, params.clip, by_errors, out)
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
    ``jwst`` leaves the errors unchanged, which underestimates them by sqrt(1 + 1/n)
    where the sky dominates and the n background exposures are as long as the target's.
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
    """Fill the mean, Poisson and read variance of the values that survive clipping."""
    slope, err, var_poisson, var_read = stack
    n, n_rows, n_cols = slope.shape
    values = np.empty(n)
    order = np.empty(n, np.int64)
    for row in range(n_rows):
        for col in range(n_cols):
            count = _sort_finite(slope[:, row, col], values, order)
            limits = err[:, row, col]
            before = count + 1
            while 1 < count < before:
                before = count
                count = _clip_once(values, order, count, limits, (clip, by_errors))
            total, poisson, read = 0.0, 0.0, 0.0
            for m in range(count):
                total += values[m]
                poisson += var_poisson[order[m], row, col]
                read += var_read[order[m], row, col]
            out[0, row, col] = total / count if count > 0 else np.nan
            out[1, row, col] = poisson / count**2 if count > 0 else np.nan
            out[2, row, col] = read / count**2 if count > 0 else np.nan


@kernel
def _sort_finite(
    column: NDArray[np.float32], values: NDArray[np.float64], order: NDArray[np.int64]
) -> int:
    """Sort the finite values by insertion; return their number."""
    count = 0
    for k in range(column.size):
        value = column[k]
        if np.isnan(value):
            continue
        m = count
        while m > 0 and values[m - 1] > value:
            values[m] = values[m - 1]
            order[m] = order[m - 1]
            m -= 1
        values[m] = value
        order[m] = k
        count += 1
    return count


@kernel
def _clip_once(
    values: NDArray[np.float64],
    order: NDArray[np.int64],
    count: int,
    errors: NDArray[np.float32],
    rule: tuple[float, bool],
) -> int:
    """Drop values too far from the median; return the number kept, at least one."""
    clip, by_errors = rule
    middle = (values[(count - 1) // 2] + values[count // 2]) / 2.0
    mean, square = 0.0, 0.0
    for m in range(count):
        mean += values[m] / count
    for m in range(count):
        square += (values[m] - mean) ** 2 / count
    kept = 0
    for m in range(count):
        limit = clip * (errors[order[m]] if by_errors else np.sqrt(square))
        if not abs(values[m] - middle) > limit:
            values[kept], order[kept] = values[m], order[m]
            kept += 1
    return kept if kept > 0 else count
