"""The sky without its passing events: the median of the dithers.

Each exposure is laid alone onto the window; output pixels that it covers too thinly are left
out; the median of the others is the picture that outliers are held against. Layers are
sorted by a network of comparisons (Batcher 1968), the same for all pixels, so that many
pixels are sorted at a time.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.jit import kernel

LANES = 256
"""Pixels along a row that are sorted together: a dozen layers of them stay in the cache."""


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
        NaN where an exposure does not look, or not well. Owned: sorted in place.
    tolerance : (exposures,) float64, (MJy/sr)**2
        Two exposures contradict each other where the square of their difference is above
        the sum of their tolerances, and the brighter more than ``contrast`` times the
        fainter.
    blank : float, MJy/sr
        Level of blank sky in the layers.
    contrast : float
        What a star may differ by from dither to dither:
        `rampline.mosaic.undersampling.contrast_of_dithers`.

    Returns
    -------
    (rows, cols) float32, MJy/sr
        NaN where fewer than two exposures look: one exposure cannot judge itself. The JWST
        pipeline keeps that one. Where two are left their mean, but the lower one where they
        contradict each other, because what passes by is bright: held against the mean, as
        the JWST pipeline does it, both would be flagged and leave a hole. On the core of an
        undersampled star two dithers differ by far more than noise, but not by any factor.
    """
    median = np.empty(layers.shape[1:], np.float32)
    judge = tolerance, blank, contrast - 1.0
    sort_and_pick(layers, sorting_network(len(layers)), judge, median)
    return median


def sorting_network(n: int) -> NDArray[np.int64]:
    """Return pairs to compare one after the other, (pairs, 2), the lower number first.

    Notes
    -----
    Batcher's merge exchange for any number: Knuth, The Art of Computer Programming 3,
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

    ``judge`` is the tolerance, the level of blank sky and the contrast less 1.
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
    """Count the layers that are known, add up their tolerances, put infinity for NaN."""
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
    """Put the lower of each pair of values into the first line."""
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
    """Write the middle of the first ``count`` layers, which are sorted."""
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
