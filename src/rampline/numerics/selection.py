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


_NEAR = 0.1
"""Distance of the bounds for the next values from what was found, over that of the two."""


@kernel
def select_two(
    rows: NDArray[np.float32],
    n: int,
    ranks: tuple[int, int],
    bounds: NDArray[np.float32],
) -> tuple[float, float]:
    """Return two order statistics of the first ``n`` values of ``rows[0]``.

    One pass without branches, which is what selection spends its time on, collects what
    lies between ``bounds`` (4,): around what was found last, NaN at first. Where they do not
    hold, sorted samples bracket both. ``rows`` (3, n) may be reordered and overwritten.
    """
    values, lower, upper = rows[0], rows[1], rows[2]
    if n >= _WORTH_IT:
        for attempt in range(2):
            if attempt == 1:
                bracket(values, n, ranks, bounds)
            below_low, n_low = collect(values, n, (bounds[0], bounds[1]), lower)
            below_high, n_high = collect(values, n, (bounds[2], bounds[3]), upper)
            low, high = ranks[0] - below_low, ranks[1] - below_high
            if 0 <= low < n_low and 0 <= high < n_high:
                first, second = select(lower, n_low, low), select(upper, n_high, high)
                reach = _NEAR * (second - first)
                bounds[0], bounds[1] = first - reach, first + reach
                bounds[2], bounds[3] = second - reach, second + reach
                return first, second
    return select(values, n, ranks[0]), select(values, n, ranks[1])


@kernel
def collect(
    values: NDArray[np.float32],
    n: int,
    bounds: tuple[np.float32, np.float32],
    out: NDArray[np.float32],
) -> tuple[int, int]:
    """Put values within bounds into ``out``; return how many lie below, and how many within.

    NaN are neither.
    """
    first, last = bounds
    below, within = 0, 0
    for i in range(n):
        value = values[i]
        # an unsigned index needs no check for negative wraparound: then this is vector code
        out[np.uintp(within)] = value
        below += 1 if value < first else 0
        within += 1 if (value >= first) & (value <= last) else 0
    return below, within


@kernel
def bracket(
    values: NDArray[np.float32],
    n: int,
    ranks: tuple[int, int],
    bounds: NDArray[np.float32],
) -> None:
    """Write lower and upper bounds of two order statistics, nearly always right.

    They lie three standard deviations of the sample's ranks to both sides.
    """
    sample = np.empty(_SAMPLE, np.float32)
    for i in range(_SAMPLE):
        sample[i] = values[i * n // _SAMPLE]
    for k in range(2):
        share = ranks[k] / n
        reach = 3.0 * np.sqrt(_SAMPLE * share * (1.0 - share)) + 1.0
        first = max(0, int(_SAMPLE * share - reach))
        last = min(_SAMPLE - 1, int(_SAMPLE * share + reach) + 1)
        bounds[2 * k] = select(sample, _SAMPLE, first)
        bounds[2 * k + 1] = select(sample, _SAMPLE, last)
