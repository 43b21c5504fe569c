"""Find the samples at which a pixel's well, or the A/D converter, was at its end.

A sample at or above its pixel's full well is saturated, and so is every later sample of
that integration; charge spills, so the neighbours are saturated too. A group is the mean of
several reads: one that saturated in its last reads stays below the full well and is still
wrong. Two tests find these from the groups around; such a group is not saturated, it just
must not be used. A sample of 0 DN is the floor of the converter.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags8, Flags32, Plane
from ..flags import AD_FLOOR, DO_NOT_USE, NO_SATURATION_CHECK, SATURATED
from ..numerics.jit import kernel
from ..params import Params, Pixels

Samples: TypeAlias = NDArray[np.uint16] | NDArray[np.float32]
Groups: TypeAlias = NDArray[np.uint16]

_A_D_END_DN = np.float32(65536)
"""One above the largest number of the 16-bit converter: no sample reaches it."""


class SaturationParams(Params):
    """How saturated samples are found."""

    grow: Pixels = 1
    """Layers of neighbours flagged around each saturated pixel."""

    averaged_groups: bool = True
    """Whether groups of several reads are tested for saturation in their last reads."""


def full_well_limit(full_well: Plane, flags: Flags32 | None) -> Plane:
    """Return the full well with infinity where it is unknown or must not be checked.

    Parameters
    ----------
    full_well : (rows, cols) float32, DN
        NaN where unknown.
    flags : (rows, cols) uint32, or None
        Flags of the saturation file.
    """
    unknown = np.isnan(full_well)
    if flags is not None:
        unknown |= (flags & NO_SATURATION_CHECK) != 0
    return np.where(unknown, np.float32(np.inf), full_well)


def flag_saturation(
    samples: Samples,
    limit: Plane,
    bias: Plane,
    unusable: NDArray[np.bool_],
    n_frames: int,
    params: SaturationParams,
) -> Flags8:
    """Flag saturated and partly saturated groups, and those at the A/D floor.

    A band of rows of a larger frame needs ``halo_rows(params)`` more rows on either side for
    the flags of its own rows to be right.

    Parameters
    ----------
    samples : (ints, groups, rows, cols) uint16 or float32, DN
        Raw, before the superbias is removed.
    limit : (rows, cols) float32, DN
        Full well, infinite where unknown: see `full_well_limit`.
    bias : (rows, cols) float32, DN
        Superbias; the test of the second group needs it. NaN where unknown.
    unusable : (rows, cols) bool
        Pixels that no group may be used of.
    n_frames : int
        Reads averaged into a group.
    params : SaturationParams

    Returns
    -------
    (ints, groups, rows, cols) uint8
        SATURATED, AD_FLOOR and DO_NOT_USE bits to be added.

    Notes
    -----
    Agrees with the ``saturation`` step of ``jwst`` (stcal 1.20): its read times leave out the
    dropped frames, and its first test takes the counts with their bias.
    """
    n_groups = samples.shape[1]
    first = grow_earliest(_first_saturated(samples, limit), params.grow)
    flags = np.empty(samples.shape, np.uint8)
    _flag_groups(samples, first, SATURATED, AD_FLOOR | DO_NOT_USE, flags)
    if params.averaged_groups:
        dilution = _dilution(n_groups, n_frames)
        partial = _partly_saturated(samples, first, limit, unusable, dilution)
        _flag_partly(partial, params.grow, DO_NOT_USE, flags)
        if n_groups > 2:
            hidden = _hidden_in_second(samples, first, limit, bias, n_frames)
            flags[:, 1][hidden] |= np.uint8(DO_NOT_USE)
    return flags


def halo_rows(params: SaturationParams) -> int:
    """Return how many rows beyond a band its saturation flags depend on."""
    return 2 * params.grow


def mask_zero_frame(zero: Samples, limit: Plane, params: SaturationParams) -> Plane:
    """Return the zero frame with NaN where it is saturated or at the A/D floor.

    Parameters
    ----------
    zero : (ints, rows, cols) uint16 or float32, DN
        First read of each integration, raw; with ``halo_rows(params)`` rows around a band.
    limit : (rows, cols) float32, DN
        Full well, infinite where unknown.

    Returns
    -------
    (ints, rows, cols) float32, DN
        ``jwst`` marks such pixels by 0; otherwise as its ``saturation`` step.
    """
    first = grow_earliest(_first_saturated(zero[:, None], limit), params.grow)
    lost = (first == 0) | (zero <= 0)
    return np.where(lost, np.float32(np.nan), zero.astype(np.float32))


def grow_earliest(first: Groups, layers: int) -> Groups:
    """Return the earliest entry of the box of ``2 * layers + 1`` pixels around each.

    Parameters
    ----------
    first : (ints, rows, cols) uint16
        Group from which on a pixel is saturated; the number of groups if it never is.
    """
    grown = first
    for axis in (1, 2):
        before = grown
        grown = before.copy()
        for shift in range(1, min(layers, before.shape[axis] - 1) + 1):
            ahead = [slice(None)] * 3
            behind = [slice(None)] * 3
            ahead[axis], behind[axis] = slice(shift, None), slice(None, -shift)
            a, b = tuple(ahead), tuple(behind)
            np.minimum(grown[b], before[a], out=grown[b])
            np.minimum(grown[a], before[b], out=grown[a])
    return grown


def _dilution(n_groups: int, n_frames: int) -> NDArray[np.float64]:
    """Return mean over last read number of each group: the share of the last read's counts."""
    last = np.arange(1, n_groups + 1) * float(n_frames)
    return np.asarray((last - (n_frames - 1) / 2) / last, np.float64)


def _partly_saturated(
    samples: Samples,
    first: Groups,
    limit: Plane,
    unusable: NDArray[np.bool_],
    dilution: NDArray[np.float64],
) -> NDArray[np.intp]:
    """Find groups just before saturation whose last read must have been saturated.

    Returns
    -------
    (4, n) indices: integration, group, row, column
    """
    n_groups = samples.shape[1]
    i, row, col = np.nonzero((first > 0) & (first < n_groups) & ~unusable)
    group = first[i, row, col].astype(np.intp) - 1
    value = samples[i, group, row, col]
    full = value >= limit[row, col] * dilution[group]
    partial = full & (value > 0) & (dilution[group] < 1)
    return np.stack([axis[partial] for axis in (i, group, row, col)])


def _hidden_in_second(
    samples: Samples,
    first: Groups,
    limit: Plane,
    bias: Plane,
    n_frames: int,
) -> NDArray[np.bool_]:
    """Find pixels saturated from the third group on by an event late in the second.

    The first group foretells no saturation, yet the second rose by more than one saturated
    read of its ``n_frames`` would make it rise.
    """
    hidden = np.zeros(first.shape, np.bool_)
    i, row, col = np.nonzero(first == 2)
    end = np.where(np.isinf(limit[row, col]), _A_D_END_DN, limit[row, col])
    offset = bias[row, col]
    one, two = (samples[i, g, row, col].astype(np.float32) for g in (0, 1))
    mean_read, last_read = np.float64((n_frames + 1) / 2), 3 * n_frames
    expected = (one - offset) / mean_read * last_read + offset
    hidden[i, row, col] = (expected < end) & (two - one > (end - one) / n_frames)
    return hidden


@kernel
def _first_saturated(samples: Samples, limit: Plane) -> Groups:
    """Return the first group of each pixel at or above its limit."""
    n_ints, n_groups, n_rows, n_cols = samples.shape
    first = np.full((n_ints, n_rows, n_cols), n_groups, np.uint16)
    for i in range(n_ints):
        for row in range(n_rows):
            for group in range(n_groups - 1, -1, -1):
                for col in range(n_cols):
                    if np.float32(samples[i, group, row, col]) >= limit[row, col]:
                        first[i, row, col] = group
    return first


@kernel
def _flag_groups(
    samples: Samples, first: Groups, full: int, floor: int, flags: Flags8
) -> None:
    """Set ``full`` from the first saturated group on and ``floor`` where nothing was read."""
    n_ints, n_groups, n_rows, n_cols = samples.shape
    saturated, at_floor, none = np.uint8(full), np.uint8(floor), np.uint8(0)
    for i in range(n_ints):
        for row in range(n_rows):
            for group in range(n_groups):
                for col in range(n_cols):
                    high = saturated if group >= first[i, row, col] else none
                    low = at_floor if samples[i, group, row, col] <= 0 else none
                    flags[i, group, row, col] = high | low


@kernel
def _flag_partly(where: NDArray[np.intp], layers: int, bit: int, flags: Flags8) -> None:
    """Set ``bit`` in the box of ``layers`` pixels around each place of ``where``."""
    n_rows, n_cols = flags.shape[2:]
    added = np.uint8(bit)
    for k in range(where.shape[1]):
        i, group, row, col = where[0, k], where[1, k], where[2, k], where[3, k]
        for r in range(max(row - layers, 0), min(row + layers + 1, n_rows)):
            for c in range(max(col - layers, 0), min(col + layers + 1, n_cols)):
                flags[i, group, r, c] |= added
