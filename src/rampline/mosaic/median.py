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
UNUSABLE = np.float32(np.inf)
"""Stands for an exposure without a usable pixel."""
OUTSIDE = np.finfo(np.float32).max
"""Stands for an exposure that does not cover the place."""
STEEPEST_CHANGE = 3.0
"""Where two dithers of a star differ by more than this multiple of the steepness of the
lower one, the lower one represents the star as well as their mean does: found for the
images of `rampline.mosaic.undersampling`."""


def median_of_layers(
    layers: Plane, blank: float = 0.0, contrast: float = np.inf
) -> Plane:
    """Return the median of exposures on a window of the grid.

    Parameters
    ----------
    layers : (exposures, rows, cols) float32, MJy/sr
        NaN outside an exposure, infinite where it has no usable pixel. Owned; sorted in
        place.
    blank : float, MJy/sr
        Level of blank sky in the layers.
    contrast : float
        Largest ratio of a star's brightness between dithers:
        `rampline.mosaic.undersampling.contrast_of_dithers`. Infinite: of two exposures
        always the mean.

    Returns
    -------
    (rows, cols) float32, MJy/sr
        NaN where one exposure alone covers the sky, because it cannot be tested against
        itself; the JWST pipeline keeps it. Where all others have no usable pixel, its
        value. For two exposures see `settle_pairs`.
    """
    median = np.empty(layers.shape[1:], np.float32)
    sort_and_pick(layers, sorting_network(len(layers)), median)
    if len(layers) > 1 and np.isfinite(contrast):
        settle_pairs(layers, blank, contrast - 1.0, median)
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
    layers: NDArray[np.float32], pairs: NDArray[np.int64], out: NDArray[np.float32]
) -> None:
    """Sort over the first axis and write the median; see `median_of_layers`."""
    rows, cols = out.shape
    count = np.empty(LANES, np.int64)
    for row in range(rows):
        for start in range(0, cols, LANES):
            stop = min(start + LANES, cols)
            count_known(layers[:, row, start:stop], count)
            for k in range(pairs.shape[0]):
                lower = layers[pairs[k, 0], row, start:stop]
                upper = layers[pairs[k, 1], row, start:stop]
                exchange(lower, upper)
            pick_middle(layers[:, row, start:stop], count, out[row, start:stop])


@kernel
def count_known(layers: NDArray[np.float32], count: NDArray[np.int64]) -> None:
    """Count the finite layers, and replace NaN by what is higher than those."""
    count[:] = 0
    for k in range(layers.shape[0]):
        line = layers[k]
        for i in range(len(line)):
            value = line[i]
            line[i] = value if value <= UNUSABLE else OUTSIDE
            count[i] += 1 if value < OUTSIDE else 0


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
    layers: NDArray[np.float32], count: NDArray[np.int64], out: NDArray[np.float32]
) -> None:
    """Write the median of the first ``count`` layers, which are sorted."""
    last = layers.shape[0] - 1
    for i in range(len(out)):
        n = count[i]
        middle = np.float32(np.nan)
        if n > 1 or (n == 1 and layers[last, i] > OUTSIDE):
            a, b = layers[(n - 1) // 2, i], layers[n // 2, i]
            middle = np.float32(0.5) * (a + b)
        out[i] = middle


@kernel
def settle_pairs(
    layers: NDArray[np.float32], blank: float, surplus: float, out: NDArray[np.float32]
) -> None:
    """Replace the mean of two exposures that contradict each other.

    On a star, two dithers differ by a limited factor, ``surplus`` more than 1, and by a
    limited multiple of the steepness of the lower one. Of those that differ by more
    the lower is taken, because transient events are bright, but not below the level of
    its neighbours.
    """
    n, rows, cols = layers.shape
    low, high = layers[0], layers[1]
    third = layers[min(2, n - 1)]
    for row in range(rows):
        few = 0
        for col in range(cols):
            few += third[row, col] >= OUTSIDE
        if n > 2 and few == 0:
            continue
        for col in range(cols):
            a, b = low[row, col], high[row, col]
            if b >= OUTSIDE or (n > 2 and third[row, col] < OUTSIDE):
                continue
            steepest, total, known = np.float32(0.0), np.float32(0.0), 0
            for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                y, x = row + i, col + j
                if 0 <= y < rows and 0 <= x < cols and low[y, x] < OUTSIDE:
                    steepest = max(steepest, abs(low[y, x] - a))
                    total += low[y, x]
                    known += 1
            if b - a > min(surplus * (a - blank), STEEPEST_CHANGE * steepest):
                level = total / known if known else a
                out[row, col] = max(a, min(b, level))
