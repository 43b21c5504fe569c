"""Windows of the common grid: the pieces in which a mosaic is made.

A window is a rectangle of output pixels. The result is bitwise identical however the
grid is split: each output pixel receives its contributions in the order of the
exposures and of their pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import PixelMap

CONTEXT_BITS = 32
"""Number of exposures recorded in one plane of the context."""


class Window(NamedTuple):
    """A rectangle of output pixels, stops exclusive."""

    row_start: int
    row_stop: int
    col_start: int
    col_stop: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.row_stop - self.row_start, self.col_stop - self.col_start

    @property
    def slices(self) -> tuple[slice, slice]:
        """The window as an index into a plane of the whole grid."""
        return (
            slice(self.row_start, self.row_stop),
            slice(self.col_start, self.col_stop),
        )

    def grown(self, margin: int, shape: tuple[int, int]) -> "Window":
        """Return the window with a margin of pixels, within a grid of ``shape``."""
        return Window(
            max(0, self.row_start - margin),
            min(shape[0], self.row_stop + margin),
            max(0, self.col_start - margin),
            min(shape[1], self.col_stop + margin),
        )

    def shared_with(self, other: "Window") -> "Window":
        """Return the pixels of both windows; its shape is negative where there are none."""
        return Window(
            max(self.row_start, other.row_start),
            min(self.row_stop, other.row_stop),
            max(self.col_start, other.col_start),
            min(self.col_stop, other.col_stop),
        )

    def within(self, wide: "Window") -> tuple[slice, slice]:
        """Return the window as an index into a plane of a wider one."""
        top, left = self.row_start - wide.row_start, self.col_start - wide.col_start
        rows, cols = self.shape
        return slice(top, top + rows), slice(left, left + cols)


class Lattice(NamedTuple):
    """A pixel map in the form kernels expect: `rampline.exposure.geometry.PixelMap`."""

    nodes: NDArray[np.float64]
    step: int
    origin: int


def lattice_of(pixel_map: PixelMap) -> Lattice:
    """Return the lattice of ``pixel_map``, its nodes contiguous."""
    nodes = np.ascontiguousarray(pixel_map.nodes)
    return Lattice(nodes, pixel_map.step, pixel_map.origin)


def split_grid(shape: tuple[int, int], n_rows: int, n_cols: int) -> list[Window]:
    """Split a grid into windows of at most ``n_rows`` by ``n_cols``, row by row."""
    rows, cols = shape
    return [
        Window(row, min(row + n_rows, rows), col, min(col + n_cols, cols))
        for row in range(0, rows, n_rows)
        for col in range(0, cols, n_cols)
    ]


def box_of(pixel_map: PixelMap, shape: tuple[int, int]) -> Window:
    """Return the smallest window of a grid of ``shape`` that contains all nodes of a map.

    It contains the exposure, and is empty where the exposure lies off the grid.
    """
    low = np.floor(np.nanmin(pixel_map.nodes, axis=(0, 1))).astype(int)
    high = np.ceil(np.nanmax(pixel_map.nodes, axis=(0, 1))).astype(int) + 1
    low = np.clip(low, 0, shape)
    high = np.clip(high, low, shape)
    return Window(int(low[0]), int(high[0]), int(low[1]), int(high[1]))


def overlapping(boxes: Sequence[Window], window: Window) -> list[int]:
    """Return the indices of the boxes that share a pixel with a window."""
    return [
        k
        for k, box in enumerate(boxes)
        if min(box.shape) > 0
        and box.row_start < window.row_stop
        and box.row_stop > window.row_start
        and box.col_start < window.col_stop
        and box.col_stop > window.col_start
    ]
