"""Remove the drift of the outputs, measured on the pixels that see no light.

Four rows and columns along each edge of the detector are read like all others, but see no
light. Rows at the bottom and top give the level of each output in each group, separately for
even and odd columns; columns at the left and right follow its drift from row to row. A
subarray read through one output has one level per parity, from any reference pixels in it.
All this is symmetric under the flips between detector and science frame.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags32, Plane
from ..exposure.timing import OUTPUT_COLUMNS, Readout
from ..flags import DO_NOT_USE, REFERENCE_PIXEL
from ..numerics.jit import kernel
from ..params import Count, Factor, Sigma, StepParams
from .column_parity import follow_parities
from .reference_drift import follow_rows, is_quiet, steady

DETECTOR_SIZE = 2048
"""Rows and columns of the whole detector, reference pixels included."""
EDGE = 4
"""Rows or columns of reference pixels along each edge."""


class ReferencePixelParams(StepParams):
    """How the drift of the outputs is measured."""

    algorithm: Literal["steady", "jwst"] = "steady"
    """``steady``: each pixel minus its own mean, side pixels filtered by their spectrum;
    ``jwst``: clipped means of all pixels, running medians of the side pixels."""

    odd_even_columns: bool = True
    """Whether even and odd columns have separate levels."""

    use_side_pixels: bool = True
    """Whether the columns at the left and right follow the drift from row to row."""

    smoothing_rows: Count = 11
    """Rows in the running median of the side pixels (``jwst``); an even number is rounded
    up to the next odd one."""

    side_gain: Factor = 1.0
    """Factor on the drift of the side pixels that is subtracted."""

    clip: Sigma = 3.0
    """Reference pixels farther than this from the mean are excluded."""


class ReferenceOffsets(NamedTuple):
    """Offsets to subtract from each group."""

    columns: NDArray[np.float32]
    """(ints, groups, cols), DN"""
    rows: NDArray[np.float32]
    """(ints, groups, rows), DN"""


def measure_reference_offsets(
    samples: NDArray[np.uint16] | NDArray[np.float32],
    bias: Plane,
    flags: Sequence[Flags32],
    readout: Readout,
    params: ReferencePixelParams,
) -> ReferenceOffsets:
    """Measure the drift of the outputs in every group.

    Parameters
    ----------
    samples : (ints, groups, rows, cols) uint16 or float32, DN
        Raw. If there are reference pixels, only they are used. NaN is taken as the bias.
    bias : (rows, cols) float32, DN
        Superbias; 0 where NaN.
    flags : sequence of (rows, cols) uint32
        Flags of the reference files so far. Pixels with DO_NOT_USE in any of them are
        excluded. With one output the pixels flagged REFERENCE_PIXEL are used, with four
        those in the four rows and columns at the detector's edges.
    readout : Readout
    params : ReferencePixelParams

    Returns
    -------
    ReferenceOffsets
        0 without a usable reference pixel; but in a subarray without any, read through one
        output, the light-sensitive pixels give the relative drift of even and odd columns
        (``steady``).

    Notes
    -----
    With ``algorithm="jwst"`` it agrees with the ``refpix`` step of ``jwst``, algorithm
    ``median``. A level is the mean of the clipped means at the bottom and at the top; the
    drift is the mean of the running medians of the left and the right side pixels after
    subtraction of the levels.
    """
    if readout.n_outputs == 1:
        bits = _united(flags, (slice(None), slice(None)), bias)
        where = np.nonzero((bits & (DO_NOT_USE | REFERENCE_PIXEL)) == REFERENCE_PIXEL)
        if where[0].size == 0:
            return _blind_offsets(samples, (bits & DO_NOT_USE) == 0, params)
        counts = _without_bias(samples, bias, where)
        return _single_output_offsets(counts, where[1], readout, params)
    first, last, every = slice(0, EDGE), slice(-EDGE, None), slice(None)
    at_first_row, at_last_row = _reach(readout.row_start, readout.n_rows)
    at_first_col, at_last_col = _reach(readout.col_start, readout.n_cols)
    bottom, top, left, right = (
        _Edge(
            _without_bias(samples, bias, where),
            ((_united(flags, where, bias) & DO_NOT_USE) == 0) & reached,
        )
        for where, reached in (
            ((first, every), at_first_row),
            ((last, every), at_last_row),
            ((every, first), at_first_col),
            ((every, last), at_last_col),
        )
    )
    if params.algorithm == "steady":
        return _steady_offsets((bottom, top), (left, right), readout, params)
    columns = _output_levels(bottom, top, readout, params)
    rows = np.zeros((*columns.shape[:2], readout.n_rows), np.float32)
    if params.use_side_pixels:
        sides = [
            _side_drift(
                side.counts - columns[:, :, None, where],
                side.usable,
                readout,
                params.smoothing_rows // 2,
            )
            for side, where in ((left, first), (right, last))
        ]
        drift = np.nan_to_num(mean_of_known(*sides)) * params.side_gain
        rows = drift.astype(np.float32)
    return ReferenceOffsets(columns, rows)


def subtract_reference_offsets(
    counts: NDArray[np.float32], offsets: ReferenceOffsets, rows: slice
) -> None:
    """Subtract the measured offsets, in place.

    Parameters
    ----------
    counts : (ints, groups, rows, cols) float32, DN
        Owned by the caller; changed in ``rows`` only.
    offsets : ReferenceOffsets
    rows : slice
        Rows to work on.
    """
    _subtract_offsets(counts, offsets.columns, offsets.rows, rows.start, rows.stop)


class _Edge(NamedTuple):
    """Four rows or columns at an edge of an exposure."""

    counts: NDArray[np.float32]
    """(ints, groups, rows, cols) DN, bias-subtracted."""
    usable: NDArray[np.bool_]
    """(rows, cols): at the detector's edge and not bad."""


def _steady_offsets(
    ends: tuple[_Edge, _Edge],
    sides: tuple[_Edge, _Edge],
    readout: Readout,
    params: ReferencePixelParams,
) -> ReferenceOffsets:
    """Return the mean level of each output and parity, plus the drift about it."""
    bottom, top = ends
    level = _output_levels(_mean_edge(bottom), _mean_edge(top), readout, params)
    moving = _output_levels(_steady_edge(bottom), _steady_edge(top), readout, params)
    columns = level + moving
    rows = np.zeros((*columns.shape[:2], readout.n_rows), np.float32)
    if params.use_side_pixels and readout.n_groups > 1:
        steady_sides = [_steady_edge(side) for side in sides]
        counts = [
            side.counts - moving[:, :, None, where]
            for side, where in zip(
                steady_sides, (slice(0, EDGE), slice(-EDGE, None)), strict=True
            )
        ]
        usable = [side.usable for side in steady_sides]
        drift = follow_rows(np.concatenate(counts, -1), np.concatenate(usable, -1))
        rows = drift * np.float32(params.side_gain)
    return ReferenceOffsets(columns, rows)


def _mean_edge(edge: _Edge) -> _Edge:
    """Return an edge's means over the groups."""
    return edge._replace(counts=edge.counts.mean(axis=1, keepdims=True))


def _steady_edge(edge: _Edge) -> _Edge:
    """Return an edge minus its means over the groups, noisy pixels excluded."""
    counts = steady(edge.counts)
    return _Edge(counts, is_quiet(counts, edge.usable))


def _reach(start: int, length: int) -> tuple[bool, bool]:
    """Return whether an exposure reaches the first and the last row (or column)."""
    return start == 0, start + length == DETECTOR_SIZE


def _united(
    flags: Sequence[Flags32], where: tuple[slice, slice], like: Plane
) -> Flags32:
    """Return the bitwise OR of the planes in a part of the exposure."""
    bits = np.zeros(like[where].shape, np.uint32)
    for plane in flags:
        bits |= plane[where]
    return bits


def _without_bias(
    samples: NDArray[np.uint16] | NDArray[np.float32],
    bias: Plane,
    where: tuple[slice, slice] | tuple[NDArray[np.intp], ...],
) -> NDArray[np.float32]:
    """Return the bias-subtracted counts of selected pixels, (ints, groups, ...)."""
    raw = samples[(slice(None), slice(None), *where)].astype(np.float32)
    return np.nan_to_num(raw - np.nan_to_num(bias[where]))


def _blind_offsets(
    samples: NDArray[np.uint16] | NDArray[np.float32],
    usable: NDArray[np.bool_],
    params: ReferencePixelParams,
) -> ReferenceOffsets:
    """Return offsets without reference pixels: the relative drift of column parities."""
    is_told = params.algorithm == "steady" and params.odd_even_columns
    columns = follow_parities(samples, usable & is_told, params.clip)
    return ReferenceOffsets(columns, np.zeros(samples.shape[:3], np.float32))


def _single_output_offsets(
    counts: NDArray[np.float32],
    columns: NDArray[np.intp],
    readout: Readout,
    params: ReferencePixelParams,
) -> ReferenceOffsets:
    """Return the levels of a subarray read through one output.

    Parameters
    ----------
    counts : (ints, groups, n) float32, DN
        Counts of all usable reference pixels.
    columns : (n,) int
        Their columns within the exposure.
    """
    offsets = np.zeros((*counts.shape[:2], readout.n_cols), np.float32)
    parity = _parity(np.arange(readout.n_cols), readout, params)
    own_parity = _parity(columns, readout, params)
    for which in np.unique(own_parity):
        own = np.ascontiguousarray(counts[:, :, own_parity == which])
        level = clipped_means(own, params.clip)
        if params.algorithm == "steady":
            mean = own.mean(axis=1, keepdims=True)
            level = clipped_means(mean, params.clip)
            level = level + clipped_means(steady(own), params.clip)
        offsets[:, :, parity == which] = level[:, :, None]
    rows = np.zeros((*counts.shape[:2], readout.n_rows), np.float32)
    return ReferenceOffsets(offsets, rows)


def mean_of_known(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean of two arrays, ignoring NaN in one of them."""
    both = 0.5 * (a + b)
    return np.where(np.isnan(a), b, np.where(np.isnan(b), a, both))


def _output_levels(
    bottom: _Edge, top: _Edge, readout: Readout, params: ReferencePixelParams
) -> NDArray[np.float32]:
    """Return the level of each column's output and parity, (ints, groups, cols)."""
    offsets = np.zeros((*bottom.counts.shape[:2], readout.n_cols), np.float32)
    every = np.arange(readout.n_cols)
    output = (readout.col_start + every) // OUTPUT_COLUMNS
    parity = _parity(every, readout, params)
    for amplifier in np.unique(output):
        sets = [
            np.nonzero((output == amplifier) & (parity == which))[0]
            for which in np.unique(parity)
        ]
        levels = [
            mean_of_known(*(_level(edge, own, params.clip) for edge in (bottom, top)))
            for own in sets
        ]
        if not np.isnan(levels).any():
            for own, level in zip(sets, levels, strict=True):
                offsets[:, :, own] = level[:, :, None]
    return offsets


def _level(edge: _Edge, columns: NDArray[np.intp], clip: float) -> NDArray[np.float64]:
    """Return the clipped mean of an edge's usable pixels in some columns."""
    own = edge.counts[:, :, :, columns][:, :, edge.usable[:, columns]]
    return clipped_means(np.ascontiguousarray(own), clip)


def _parity(
    columns: NDArray[np.intp], readout: Readout, params: ReferencePixelParams
) -> NDArray[np.intp]:
    """Return the set of each column: even or odd, or one set for all."""
    return (columns + readout.col_start) % 2 if params.odd_even_columns else 0 * columns


def _side_drift(
    counts: NDArray[np.float32],
    usable: NDArray[np.bool_],
    readout: Readout,
    half: int,
) -> NDArray[np.float64]:
    """Return the running median of one side, (ints, groups, rows); NaN where unknown."""
    n_ints, n_groups, n_rows, width = counts.shape
    series = np.zeros((n_ints * n_groups, DETECTOR_SIZE, width), np.float32)
    known = np.zeros((DETECTOR_SIZE, width), np.bool_)
    own = slice(readout.row_start, readout.row_start + n_rows)
    series[:, own] = counts.reshape(-1, n_rows, width)
    known[own] = usable
    drift = running_medians(series, known, half)
    return drift[:, own].reshape(n_ints, n_groups, n_rows)


@kernel
def clipped_means(values: NDArray[np.float32], clip: float) -> NDArray[np.float64]:
    """Return the mean along the last axis without values beyond ``clip`` sigma.

    Clipping is repeated until no value is beyond.

    Parameters
    ----------
    values : (ints, groups, n) float32
    clip : float, sigma

    Returns
    -------
    (ints, groups) float64
        NaN where n is 0.
    """
    n_ints, n_groups, n_values = values.shape
    means, kept = np.empty((n_ints, n_groups)), np.empty(n_values)
    for i in range(n_ints):
        for group in range(n_groups):
            for k in range(n_values):
                kept[k] = values[i, group, k]
            n, before = n_values, n_values + 1
            mean = np.nan
            while 0 < n < before:
                total, square = 0.0, 0.0
                for k in range(n):
                    total += kept[k]
                mean = total / n
                for k in range(n):
                    square += (kept[k] - mean) ** 2
                limit = clip * np.sqrt(square / n)
                before, n = n, 0
                for k in range(before):
                    if abs(kept[k] - mean) <= limit:
                        kept[n] = kept[k]
                        n += 1
            means[i, group] = mean
    return means


@kernel
def running_medians(
    series: NDArray[np.float32], usable: NDArray[np.bool_], half: int
) -> NDArray[np.float64]:
    """Return the median of the usable values at most ``half`` rows away.

    At the ends, rows are mirrored at the first and last row.

    Parameters
    ----------
    series : (n_series, rows, width) float32
    usable : (rows, width) bool
    half : int
        Less than the number of rows.

    Returns
    -------
    (n_series, rows) float64
        NaN where no value is usable.
    """
    n_series, n_rows, width = series.shape
    medians = np.full((n_series, n_rows), np.nan)
    window = np.empty((2 * half + 1) * width, np.float32)
    for s in range(n_series):
        n = 0
        for row in range(-half, n_rows + half):
            entering = min(abs(row), 2 * (n_rows - 1) - row)
            leaving = abs(row - 2 * half - 1)
            for k in range(width):
                if row > half and usable[leaving, k]:
                    n = _remove(window, n, series[s, leaving, k])
                if usable[entering, k]:
                    n = _insert(window, n, series[s, entering, k])
            if row >= half and n > 0:
                low, high = window[(n - 1) // 2], window[n // 2]
                medians[s, row - half] = np.float32(0.5) * (low + high)
    return medians


@kernel
def _insert(ordered: NDArray[np.float32], n: int, value: float) -> int:
    """Insert a value into the first ``n`` sorted ones; return their new number."""
    place = n
    while place > 0 and ordered[place - 1] > value:
        ordered[place] = ordered[place - 1]
        place -= 1
    ordered[place] = value
    return n + 1


@kernel
def _remove(ordered: NDArray[np.float32], n: int, value: float) -> int:
    """Remove a value from the first ``n`` sorted ones; return their new number."""
    place = 0
    while ordered[place] < value:
        place += 1
    for k in range(place, n - 1):
        ordered[k] = ordered[k + 1]
    return n - 1


@kernel
def _subtract_offsets(
    counts: NDArray[np.float32],
    columns: NDArray[np.float32],
    rows: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Subtract the offset of each column, then that of each row."""
    n_ints, n_groups, _, n_cols = counts.shape
    for row in range(start, stop):
        for i in range(n_ints):
            for group in range(n_groups):
                level = rows[i, group, row]
                for col in range(n_cols):
                    value = counts[i, group, row, col] - columns[i, group, col]
                    counts[i, group, row, col] = value - level
