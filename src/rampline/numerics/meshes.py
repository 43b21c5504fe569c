"""Level and scatter of an image in square cells: medians that sources hardly move."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .jit import kernel
from .selection import collect, select_two


class Mesh(NamedTuple):
    """An image in square cells."""

    level: NDArray[np.float32]
    """(cell_rows, cell_cols) medians; NaN where no pixel is usable."""
    scatter: NDArray[np.float32]
    """(cell_rows, cell_cols) standard deviations, from the lower half of the values."""
    n_used: NDArray[np.int32]
    """(cell_rows, cell_cols) pixels that were used."""
    size: int
    """Pixels a cell is wide; the last row and column of cells may be narrower."""


def measure_mesh(
    values: NDArray[np.float32],
    usable: NDArray[np.bool_],
    size: int,
    stride: int = 1,
) -> Mesh:
    """Measure level and scatter in cells.

    Parameters
    ----------
    values : (rows, cols) float32
    usable : (rows, cols) bool
        Pixels that may be used; NaN values are left out as well.
    size : int, pixels
        Width of a cell.
    stride : int
        Only every ``stride``-th row and column is looked at.

    Returns
    -------
    Mesh
        The scatter is median minus 15.87 % quantile, which sources do not widen.
    """
    cells = tuple(-(-n // size) for n in values.shape)
    mesh = Mesh(
        level=np.full(cells, np.nan, np.float32),
        scatter=np.full(cells, np.nan, np.float32),
        n_used=np.zeros(cells, np.int32),
        size=size,
    )
    buffer = np.empty((3, size * size), np.float32)
    _fill_mesh(values, usable, (size, stride), buffer, mesh[:3])
    return mesh


@kernel
def _fill_mesh(
    values: NDArray[np.float32],
    usable: NDArray[np.bool_],
    steps: tuple[int, int],
    buffer: NDArray[np.float32],
    out: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]],
) -> None:
    """Fill level, scatter and count of each cell; ``steps`` is (size, stride)."""
    size, stride = steps
    level, scatter, count = out
    n_rows, n_cols = values.shape
    found, cell = buffer[0], buffer[1]
    # cells are like those before them
    bounds = np.full(4, np.float32(np.nan))
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            n = 0
            for r in range(i * size, min((i + 1) * size, n_rows), stride):
                start, stop = j * size, min((j + 1) * size, n_cols)
                room = cell[n : n + -(-(stop - start) // stride)]
                if stride == 1:
                    # neighbours in memory are taken many at a time
                    blank_unusable(values[r, start:stop], usable[r, start:stop], room)
                else:
                    some = slice(start, stop, stride)
                    blank_unusable(values[r, some], usable[r, some], room)
                n += len(room)
            _, n = collect(cell, n, (-np.float32(np.inf), np.float32(np.inf)), found)
            count[i, j] = n
            if n > 0:
                ranks = (int(0.1587 * (n - 1)), (n - 1) // 2)
                low, middle = select_two(buffer, n, ranks, bounds)
                level[i, j] = middle
                scatter[i, j] = middle - low


@kernel
def blank_unusable(
    values: NDArray[np.float32], usable: NDArray[np.bool_], out: NDArray[np.float32]
) -> None:
    """Copy values, those that are not usable as NaN."""
    for i in range(len(out)):
        value = values[i]
        out[i] = value if usable[i] else np.float32(np.nan)
