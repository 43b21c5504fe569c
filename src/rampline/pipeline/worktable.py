"""What the passes over the exposures of one filter share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import PixelMap
from ..exposure.records import Plane
from ..mosaic.drizzle import DrizzleInput
from ..mosaic.window import Window, split_grid
from .runner import Bench
from .shelf import Shelf

WINDOW_ROWS, WINDOW_COLS = 256, 1024
"""At most: small enough that the sums stay in the cache while all exposures are added, large
enough for few edges, at which pixels are looked at twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfItem:
    """The planes of one exposure in memory."""

    ready: DrizzleInput
    err: Plane


@dataclass(frozen=True, slots=True, kw_only=True)
class Worktable:
    """What all passes over one filter share.

    Attributes
    ----------
    shelf : Shelf of ShelfItem
    maps : tuple of PixelMap
    boxes : tuple of Window
        The part of the grid that each exposure may reach.
    shape : (int, int)
        Rows and columns of the grid.
    bench : Bench
    outliers : list of (rows, cols) bool
        Of each exposure: its weight is 0 there. Filled by
        `rampline.pipeline.find_outliers`.
    """

    shelf: Shelf[ShelfItem]
    maps: tuple[PixelMap, ...]
    boxes: tuple[Window, ...]
    shape: tuple[int, int]
    bench: Bench
    outliers: list[NDArray[np.bool_]]

    def windows(self) -> list[Window]:
        """Return the windows of the grid."""
        return split_grid(self.shape, WINDOW_ROWS, WINDOW_COLS)
