"""Residual background of a mosaic: medians of cells, interpolated by a smooth surface.

The background that remains after sky subtraction varies slowly: scattered light,
intracluster light, flat-field residuals. Cells wider than any source follow it. The bright
tail that sources add to the distribution of a cell is clipped before its median is taken
again.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.meshes import measure_mesh

CLIP = 2.5
"""Pixels deviating from the first surface by more standard deviations are excluded."""
LEAST_USED = 0.1
"""Cells with a smaller fraction of usable pixels take the level of the nearest cell."""
BAND_ROWS = 64


class Surface(NamedTuple):
    """A smooth surface as a product of two matrices, evaluated for bands of rows.

    Attributes
    ----------
    down : (rows, cell_rows) float32
    across : (cell_rows, cols) float32, MJy/sr
    """

    down: NDArray[np.float32]
    across: NDArray[np.float32]

    def band(self, rows: slice) -> Plane:
        """Return a band of rows of the surface, float32, MJy/sr."""
        return np.asarray(self.down[rows] @ self.across, np.float32)


def subtract_background(sky: Plane, valid: NDArray[np.bool_], cell: int) -> Plane:
    """Subtract the background of a mosaic.

    Parameters
    ----------
    sky : (rows, cols) float32, MJy/sr
    valid : (rows, cols) bool
        Pixels with data.
    cell : int, pixels
        Width of the cells.

    Returns
    -------
    (rows, cols) float32, MJy/sr

    Notes
    -----
    Cells, clipping, a 3 x 3 median over the cells and a cubic surface, as in SExtractor
    (Bertin & Arnouts 1996, section 3); `jwst`'s source_catalog does the same with cells of
    1000 pixels.
    """
    surface = measure_background(sky, valid, cell)
    signal = np.empty_like(sky)
    for rows in _bands(sky):
        np.subtract(sky[rows], surface.band(rows), out=signal[rows])
    return signal


def measure_background(sky: Plane, valid: NDArray[np.bool_], cell: int) -> Surface:
    """Measure the background of a mosaic; see `subtract_background`.

    Returns
    -------
    Surface
        0 everywhere if no pixel is valid.
    """
    size = min(cell, *sky.shape)
    mesh = measure_mesh(sky, valid, size, stride=2)
    surface = _join(mesh.level, 4 * mesh.n_used, size, sky.shape)
    scatter = float(np.nanmedian(mesh.scatter)) if valid.any() else 0.0
    faint = np.empty_like(valid)
    for rows in _bands(sky):
        apart = np.abs(sky[rows] - surface.band(rows))
        np.logical_and(valid[rows], apart <= CLIP * scatter, out=faint[rows])
    mesh = measure_mesh(sky, faint, size)
    return _join(mesh.level, mesh.n_used, size, sky.shape)


def _bands(sky: Plane) -> Iterator[slice]:
    """Yield bands of rows that fit in the cache."""
    for first in range(0, sky.shape[0], BAND_ROWS):
        yield slice(first, first + BAND_ROWS)


def _join(
    level: NDArray[np.float32],
    n_used: NDArray[np.int32],
    size: int,
    shape: tuple[int, ...],
) -> Surface:
    """Interpolate the levels of the cells to all pixels.

    Cells with too few pixels take the level of the nearest cell that has enough.
    """
    down, across = (
        cell_weights(n_cells, size, n_pixels)
        for n_cells, n_pixels in zip(level.shape, shape, strict=True)
    )
    known = n_used >= LEAST_USED * size**2
    if not known.any():
        known = n_used > 0
    if not known.any():
        return Surface(down, np.zeros((level.shape[0], shape[1]), np.float32))
    nearest = scipy.ndimage.distance_transform_edt(
        ~known, return_distances=False, return_indices=True
    )
    smooth = scipy.ndimage.median_filter(level[tuple(nearest)], 3, mode="nearest")
    return Surface(down, smooth @ across.T)


def cell_weights(n_cells: int, size: int, n_pixels: int) -> NDArray[np.float32]:
    """Return the weight of each cell in each pixel along one axis, (pixels, cells).

    A natural cubic spline through the centres of the cells, linear beyond the outermost.
    """
    if n_cells == 1:
        return np.ones((n_pixels, 1), np.float32)
    first = np.arange(n_cells) * size
    centres = (first + np.minimum(first + size, n_pixels) - 1) / 2.0
    bend = _second_derivatives(centres)
    pixels = np.arange(n_pixels)
    inside = np.clip(pixels, centres[0], centres[-1])
    k = np.clip(np.searchsorted(centres, inside, side="right") - 1, 0, n_cells - 2)
    width = (centres[k + 1] - centres[k])[:, None]
    right = (inside - centres[k])[:, None] / width
    left, unit = 1.0 - right, np.eye(n_cells)
    value = left * unit[k] + right * unit[k + 1]
    value += (
        width**2 / 6 * ((left**3 - left) * bend[k] + (right**3 - right) * bend[k + 1])
    )
    slope = (unit[k + 1] - unit[k]) / width
    slope += (
        width / 6 * ((3 * right**2 - 1) * bend[k + 1] - (3 * left**2 - 1) * bend[k])
    )
    return np.asarray(value + slope * (pixels - inside)[:, None], np.float32)


def _second_derivatives(knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return second derivatives of the natural spline at its knots, (knots, knots).

    Column k is for a value of 1 at knot k and 0 at the others; de Boor, A Practical Guide
    to Splines (2001), chapter IV.
    """
    n, step = len(knots), np.diff(knots)
    matrix, right = np.eye(n), np.zeros((n, n))
    inner = np.arange(1, n - 1)
    matrix[inner, inner] = (step[:-1] + step[1:]) / 3
    matrix[inner, inner - 1], matrix[inner, inner + 1] = step[:-1] / 6, step[1:] / 6
    right[inner, inner - 1], right[inner, inner + 1] = 1 / step[:-1], 1 / step[1:]
    right[inner, inner] = -1 / step[:-1] - 1 / step[1:]
    return np.asarray(np.linalg.solve(matrix, right))
