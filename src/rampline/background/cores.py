"""Find sources by their cores, brighter than their surroundings in every direction.

Stars and galaxies have a core; wisps, claws and stripes are ridges, which continue on
either side, or diffuse light wider than a core. A block is a core if it exceeds the
mean of its two neighbours on opposite sides in all of eight directions. The light
around a core is masked where it is connected to the core and above the sky, but only
out to a limited distance, because a feature that crosses a source need not belong to
it.
"""

from typing import Final

import numpy as np
import scipy
from numpy.typing import NDArray

from ..numerics.selection import robust_scatter
from .source_mask import BLOCK, average_blocks, spread_blocks

THRESHOLD: Final = 4.0
"""Minimum contrast of a core, in units of the scatter of all contrasts."""
PAIRS: Final = ((3, 0), (3, 1), (2, 2), (1, 3), (0, 3), (-1, 3), (-2, 2), (-3, 1))
"""Row and column offset of a neighbour, blocks; the other one lies opposite."""
REACHES: Final = ((0.0, 6), (300.0, 12), (3000.0, 24), (30000.0, 50))
"""Minimum contrast of a core, and the number of blocks out to which its light is
followed: stars fade with the third power of the distance."""
_MARGIN: Final = 3
_GROWTH: Final = 2
"""Margin around the mask, blocks to each side."""


def mask_cores(
    values: NDArray[np.float32], is_light: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the pixels of sources that have a core.

    Parameters
    ----------
    values : (rows, cols) float32
        Image, any unit; NaN where unknown.
    is_light : (rows, cols) bool
        Pixels above the sky, whatever the origin of their light.

    Returns
    -------
    (rows, cols) bool
        Cores, the light around them, and a margin of two blocks of 4 pixels.
    """
    shape = (values.shape[0], values.shape[1])
    mean = average_blocks(values, np.isfinite(values)).mean
    contrast = _contrast(mean)
    found = contrast > THRESHOLD
    light = is_light[::BLOCK, ::BLOCK]
    for least, reach in REACHES:
        seeds = found & (contrast > least)
        near = (
            scipy.ndimage.maximum_filter(seeds.view(np.uint8), size=2 * reach + 1) > 0
        )
        found |= scipy.ndimage.binary_propagation(seeds, mask=(light | seeds) & near)
    size = 2 * _GROWTH + 1
    grown = scipy.ndimage.maximum_filter(found.view(np.uint8), size=size) > 0
    return spread_blocks(np.asarray(grown, np.bool_), shape)


def _contrast(mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far blocks exceed all pairs of neighbours, in robust sigma."""
    padded = np.pad(mean, _MARGIN, constant_values=np.nan)
    n_rows, n_cols = mean.shape
    highest = np.full(mean.shape, np.nan, np.float32)
    for row, col in PAIRS:
        one, other = (
            padded[
                _MARGIN + r : _MARGIN + r + n_rows, _MARGIN + c : _MARGIN + c + n_cols
            ]
            for r, c in ((row, col), (-row, -col))
        )
        # near an edge a pair has one member
        pair = np.where(np.isfinite(one) & np.isfinite(other), 0.5 * (one + other), one)
        highest = np.fmax(highest, np.where(np.isfinite(pair), pair, other))
    above = mean - highest
    scatter = robust_scatter(above)
    if not scatter > 0.0:
        return np.zeros(mean.shape, np.float32)
    above = (above - np.float32(np.nanmedian(above))) / np.float32(scatter)
    return np.asarray(np.nan_to_num(above, nan=0.0), np.float32)
