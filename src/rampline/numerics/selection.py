"""Order statistics, and what they say about a scatter."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .jit import kernel

MAD_TO_SIGMA = 1.482602218505602
"""Standard deviation over median absolute deviation of a normal distribution."""


def robust_scatter(values: NDArray[np.floating[Any]]) -> float:
    """Return the standard deviation of values, few of which are far from the others.

    Parameters
    ----------
    values : (...) float
        What is not finite is left out.

    Returns
    -------
    float
        From the median of the distances from the median; NaN where no value is finite.
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return float("nan")
    return MAD_TO_SIGMA * float(np.median(np.abs(known - np.median(known))))


@kernel
def select(values: NDArray[np.floating[Any]], n: int, k: int) -> float:
    """Return the ``k``-th smallest (from 0) of the first ``n`` values, reordering them.

    Hoare's selection with the middle of three as the pivot; no value may be NaN.
    """
    low, high = 0, n - 1
    while low < high:
        a, b, c = values[low], values[(low + high) // 2], values[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return float(values[k])


@kernel
def select_median(values: NDArray[np.float32], n: int) -> float:
    """Return the median of the first ``n`` values (the lower one if ``n`` is even)."""
    return select(values, n, (n - 1) // 2)
