"""Level and scatter of an image in square cells: medians that sources hardly move."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .jit import kernel
from .selection import select_two


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
    found = buffer[0]
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            n = 0
            for r in range(i * size, min((i + 1) * size, n_rows), stride):
                for c in range(j * size, min((j + 1) * size, n_cols), stride):
                    # without a branch: sources and gaps are everywhere
                    value = values[r, c]
                    found[n] = value
                    n += usable[r, c] & ~np.isnan(value)
            count[i, j] = n
            if n > 0:
                ranks = (int(0.1587 * (n - 1)), (n - 1) // 2)
                low, middle = select_two(buffer, n, ranks)
                level[i, j] = middle
                scatter[i, j] = middle - low
