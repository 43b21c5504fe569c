"""Planes that stay on disk and are read band by band.

A dark cube is larger than all else together; mapped into memory its pages would count
as the process's own. So bands of rows are read into small buffers, only where needed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane

ROWS_AT_ONCE = 128
"""A band of a frame that stays in the processor's cache."""


@dataclass(frozen=True)
class StoredPlanes:
    """An exposure's window in an image extension.

    Attributes
    ----------
    path : Path
    offset : int, bytes
        Where the data begin.
    dtype : dtype
        As on disk, big-endian.
    file_shape : (int, int)
        Rows and columns on disk.
    origin : (int, int)
        First row and column of the window.
    shape : (int, int, int)
        Planes, rows and columns of the window.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    file_shape: tuple[int, int]
    origin: tuple[int, int]
    shape: tuple[int, int, int]

    def read(self, plane: int, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start`` to ``stop`` of a plane, (rows, cols) as on disk."""
        rows, cols = self.file_shape
        stop = min(stop, self.shape[1])
        first = plane * rows + self.origin[0] + start
        values = np.fromfile(
            self.path,
            self.dtype,
            count=(stop - start) * cols,
            offset=self.offset + first * cols * self.dtype.itemsize,
        )
        band = values.reshape(stop - start, cols)
        return band[:, self.origin[1] : self.origin[1] + self.shape[2]]

    def read_all(self, dtype: type[np.generic] = np.float32) -> NDArray[Any]:
        """Return all planes, (planes, rows, cols) of a native type."""
        out = np.empty(self.shape, dtype)
        for plane in range(self.shape[0]):
            for row in range(0, self.shape[1], ROWS_AT_ONCE):
                band = self.read(plane, row, row + ROWS_AT_ONCE)
                out[plane, row : row + ROWS_AT_ONCE] = band
        return out

    def frame(self, index: int, start: int, stop: int) -> Plane:
        """Return rows of a frame, native float32; beyond the last the straight line on.

        The line goes through the last two planes.
        """
        beyond = index - (self.shape[0] - 1)
        if beyond <= 0:
            return self.read(index, start, stop).astype(np.float32)
        last = self.read(self.shape[0] - 1, start, stop).astype(np.float64)
        before = self.read(self.shape[0] - 2, start, stop)
        return np.asarray(last + beyond * (last - before), np.float32)
