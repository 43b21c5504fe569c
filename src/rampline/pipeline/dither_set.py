"""What the passes over the exposures of one filter share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import PixelMap
from ..mosaic.drizzle import DrizzleInput
from ..mosaic.layers import pixel_area
from ..mosaic.window import Window, box_of, split_grid
from .exposure_cache import ExposureCache
from .runner import Bench

WINDOW_ROWS, WINDOW_COLS = 256, 1024
"""At most: at edges of windows pixels are looked at twice, and by few at a time. Windows of 512
rows save the drizzle of turned exposures a tenth of its arithmetic, but fresh memory for their
sums costs as much, and with their layers they take another 60 MB."""
WINDOWS_A_THREAD = 4
"""At least, so that no thread waits long for the last."""
LEAST_ROWS = 64
"""Lower windows are not worth their edges."""


def nothing() -> None:
    """Let go of nothing."""


class PlaneStore(NamedTuple):
    """Where planes of the size of the mosaic are kept.

    Attributes
    ----------
    max_bytes : int
        For exposures in memory; one is always kept.
    make : callable
        Returns a plane of a shape and type, of any content: in memory, or mapped.
    release : callable
        Called when a piece is done: what is mapped may leave memory.
    """

    max_bytes: int = 2**30
    make: Callable[[tuple[int, ...], type], NDArray[Any]] = np.empty
    release: Callable[[], None] = nothing


class PackedMask(NamedTuple):
    """A mask as bits: those of all exposures are kept to the end.

    Attributes
    ----------
    bits : (rows, cols / 8, rounded up) uint8
    n_cols : int
    """

    bits: NDArray[np.uint8]
    n_cols: int

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> "PackedMask":
        """Pack a mask, (rows, cols) bool."""
        return cls(np.packbits(mask, axis=1), mask.shape[1])

    def open(self) -> NDArray[np.bool_]:
        """Return the mask, (rows, cols) bool."""
        return np.unpackbits(self.bits, axis=1, count=self.n_cols).view(np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class DitherSet:
    """What all passes over one filter share.

    Attributes
    ----------
    cache : ExposureCache of DrizzleInput
    maps : tuple of PixelMap
    boxes : tuple of Window
        The part of the grid that each exposure may reach.
    shape : (int, int)
        Rows and columns of the grid.
    bench : Bench
    store : PlaneStore
    fwhm_px : float, pixels
        Width of a star's diffraction image in pixels of the exposures.
    outliers : list of PackedMask
        Of each exposure: its weight is 0 there. Filled by
        `rampline.pipeline.find_outliers`.
    """

    cache: ExposureCache[DrizzleInput]
    maps: tuple[PixelMap, ...]
    boxes: tuple[Window, ...]
    shape: tuple[int, int]
    bench: Bench
    store: PlaneStore
    fwhm_px: float
    outliers: list[PackedMask]

    def windows(self) -> list[Window]:
        """Return the windows of the grid, lower where there are few for the threads."""
        rows, cols = self.shape
        across = -(-cols // WINDOW_COLS)
        share = -(-rows * across // (WINDOWS_A_THREAD * self.bench.threads))
        height = min(WINDOW_ROWS, max(LEAST_ROWS, share))
        return split_grid(self.shape, height, WINDOW_COLS)

    @property
    def scale_ratio(self) -> float:
        """Side of a pixel of the grid over that of the finest exposure's."""
        return 1.0 / float(np.sqrt(max(pixel_area(m) for m in self.maps)))

    def refined(self, factor: int) -> "DitherSet":
        """Return the same exposures on a grid with ``factor`` times as many rows."""
        shape = self.shape[0] * factor, self.shape[1] * factor
        middle = (factor - 1) / 2
        maps = tuple(replace(m, nodes=factor * m.nodes + middle) for m in self.maps)
        boxes = tuple(box_of(m, shape) for m in maps)
        return replace(self, maps=maps, boxes=boxes, shape=shape)
