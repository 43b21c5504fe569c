"""Sources by their cores: what is brighter than its surroundings in every direction.

Stars and galaxies have a core; wisps, claws and stripes are ridges, which go on to either
side, or hazes wider than a core. A block counts if it stands out of the mean of its two
neighbours on opposite sides in all of eight directions. Around a core the light that belongs
to it is masked as far as it stands out by itself, but only so far: what crosses a source need
not be a part of it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..numerics.selection import robust_scatter
from .source_mask import BLOCK, average_blocks, spread_blocks

THRESHOLD: Final = 4.0
"""Contrast of a core over the scatter of all contrasts."""
PAIRS: Final = ((3, 0), (3, 1), (2, 2), (1, 3), (0, 3), (-1, 3), (-2, 2), (-3, 1))
"""Rows and columns of a neighbour, blocks; the other one lies opposite."""
REACHES: Final = ((0.0, 6), (300.0, 12), (3000.0, 24), (30000.0, 50))
"""Contrast from which on light is followed so many blocks away from a core: stars fade with
the third power of the distance."""
_MARGIN: Final = 3
_GROWTH: Final = 2
"""Blocks to each side of what was found."""


def mask_cores(
    values: NDArray[np.float32], is_light: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the pixels of sources that have a core.

    Parameters
    ----------
    values : (rows, cols) float32
        Image, any unit; NaN where unknown.
    is_light : (rows, cols) bool
        Pixels that stand out of the sky, whatever their light is.

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
        near = ndimage.maximum_filter(seeds.view(np.uint8), size=2 * reach + 1) > 0
        found |= ndimage.binary_propagation(seeds, mask=(light | seeds) & near)
    size = 2 * _GROWTH + 1
    grown = ndimage.maximum_filter(found.view(np.uint8), size=size) > 0
    return spread_blocks(np.asarray(grown, np.bool_), shape)


def _contrast(mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by how much blocks stand out of all pairs around them, in robust sigma."""
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
        # beside an edge a pair has one member
        pair = np.where(np.isfinite(one) & np.isfinite(other), 0.5 * (one + other), one)
        highest = np.fmax(highest, np.where(np.isfinite(pair), pair, other))
    above = mean - highest
    scatter = robust_scatter(above)
    if not scatter > 0.0:
        return np.zeros(mean.shape, np.float32)
    above = (above - np.float32(np.nanmedian(above))) / np.float32(scatter)
    return np.asarray(np.nan_to_num(above, nan=0.0), np.float32)
