"""Subtract planes that may be unknown (NaN) in some pixels, which are not changed."""

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import kernel


def subtract_known(
    counts: NDArray[np.float32], planes: NDArray[np.float32], rows: slice
) -> None:
    """Subtract the plane of each group where it is not NaN, in place.

    Parameters
    ----------
    counts : (ints, groups, rows, cols) float32
        Owned by the caller; changed in ``rows`` only.
    planes : (groups or 1, rows, cols) float32
        A single plane is used for all groups.
    rows : slice
        Rows to work on.
    """
    _subtract_known(counts, planes, rows.start, rows.stop)


@kernel
def _subtract_known(
    counts: NDArray[np.float32], planes: NDArray[np.float32], start: int, stop: int
) -> None:
    """Subtract planes where they are not NaN."""
    n_ints, n_groups, _, n_cols = counts.shape
    step = 0 if planes.shape[0] == 1 else 1
    zero = np.float32(0)
    for row in range(start, stop):
        for i in range(n_ints):
            for group in range(n_groups):
                plane = group * step
                for col in range(n_cols):
                    value = planes[plane, row, col]
                    counts[i, group, row, col] -= zero if np.isnan(value) else value
