"""Make counts proportional to charge.

A pixel's capacitance grows as its well fills, so its counts fall behind its charge by a few
per cent near the full well. A polynomial of each pixel, measured on lamp ramps, undoes it.
The mean of several reads is treated like a single read.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags8, Flags32
from ..flags import NO_LINEARITY, SATURATED
from ..numerics.jit import fast_kernel, kernel
from ..params import StepParams


class LinearityParams(StepParams):
    """Whether counts are made linear."""


def correct_linearity(
    counts: NDArray[np.float32],
    group_flags: Flags8,
    coefficients: NDArray[np.float32],
    flags: Flags32 | None,
) -> NDArray[np.bool_]:
    """Evaluate each pixel's polynomial at its counts, in place.

    Counts of saturated groups, and of pixels whose polynomial is unknown, stay as they are.

    Parameters
    ----------
    counts : (ints, groups, rows, cols) float32, DN
        Bias-subtracted; owned by the caller; changed.
    group_flags : (ints, groups, rows, cols) uint8
        SATURATED is read.
    coefficients : (coefficients, rows, cols) float32
        Constant term first.
    flags : (rows, cols) uint32, or None
        Flags of the linearity file: NO_LIN_CORR is read.

    Returns
    -------
    (rows, cols) bool
        True where the polynomial is unknown: flagged, a NaN coefficient, or no linear term.

    Notes
    -----
    Agrees with the ``linearity`` step of ``jwst`` for files without inverse coefficients.
    """
    unknown = _unknown_polynomials(coefficients)
    if flags is not None:
        unknown |= (flags & NO_LINEARITY) != 0
    _evaluate(counts, group_flags, SATURATED, coefficients, unknown)
    return unknown


@kernel
def _unknown_polynomials(coefficients: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where a coefficient is NaN or the linear one is 0."""
    n_coefficients, n_rows, n_cols = coefficients.shape
    unknown = np.empty((n_rows, n_cols), np.bool_)
    for row in range(n_rows):
        for col in range(n_cols):
            unknown[row, col] = coefficients[1, row, col] == 0
        for k in range(n_coefficients):
            for col in range(n_cols):
                unknown[row, col] |= np.isnan(coefficients[k, row, col])
    return unknown


@fast_kernel
def _evaluate(
    counts: NDArray[np.float32],
    group_flags: Flags8,
    saturated: int,
    coefficients: NDArray[np.float32],
    unknown: NDArray[np.bool_],
) -> None:
    """Replace counts by their polynomial where they are not saturated."""
    n_ints, n_groups, n_rows, n_cols = counts.shape
    n_coefficients = coefficients.shape[0]
    bit = np.uint8(saturated)
    linear = np.empty(n_cols, np.float32)
    for row in range(n_rows):
        for i in range(n_ints):
            for group in range(n_groups):
                linear[:] = coefficients[n_coefficients - 1, row]
                for k in range(n_coefficients - 2, -1, -1):
                    for col in range(n_cols):
                        linear[col] = (
                            linear[col] * counts[i, group, row, col]
                            + coefficients[k, row, col]
                        )
                for col in range(n_cols):
                    keep = unknown[row, col] | (
                        (group_flags[i, group, row, col] & bit) != 0
                    )
                    value = counts[i, group, row, col]
                    counts[i, group, row, col] = value if keep else linear[col]
