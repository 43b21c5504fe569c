"""Order statistics, and what they say about a scatter."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .jit import kernel

MAD_TO_SIGMA = 1.482602218505602
"""Standard deviation over median absolute deviation of a normal distribution."""
MEDIAN_NOISE = 1.2533141373155003
"""Noise of a median of many normal values over that of their mean: root of pi / 2."""


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


def sorted_quantiles(
    ordered: NDArray[np.float32], quantiles: tuple[float, ...]
) -> list[float]:
    """Return the quantiles of sorted values as `numpy.quantile` does, without a search.

    Parameters
    ----------
    ordered : (n,) float32
        In ascending order, at least one, no NaN.
    quantiles : tuple of float
        From 0 to 1.
    """
    found, last = [], ordered.size - 1
    for quantile in quantiles:
        place = quantile * last
        below = min(int(place), max(last - 1, 0))
        low, high = float(ordered[below]), float(ordered[min(below + 1, last)])
        found.append(low + (high - low) * (place - below))
    return found


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


_SAMPLE = 256
"""Values of a sample that brackets an order statistic."""
_WORTH_IT = 512
"""Values from which a sample pays."""


@kernel
def select_two(
    rows: NDArray[np.float32], n: int, ranks: tuple[int, int]
) -> tuple[float, float]:
    """Return two order statistics of the first ``n`` values of ``rows[0]``.

    Sorted samples bracket both; one pass without branches, which is what selection spends
    its time on, collects what lies between, in ``rows[1]`` and ``rows[2]``. ``rows[0]``
    may be reordered.
    """
    values, lower, upper = rows[0], rows[1], rows[2]
    if n >= _WORTH_IT:
        bounds = bracket(values, n, ranks)
        below_low, n_low, below_high, n_high = 0, 0, 0, 0
        a, b, c, d = bounds[0], bounds[1], bounds[2], bounds[3]
        for i in range(n):
            value = values[i]
            lower[n_low] = value
            upper[n_high] = value
            below_low += value < a
            n_low += (value >= a) & (value <= b)
            below_high += value < c
            n_high += (value >= c) & (value <= d)
        low, high = ranks[0] - below_low, ranks[1] - below_high
        if 0 <= low < n_low and 0 <= high < n_high:
            return select(lower, n_low, low), select(upper, n_high, high)
    return select(values, n, ranks[0]), select(values, n, ranks[1])


@kernel
def bracket(
    values: NDArray[np.float32], n: int, ranks: tuple[int, int]
) -> NDArray[np.float32]:
    """Return lower and upper bounds of two order statistics, nearly always right.

    They lie three standard deviations of the sample's ranks to both sides.
    """
    sample = np.empty(_SAMPLE, np.float32)
    for i in range(_SAMPLE):
        sample[i] = values[i * n // _SAMPLE]
    bounds = np.empty(4, np.float32)
    for k in range(2):
        share = ranks[k] / n
        reach = 3.0 * np.sqrt(_SAMPLE * share * (1.0 - share)) + 1.0
        first = max(0, int(_SAMPLE * share - reach))
        last = min(_SAMPLE - 1, int(_SAMPLE * share + reach) + 1)
        bounds[2 * k] = select(sample, _SAMPLE, first)
        bounds[2 * k + 1] = select(sample, _SAMPLE, last)
    return bounds
