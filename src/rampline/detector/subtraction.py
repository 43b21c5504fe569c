"""Subtract planes that are unknown in some pixels: there nothing is subtracted."""

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import kernel


@kernel
def subtract_known(counts: NDArray[np.float32], planes: NDArray[np.float32]) -> None:
    """Subtract, in place, a plane of each group where the plane is not NaN.

    Parameters
    ----------
    counts : (ints, groups, rows, cols) float32
        Owned by the caller; changed.
    planes : (groups or 1, rows, cols) float32
        One plane serves all groups.
    """
    n_ints, n_groups, n_rows, n_cols = counts.shape
    step = 0 if planes.shape[0] == 1 else 1
    zero = np.float32(0)
    for i in range(n_ints):
        for row in range(n_rows):
            for group in range(n_groups):
                plane = group * step
                for col in range(n_cols):
                    value = planes[plane, row, col]
                    counts[i, group, row, col] -= zero if np.isnan(value) else value
