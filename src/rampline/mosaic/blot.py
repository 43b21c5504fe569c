"""Blot: what a mosaic says about the pixels of one exposure.

The mosaic is interpolated at the place of each pixel's centre. Between pixels of an
undersampled star a straight line falls short of the peak by far more than a cubic does, and
what falls short looks like a cosmic ray: cubic (four-point Lagrange, which is the
``poly3`` of the drizzle family) is the default, linear is what the JWST pipeline does.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import PixelMap
from ..exposure.records import Plane, Scene
from ..numerics.jit import kernel
from ..numerics.nodes import cubic_weights, interpolate_row
from .window import Lattice, lattice_of

Interpolation = Literal["cubic", "linear"]


def blot_plane(
    plane: Plane, pixel_map: PixelMap, interpolation: Interpolation = "cubic"
) -> Plane:
    """Interpolate a mosaic plane at the pixels of an exposure.

    Parameters
    ----------
    plane : (grid rows, grid cols) float32
    pixel_map : PixelMap
    interpolation : {"cubic", "linear"}

    Returns
    -------
    (rows, cols) float32
        In the unit of ``plane``; NaN off the grid and next to a NaN of the mosaic. Where the
        cubic's sixteen pixels are not all there, linear.
    """
    out = np.empty(pixel_map.shape, np.float32)
    blot_rows(plane, lattice_of(pixel_map), 0, interpolation == "cubic", out)
    return out


def blot_interval(
    plane: Plane, pixel_map: PixelMap, rows: slice
) -> tuple[Plane, Plane]:
    """Interpolate a mosaic plane at rows of an exposure by cubics and by straight lines.

    Parameters
    ----------
    plane : (grid rows, grid cols) float32
    pixel_map : PixelMap
    rows : slice
        With start and stop.

    Returns
    -------
    two of (rows, cols) float32
        As `blot_plane` would make them.
    """
    shape = (rows.stop - rows.start, pixel_map.shape[1])
    cubic, linear = np.empty((2, *shape), np.float32)
    blot_both(plane, lattice_of(pixel_map), rows.start, cubic, linear)
    return cubic, linear


def blot_mask(mask: NDArray[np.bool_], pixel_map: PixelMap) -> NDArray[np.bool_]:
    """Carry a mask of the grid to the pixels of an exposure: True next to any True.

    Parameters
    ----------
    mask : (grid rows, grid cols) bool
    pixel_map : PixelMap

    Returns
    -------
    (rows, cols) bool
        False off the grid.
    """
    share = blot_plane(mask.astype(np.float32), pixel_map, "linear")
    return np.asarray(share > 0)


def make_scene(sky: Plane, is_source: NDArray[np.bool_], pixel_map: PixelMap) -> Scene:
    """Return what a draft mosaic says about one exposure.

    Parameters
    ----------
    sky : (grid rows, grid cols) float32, MJy/sr
    is_source : (grid rows, grid cols) bool
        Pixels of the mosaic that sources reach.
    pixel_map : PixelMap
        Of the exposure onto the mosaic's grid.

    Returns
    -------
    Scene
    """
    return Scene(
        sky=blot_plane(sky, pixel_map), is_source=blot_mask(is_source, pixel_map)
    )


@kernel
def linear_at(plane: NDArray[np.float32], row: float, col: float) -> np.float64:
    """Interpolate between four pixels; the last row and column reach half a pixel on."""
    rows, cols = plane.shape
    i, j = int(row), int(col)
    v, u = row - i, col - j
    below, right = min(i + 1, rows - 1), min(j + 1, cols - 1)
    upper = (1.0 - u) * plane[i, j] + u * plane[i, right]
    lower = (1.0 - u) * plane[below, j] + u * plane[below, right]
    return np.float64((1.0 - v) * upper + v * lower)


@kernel
def cubic_at(plane: NDArray[np.float32], row: float, col: float) -> np.float64:
    """Interpolate by the cubic through four by four pixels; NaN where one is missing."""
    rows, cols = plane.shape
    i, j = int(row), int(col)
    if i < 1 or j < 1 or i > rows - 3 or j > cols - 3:
        return np.float64(np.nan)
    wr = cubic_weights(row - i)
    wc = cubic_weights(col - j)
    total = np.float64(0.0)
    for m in range(4):
        along = 0.0
        for n in range(4):
            along += wc[n] * plane[i - 1 + m, j - 1 + n]
        total += wr[m] * along
    return total


@kernel
def blot_rows(
    plane: NDArray[np.float32],
    lattice: Lattice,
    first_row: int,
    cubic: bool,  # noqa: FBT001
    out: NDArray[np.float32],
) -> None:
    """Fill ``out`` with the rows of the exposure from ``first_row`` on."""
    rows, cols = plane.shape
    places = np.empty((2, out.shape[1]))
    nodes, step, origin = lattice
    for r in range(out.shape[0]):
        interpolate_row(nodes, step, origin, float(first_row + r), 0.0, places)
        for c in range(out.shape[1]):
            row, col = places[0, c], places[1, c]
            value = np.float64(np.nan)
            if 0.0 <= row < rows and 0.0 <= col < cols:
                if cubic:
                    value = cubic_at(plane, row, col)
                if np.isnan(value):
                    value = linear_at(plane, row, col)
            out[r, c] = value


@kernel
def blot_both(
    plane: NDArray[np.float32],
    lattice: Lattice,
    first_row: int,
    cubic: NDArray[np.float32],
    linear: NDArray[np.float32],
) -> None:
    """Fill ``cubic`` and ``linear`` with the rows of the exposure from ``first_row`` on."""
    rows, cols = plane.shape
    places = np.empty((2, cubic.shape[1]))
    nodes, step, origin = lattice
    for r in range(cubic.shape[0]):
        interpolate_row(nodes, step, origin, float(first_row + r), 0.0, places)
        for c in range(cubic.shape[1]):
            row, col = places[0, c], places[1, c]
            straight = curved = np.float64(np.nan)
            if 1.0 <= row < rows - 2 and 1.0 <= col < cols - 2:
                straight, curved = both_at(plane, row, col)
            elif 0.0 <= row < rows and 0.0 <= col < cols:
                straight = linear_at(plane, row, col)
            linear[r, c] = straight
            cubic[r, c] = straight if np.isnan(curved) else curved


@kernel
def both_at(
    plane: NDArray[np.float32], row: float, col: float
) -> tuple[np.float64, np.float64]:
    """Interpolate by straight lines and by cubics where all pixels around are there."""
    i, j = int(row), int(col)
    v, u = row - i, col - j
    w0, w1, w2, w3 = cubic_weights(v)
    t0, t1, t2, t3 = cubic_weights(u)
    a, b = plane[i, j], plane[i, j + 1]
    c, d = plane[i + 1, j], plane[i + 1, j + 1]
    total = w1 * (t0 * plane[i, j - 1] + t1 * a + t2 * b + t3 * plane[i, j + 2])
    total += w2 * (
        t0 * plane[i + 1, j - 1] + t1 * c + t2 * d + t3 * plane[i + 1, j + 2]
    )
    for m, w in ((i - 1, w0), (i + 2, w3)):
        first = t0 * plane[m, j - 1] + t1 * plane[m, j]
        total += w * (first + t2 * plane[m, j + 1] + t3 * plane[m, j + 2])
    upper = (1.0 - u) * a + u * b
    lower = (1.0 - u) * c + u * d
    return np.float64((1.0 - v) * upper + v * lower), np.float64(total)
