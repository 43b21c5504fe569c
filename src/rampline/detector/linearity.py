"""Linearise counts, so that they are proportional to charge.

A pixel's capacitance grows as its well fills, so that near the full well its counts are a
few per cent too low. A polynomial for each pixel, measured on lamp ramps, corrects this.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags8, Flags32
from ..flags import NO_LINEARITY, SATURATED
from ..numerics.jit import fast_kernel, kernel
from ..params import StepParams


class LinearityParams(StepParams):
    """How counts are linearised."""

    averaged: Literal["spread", "jwst"] = "spread"
    """``spread``: the spread of the reads of an averaged group is taken into account;
    ``jwst``: their mean is treated like a single read."""


def correct_linearity(
    counts: NDArray[np.float32],
    group_flags: Flags8,
    coefficients: NDArray[np.float32],
    flags: Flags32 | None,
    rows: slice,
) -> NDArray[np.bool_]:
    """Evaluate each pixel's polynomial at its counts, in place.

    Counts of saturated groups and of pixels with unknown polynomials are not changed.

    Parameters
    ----------
    counts : (ints, groups, rows, cols) float32, DN
        Bias-subtracted; owned by the caller; changed in ``rows`` only.
    group_flags : (ints, groups, rows, cols) uint8
        SATURATED is read.
    coefficients : (coefficients, rows, cols) float32
        Constant term first.
    flags : (rows, cols) uint32, or None
        Flags of the linearity file: NO_LIN_CORR is read.
    rows : slice
        Rows to work on.

    Returns
    -------
    (rows of the slice, cols) bool
        True where the polynomial is unknown: flagged, a NaN coefficient, or no linear term.

    Notes
    -----
    Agrees with the ``linearity`` step of ``jwst`` for files without inverse coefficients.
    """
    unknown = _unknown_polynomials(coefficients, rows.start, rows.stop)
    if flags is not None:
        unknown |= (flags[rows] & NO_LINEARITY) != 0
    apply_polynomials(counts, group_flags, coefficients, unknown, rows)
    return unknown


def apply_polynomials(
    counts: NDArray[np.float32],
    group_flags: Flags8,
    coefficients: NDArray[np.float32],
    unknown: NDArray[np.bool_],
    rows: slice,
) -> None:
    """Evaluate each pixel's polynomial at its counts, in place, where it is known.

    Parameters
    ----------
    counts, group_flags, coefficients, rows
        As of `correct_linearity`.
    unknown : (rows of the slice, cols) bool
        As `correct_linearity` returns it.
    """
    _evaluate(counts, group_flags, SATURATED, coefficients, unknown, rows.start)


@kernel
def _unknown_polynomials(
    coefficients: NDArray[np.float32], start: int, stop: int
) -> NDArray[np.bool_]:
    """Return where a coefficient is NaN or the linear one is 0, in a band of rows."""
    n_coefficients, _, n_cols = coefficients.shape
    unknown = np.empty((stop - start, n_cols), np.bool_)
    for row in range(start, stop):
        own = unknown[row - start]
        for col in range(n_cols):
            own[col] = coefficients[1, row, col] == 0
        for k in range(n_coefficients):
            for col in range(n_cols):
                own[col] |= np.isnan(coefficients[k, row, col])
    return unknown


@fast_kernel
def _evaluate(
    counts: NDArray[np.float32],
    group_flags: Flags8,
    saturated: int,
    coefficients: NDArray[np.float32],
    unknown: NDArray[np.bool_],
    start: int,
) -> None:
    """Replace counts by their polynomial where they are not saturated.

    Row 0 of ``unknown`` belongs to row ``start`` of the others.
    """
    n_ints, n_groups, _, n_cols = counts.shape
    last = coefficients.shape[0] - 1
    bit = np.uint8(saturated)
    linear = np.empty(n_cols, np.float32)
    for own in range(unknown.shape[0]):
        row = start + own
        keep, first = unknown[own], coefficients[last, row]
        for i in range(n_ints):
            for group in range(n_groups):
                value = counts[i, group, row]
                flags = group_flags[i, group, row]
                if last % 2 == 0:
                    for col in range(n_cols):
                        linear[col] = first[col]
                else:
                    even = coefficients[last - 1, row]
                    for col in range(n_cols):
                        linear[col] = first[col] * value[col] + even[col]
                # two terms at a time halve the number of passes
                for k in range(last - last % 2 - 1, 0, -2):
                    odd, even = coefficients[k, row], coefficients[k - 1, row]
                    for col in range(n_cols):
                        term = linear[col] * value[col] + odd[col]
                        linear[col] = term * value[col] + even[col]
                for col in range(n_cols):
                    old, new = value[col], linear[col]
                    is_kept = keep[col] | ((flags[col] & bit) != 0)
                    value[col] = old if is_kept else new
