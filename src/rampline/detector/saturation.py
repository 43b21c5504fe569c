"""Find saturated samples and samples at the floor of the A/D converter.

A sample at or above its pixel's full well is saturated, and so is every later sample of
that integration; charge spills, so the neighbours are flagged too, and blooms to the second
pixel from a large core. A group is the mean of several reads: a group that saturates in its
last reads is wrong although its mean is below the full well. It is found by extrapolating
its last read from the adjacent groups; such a group is not flagged SATURATED, only
DO_NOT_USE. A sample of 0 DN is at the converter's floor.
"""

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags8, Flags32, Plane
from ..exposure.timing import Readout
from ..flags import AD_FLOOR, DO_NOT_USE, SATURATED
from ..numerics.jit import kernel
from ..params import Params, Pixels

Samples: TypeAlias = NDArray[np.uint16] | NDArray[np.float32]
Groups: TypeAlias = NDArray[np.uint16]

_A_D_END_DN = np.float32(65536)
"""One above the largest value of the 16-bit converter: no sample reaches it."""
_CORE_SQUARE = 5
"""Square of the largest distance in a disc of 2.5 pixels radius, pixels."""
_BLOOM_SQUARE = 17
"""The same of what lies within two pixels of that disc."""

_BRIGHT = np.float32(0.5)
"""Groups below this fraction of the full well cannot contain a saturated read."""


class SaturationParams(Params):
    """How saturated samples are found."""

    grow: Pixels = 1
    """Layers of neighbours flagged around each saturated pixel."""

    bloom: bool = True
    """Whether pixels within two of a saturated core of 2.5 pixels radius or more are
    flagged from the group on in which it is saturated."""

    averaged_groups: bool = True
    """Whether groups of several reads are tested for saturation in their last reads."""

    last_read: Literal["extrapolated", "jwst"] = "extrapolated"
    """How a group's last read is predicted: ``extrapolated``: at its true time from the
    rise of the bias-subtracted counts, including the last group; ``jwst``: from the raw
    counts including the bias, as if no frame were dropped between groups."""


class Wells(NamedTuple):
    """Properties of each pixel needed to find saturation."""

    limit: Plane
    """(rows, cols) DN: raw counts at the full well; NaN for pixels not checked."""
    bias: Plane
    """(rows, cols) DN: superbias, NaN where unknown; for the test of the second group."""
    flags: Flags32
    """(rows, cols): no group of pixels with DO_NOT_USE is used in any case."""


def flag_saturation(
    samples: Samples,
    wells: Wells,
    rows: slice,
    readout: Readout,
    params: SaturationParams,
) -> Flags8:
    """Flag saturated and partly saturated groups, and those at the A/D floor.

    Parameters
    ----------
    samples : (ints, groups, rows, cols) uint16 or float32, DN
        Raw, before the superbias is removed.
    wells : Wells
    rows : slice
        Rows to work on; spill from adjacent rows is included.
    readout : Readout
        Times of the reads.
    params : SaturationParams

    Returns
    -------
    (ints, groups, rows of the slice, cols) uint8
        SATURATED, AD_FLOOR and DO_NOT_USE bits to be added.

    Notes
    -----
    With ``last_read="jwst"`` it agrees with the ``saturation`` step of ``jwst`` (stcal 1.20),
    which does not subtract the bias from the counts and ignores dropped frames in the times.
    For stars that saturate in the second group it discards the first although no read was
    saturated, and it never tests the last group.
    """
    # a pixel beside this band may be spilt into, and be full in a group's last reads
    wide, inner = _widened(rows, params.grow + _reach(params), samples.shape[2])
    first = _first_reached(samples, wells.limit, wide, params)
    flags = _group_flags(samples, first, SATURATED, AD_FLOOR | DO_NOT_USE, wide.start)
    if params.averaged_groups:
        own = Wells(wells.limit[wide], wells.bias[wide], wells.flags[wide])
        if params.last_read == "jwst":
            times = _contiguous_reads(readout)
            suspects = _suspects(samples[:, :, wide], first, own, times)
            partly = _partly_saturated_as_jwst(suspects)
        else:
            times = readout.read_times_s()
            suspects = _suspects(samples[:, :, wide], first, own, times)
            partly = _partly_saturated(suspects)
            _flag_box(_hit_in_first(suspects), params.grow, DO_NOT_USE, flags)
        _flag_box(partly, params.grow, DO_NOT_USE, flags)
        _flag_box(_hidden_in_second(suspects), 0, DO_NOT_USE, flags)
    return flags[:, :, inner]


def mask_zero_frame(
    zero: Samples, wells: Wells, rows: slice, params: SaturationParams
) -> Plane:
    """Return the zero frame with NaN where it is saturated or at the A/D floor.

    Parameters
    ----------
    zero : (ints, rows, cols) uint16 or float32, DN
        First read of each integration, raw.
    wells : Wells
    rows : slice
        Rows to work on.
    params : SaturationParams

    Returns
    -------
    (ints, rows of the slice, cols) float32, DN

    Notes
    -----
    As in the ``saturation`` step of ``jwst``, which marks such pixels with 0.
    """
    wide, inner = _widened(rows, _reach(params), zero.shape[1])
    reached = _first_reached(zero[:, None], wells.limit, wide, params)
    counts = zero[:, rows].astype(np.float32)
    lost = (reached[:, inner] == 0) | (counts <= 0)
    counts[lost] = np.nan
    return counts


def _widened(rows: slice, halo: int, n_rows: int) -> tuple[slice, slice]:
    """Return the band extended by ``halo`` rows on either side, and its rows in that."""
    start = max(rows.start - halo, 0)
    wide = slice(start, min(rows.stop + halo, n_rows))
    return wide, slice(rows.start - start, rows.stop - start)


def _reach(params: SaturationParams) -> int:
    """Return from how many rows away charge may come."""
    core, bloom = math.isqrt(_CORE_SQUARE), math.isqrt(_BLOOM_SQUARE)
    return max(params.grow, core + bloom if params.bloom else 0)


def _first_reached(
    samples: Samples, limit: Plane, rows: slice, params: SaturationParams
) -> Groups:
    """Return the first group in which each pixel is full, or charge of others reaches it."""
    first = _first_saturated(samples, limit, rows.start, rows.stop)
    reached = _grown(first, params.grow)
    if params.bloom:
        _bloom(first, samples.shape[1], reached)
    return reached


def _bloom(first: Groups, n_groups: int, reached: Groups) -> None:
    """Lower ``reached`` around discs to the group from which the whole disc is full."""
    n_rows, n_cols = first.shape[1:]
    place = np.flatnonzero(first < n_groups)
    i, row, col = np.unravel_index(place, first.shape)
    down, right = _disc(_CORE_SQUARE)
    rows = np.clip(row + down, 0, n_rows - 1)
    cols = np.clip(col + right, 0, n_cols - 1)
    latest = first[i, rows, cols].max(axis=0)
    is_core = latest < n_groups
    i, row, col = i[is_core], row[is_core], col[is_core]
    down, right = _disc(_BLOOM_SQUARE)
    rows = np.clip(row + down, 0, n_rows - 1)
    cols = np.clip(col + right, 0, n_cols - 1)
    np.minimum.at(reached, (i, rows, cols), latest[is_core])


def _disc(square: int) -> NDArray[np.intp]:
    """Return the offsets within a distance, (2, n, 1) rows and columns."""
    reach = math.isqrt(square)
    side = np.arange(-reach, reach + 1)
    down, right = np.meshgrid(side, side, indexing="ij")
    inside = down**2 + right**2 <= square
    return np.stack([down[inside], right[inside]])[..., None]


def _grown(first: Groups, layers: int) -> Groups:
    """Return the earliest entry of the box of ``2 * layers + 1`` pixels around each.

    Parameters
    ----------
    first : (ints, rows, cols) uint16
        First saturated group of each pixel; the number of groups if it never saturates.
    """
    earliest = first.copy()
    for shift in range(1, min(layers, first.shape[1] - 1) + 1):
        _lower(earliest[:, :-shift], first[:, shift:])
        _lower(earliest[:, shift:], first[:, :-shift])
    grown = earliest.copy()
    for shift in range(1, min(layers, first.shape[2] - 1) + 1):
        _lower(grown[:, :, :-shift], earliest[:, :, shift:])
        _lower(grown[:, :, shift:], earliest[:, :, :-shift])
    return grown


def _lower(values: Groups, others: Groups) -> None:
    """Lower ``values`` to ``others`` where these are smaller, in place."""
    np.minimum(values, others, out=values)


def _contiguous_reads(readout: Readout) -> NDArray[np.float64]:
    """Return the indices of the reads of each group as if no frame were dropped."""
    reads = np.arange(1.0, readout.n_groups * readout.n_frames + 1.0)
    return reads.reshape(readout.n_groups, readout.n_frames)


class _Suspects(NamedTuple):
    """Pixels that saturate or nearly do: one of their groups may hold full reads."""

    samples: Samples
    """(ints, groups, rows, cols) DN, raw."""
    where: NDArray[np.intp]
    """(3, n): integration, row and column of each."""
    group: NDArray[np.intp]
    """(n,): the first saturated group of each; the number of groups if it has none."""
    wells: Wells
    times: NDArray[np.float64]
    """(groups, reads): of the averaged reads since the reset."""


def _suspects(
    samples: Samples, first: Groups, wells: Wells, times: NDArray[np.float64]
) -> _Suspects:
    is_bright = samples[:, -1] >= _BRIGHT * wells.limit
    place = np.flatnonzero((first < samples.shape[1]) | is_bright)
    where = np.stack(np.unravel_index(place, first.shape))
    group = first.reshape(-1)[place].astype(np.intp)
    return _Suspects(samples, where, group, wells, times)


def _partly_saturated(suspects: _Suspects) -> NDArray[np.intp]:
    """Find groups before saturation whose last read was at the full well.

    The last read is extrapolated from the group before, or from the reset, through the
    mean of the group. Truncated reads lower the mean, but not enough to bring the
    extrapolation below the full well.

    Returns
    -------
    (4, n) : integration, group, row, column
    """
    samples, where, group, wells, times = suspects
    i, row, col = where[:, group > 0]
    last = group[group > 0] - 1
    before = np.maximum(last - 1, 0)
    is_first = last == 0
    mean_time, last_time = times.mean(axis=1), times[:, -1]
    start_time = np.where(is_first, 0.0, mean_time[before])
    reach = (last_time[last] - start_time) / (mean_time[last] - start_time)
    bias = wells.bias[row, col]
    value = samples[i, last, row, col].astype(np.float64)
    start = np.where(is_first, bias, samples[i, before, row, col])
    full = start + (value - start) * reach >= wells.limit[row, col]
    full &= (value > 0) & (reach > 1)
    full &= (wells.flags[row, col] & DO_NOT_USE) == 0
    return np.stack([axis[full] for axis in (i, last, row, col)])


def _partly_saturated_as_jwst(suspects: _Suspects) -> NDArray[np.intp]:
    """Find groups just before saturation as stcal does.

    For counts that rise linearly from 0 the mean of a group is a known fraction of its last
    read. Result as in `_partly_saturated`.
    """
    samples, where, group, wells, times = suspects
    n_frames = times.shape[1]
    has_both = (group > 0) & (group < samples.shape[1])
    i, row, col = where[:, has_both]
    before = group[has_both] - 1
    last_read = (before + 1.0) * n_frames
    share = (last_read - (n_frames - 1) / 2) / last_read
    value = samples[i, before, row, col]
    full = (value >= wells.limit[row, col] * share) & (value > 0) & (share < 1)
    full &= (wells.flags[row, col] & DO_NOT_USE) == 0
    return np.stack([axis[full] for axis in (i, before, row, col)])


def _hidden_in_second(suspects: _Suspects) -> NDArray[np.intp]:
    """Find pixels saturated from the third group on by an event late in the second.

    The first group predicts no saturation, but the second rises by more than a saturated
    read would cause. Result as in `_partly_saturated`.
    """
    samples, where, group, wells, times = suspects
    n_groups, n_frames = times.shape
    i, row, col = where[:, (group == 2) & (group < n_groups)]
    limit, bias = wells.limit[row, col], wells.bias[row, col]
    end = np.where(np.isnan(limit), _A_D_END_DN, limit)
    second = np.ones_like(i)
    one = samples[i, 0, row, col].astype(np.float32)
    two = samples[i, second, row, col].astype(np.float32)
    expected = (one - bias) / times[0].mean() * times[min(2, n_groups - 1), -1] + bias
    hidden = (expected < end) & (two - one > (end - one) / n_frames)
    return np.stack([axis[hidden] for axis in (i, second, row, col)])


def _hit_in_first(suspects: _Suspects) -> NDArray[np.intp]:
    """Find pixels full in the second group by a hit that the first group may contain.

    At the rate of their first group they would not be full. The charge that filled them is
    in none of the reads of the first group, or at least in its last, so that the mean of
    the group shows it. The group is the only one left, and tells nothing of the light.
    Result as in `_partly_saturated`.
    """
    samples, where, group, wells, times = suspects
    n_frames = times.shape[1]
    i, row, col = where[:, (group == 1) & (group < samples.shape[1])]
    limit, bias = wells.limit[row, col], wells.bias[row, col]
    first = np.zeros_like(i)
    light = samples[i, first, row, col] - bias
    left = limit - bias - light * (times[min(1, len(times) - 1), -1] / times[0].mean())
    is_full = samples[i, np.minimum(first + 1, len(times) - 1), row, col] >= limit
    struck = is_full & (left > 0) & (light > left / n_frames) & (n_frames > 1)
    return np.stack([axis[struck] for axis in (i, first, row, col)])


@kernel
def _first_saturated(samples: Samples, limit: Plane, start: int, stop: int) -> Groups:
    """Return the first group at or above the limit for each pixel of a band of rows."""
    n_ints, n_groups, _, n_cols = samples.shape
    first = np.full((n_ints, stop - start, n_cols), n_groups, np.uint16)
    for row in range(start, stop):
        for i in range(n_ints):
            own = first[i, row - start]
            for group in range(n_groups - 1, -1, -1):
                this = np.uint16(group)
                for col in range(n_cols):
                    full = np.float32(samples[i, group, row, col]) >= limit[row, col]
                    own[col] = this if full else own[col]
    return first


@kernel
def _group_flags(
    samples: Samples, first: Groups, full: int, floor: int, start: int
) -> Flags8:
    """Return ``full`` from the first saturated group on and ``floor`` for samples of 0.

    Row 0 of ``first`` and of the result belongs to row ``start`` of the samples.
    """
    n_ints, n_groups, _, n_cols = samples.shape
    n_rows = first.shape[1]
    saturated, at_floor, none = np.uint8(full), np.uint8(floor), np.uint8(0)
    flags = np.empty((n_ints, n_groups, n_rows, n_cols), np.uint8)
    for row in range(n_rows):
        for i in range(n_ints):
            for group in range(n_groups):
                this = np.uint16(group)
                for col in range(n_cols):
                    high = saturated if this >= first[i, row, col] else none
                    low = at_floor if samples[i, group, start + row, col] <= 0 else none
                    flags[i, group, row, col] = high | low
    return flags


@kernel
def _flag_box(where: NDArray[np.intp], layers: int, bit: int, flags: Flags8) -> None:
    """Set ``bit`` in the box of ``layers`` pixels around each place of ``where``."""
    n_rows, n_cols = flags.shape[2:]
    added = np.uint8(bit)
    for k in range(where.shape[1]):
        i, group, row, col = where[0, k], where[1, k], where[2, k], where[3, k]
        for r in range(max(row - layers, 0), min(row + layers + 1, n_rows)):
            for c in range(max(col - layers, 0), min(col + layers + 1, n_cols)):
                flags[i, group, r, c] |= added
