"""Effect of averaging the reads of a group before linearisation.

The mean of linearised reads is not the linearised mean: because the signal rises between
the reads, it is larger by half the polynomial's curvature times the variance of the reads.
The variance follows from the rise of the ramp, so the difference is known to second order
without an inverse of the polynomial.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags8
from ..exposure.timing import Readout
from ..flags import SATURATED

_FAINT_DN: Final = np.float32(500.0)
"""Rise between groups below which the effect is less than a few hundredths of a DN."""


class ReadSpread(NamedTuple):
    """Shortfall of groups because their reads were averaged before linearisation."""

    where: tuple[NDArray[np.intp], ...]
    """Integration, row, column of ramps that rise steeply, (ramps,) each."""
    shortfall: NDArray[np.float32]
    """(ramps, groups), DN"""


def measure_spread(
    counts: NDArray[np.float32],
    group_flags: Flags8,
    coefficients: NDArray[np.float32],
    readout: Readout,
) -> ReadSpread:
    """Return the shortfall of the linearised counts of averaged groups.

    Parameters
    ----------
    counts : (ints, groups, rows, cols) float32, DN
        Bias-subtracted, not yet linear.
    group_flags : (ints, groups, rows, cols) uint8
        SATURATED is read.
    coefficients : (coefficients, rows, cols) float32
        Constant term first.
    readout : Readout

    Returns
    -------
    ReadSpread
        Empty if groups are single reads.

    Notes
    -----
    The rise at a group is the smaller of those before and after it, so that a cosmic ray
    in one of them has no effect; before the first group it is that since the reset.
    ``jwst`` has an equivalent for files with inverse coefficients; NIRCam has none.
    """
    none = np.zeros(0, np.intp)
    if readout.n_frames == 1:
        nothing = np.zeros((0, counts.shape[1]), np.float32)
        return ReadSpread((none, none, none), nothing)
    steep = _is_steep(counts, readout)
    # one index is found faster than three
    where = np.unravel_index(np.flatnonzero(steep), steep.shape)
    i, row, col = where
    level = counts[i, :, row, col].astype(np.float64)
    full = group_flags[i, :, row, col] & np.uint8(SATURATED) != 0
    rise = _rise(level, full, readout)
    polynomial = coefficients[:, row, col].astype(np.float64)
    curvature = np.zeros(level.shape)
    for k in range(len(polynomial) - 1, 1, -1):
        curvature = curvature * level + k * (k - 1) * polynomial[k][:, None]
    period = readout.n_frames + readout.n_dropped
    variance = (readout.n_frames**2 - 1) / 12.0 * (rise / period) ** 2
    shortfall = np.where(full, 0.0, 0.5 * curvature * variance)
    return ReadSpread(where, np.nan_to_num(shortfall).astype(np.float32))


def add_shortfall(
    counts: NDArray[np.float32], spread: ReadSpread, unknown: NDArray[np.bool_]
) -> None:
    """Add the shortfall to linear counts, in place, where the polynomial is known."""
    i, row, col = spread.where
    known = ~unknown[row, col]
    counts[i[known], :, row[known], col[known]] += spread.shortfall[known]


def _is_steep(counts: NDArray[np.float32], readout: Readout) -> NDArray[np.bool_]:
    """Return which ramps rise steeply, (ints, rows, cols)."""
    times = readout.group_times_s()
    since_reset = np.float32(times[0] / readout.group_s) * _FAINT_DN
    steep = counts[:, 0] > max(since_reset, _FAINT_DN)
    if readout.n_groups > 1:
        steep |= counts[:, 1] - counts[:, 0] > _FAINT_DN
    return np.asarray(steep, np.bool_)


def _rise(
    level: NDArray[np.float64], full: NDArray[np.bool_], readout: Readout
) -> NDArray[np.float64]:
    """Return the rise of each group over the time of a group, (ramps, groups), DN."""
    since_reset = level[:, :1] * readout.group_s / readout.group_times_s()[0]
    step = np.diff(level, axis=1)
    step[full[:, 1:]] = np.inf
    before = np.concatenate([since_reset, step], axis=1)
    after = np.concatenate([step, np.full(since_reset.shape, np.inf)], axis=1)
    rise = np.minimum(before, after)
    return np.where(np.isfinite(rise), np.maximum(rise, 0.0), 0.0)
