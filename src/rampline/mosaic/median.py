"""The median of the dithers: the sky without transient events such as cosmic rays.

Each exposure is resampled separately onto the window, without output pixels of too low
a weight; outliers are found by comparison with the median of these layers. Layers are
sorted by a sorting network (Batcher 1968), which is the same for all pixels, so that
many pixels are sorted at a time.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.jit import kernel

LANES = 256
"""Pixels along a row that are sorted together: a dozen layers of them fit in the cache."""


def median_of_layers(
    layers: Plane,
    tolerance: NDArray[np.float64],
    blank: float = 0.0,
    contrast: float = 2.0,
) -> Plane:
    """Return the median of exposures on a window of the grid.

    Parameters
    ----------
    layers : (exposures, rows, cols) float32, MJy/sr
        NaN where an exposure has no data or too little weight. Owned; sorted in place.
    tolerance : (exposures,) float64, (MJy/sr)**2
        Two exposures contradict each other where their squared difference exceeds the
        sum of their tolerances, and the brighter one, above ``blank``, is more than
        ``contrast`` times the fainter.
    blank : float, MJy/sr
        Level of blank sky in the layers.
    contrast : float
        Largest ratio of a star's brightness between dithers:
        `rampline.mosaic.undersampling.contrast_of_dithers`.

    Returns
    -------
    (rows, cols) float32, MJy/sr
        NaN where fewer than two exposures have data, because a single exposure cannot
        be tested against itself; the JWST pipeline keeps it. For two exposures, their
        mean, or the lower value where they contradict each other, because transient
        events are bright: compared with the mean, as in the JWST pipeline, both would
        be flagged and leave a hole. On the core of an undersampled star two dithers
        differ by far more than noise, but by a limited factor.
    """
    median = np.empty(layers.shape[1:], np.float32)
    judge = tolerance, blank, contrast - 1.0
    sort_and_pick(layers, sorting_network(len(layers)), judge, median)
    return median


def sorting_network(n: int) -> NDArray[np.int64]:
    """Return the pairs to compare in sequence, (pairs, 2), the lower index first.

    Notes
    -----
    Batcher's merge exchange for any ``n``: Knuth, The Art of Computer Programming 3,
    section 5.2.2, algorithm M.
    """
    pairs = []
    p = top = 1 << max(0, (n - 1).bit_length() - 1)
    while p > 0 and n > 1:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.array(pairs, np.int64).reshape(-1, 2)


@kernel
def sort_and_pick(
    layers: NDArray[np.float32],
    pairs: NDArray[np.int64],
    judge: tuple[NDArray[np.float64], float, float],
    out: NDArray[np.float32],
) -> None:
    """Write the median over the first axis; see `median_of_layers`.

    ``judge`` is the tolerance, the level of blank sky and the contrast minus 1.
    """
    tolerance, blank, surplus = judge
    rows, cols = out.shape
    count = np.empty(LANES, np.int64)
    allowed = np.empty(LANES)
    for row in range(rows):
        for start in range(0, cols, LANES):
            stop = min(start + LANES, cols)
            count_known(layers[:, row, start:stop], tolerance, count, allowed)
            for k in range(pairs.shape[0]):
                lower = layers[pairs[k, 0], row, start:stop]
                upper = layers[pairs[k, 1], row, start:stop]
                exchange(lower, upper)
            middle = out[row, start:stop]
            limits = allowed, blank, surplus
            pick_middle(layers[:, row, start:stop], count, limits, middle)


@kernel
def count_known(
    layers: NDArray[np.float32],
    tolerance: NDArray[np.float64],
    count: NDArray[np.int64],
    allowed: NDArray[np.float64],
) -> None:
    """Count the finite layers, sum their tolerances, and replace NaN by infinity."""
    count[:] = 0
    allowed[:] = 0.0
    for k in range(layers.shape[0]):
        line, each = layers[k], tolerance[k]
        for i in range(len(line)):
            value = line[i]
            known = value == value  # noqa: PLR0124
            line[i] = value if known else np.float32(np.inf)
            count[i] += 1 if known else 0
            allowed[i] += each if known else 0.0


@kernel
def exchange(lower: NDArray[np.float32], upper: NDArray[np.float32]) -> None:
    """Put the lower of each pair of values into the first array."""
    for i in range(len(lower)):
        a, b = lower[i], upper[i]
        swap = b < a
        lower[i] = b if swap else a
        upper[i] = a if swap else b


@kernel
def pick_middle(
    layers: NDArray[np.float32],
    count: NDArray[np.int64],
    limits: tuple[NDArray[np.float64], float, float],
    out: NDArray[np.float32],
) -> None:
    """Write the median of the first ``count`` layers, which are sorted."""
    allowed, blank, surplus = limits
    for i in range(len(out)):
        n = count[i]
        middle = np.float32(np.nan)
        if n > 1:
            a, b = layers[(n - 1) // 2, i], layers[n // 2, i]
            middle = np.float32(0.5) * (a + b)
            if n == 2 and (b - a) ** 2 > allowed[i] and b - a > surplus * (a - blank):
                middle = a
        out[i] = middle
