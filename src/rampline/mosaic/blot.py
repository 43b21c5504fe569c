"""Blot: interpolate a mosaic at the pixels of one exposure.

The mosaic is interpolated at the position of each pixel's centre. For an undersampled
star, linear interpolation underestimates the peak by far more than cubic interpolation
does, and the difference looks like a cosmic ray. The default is therefore cubic
(four-point Lagrange, the ``poly3`` of the drizzle family); the JWST pipeline
interpolates linearly.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import PixelMap
from ..exposure.records import Plane, Scene
from ..numerics.jit import kernel
from ..numerics.lanes import weigh_patch
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
        In the unit of ``plane``; NaN off the grid and next to a NaN of the mosaic.
        Linear where not all of the sixteen pixels of the cubic are available.
    """
    out = np.empty(pixel_map.shape, np.float32)
    blot_rows(plane, lattice_of(pixel_map), 0, interpolation == "cubic", out)
    return out


def blot_straight(plane: Plane, pixel_map: PixelMap, rows: slice) -> Plane:
    """Interpolate a mosaic plane linearly at rows of an exposure.

    Parameters
    ----------
    plane : (grid rows, grid cols) float32
    pixel_map : PixelMap
    rows : slice
        With start and stop.

    Returns
    -------
    (rows, cols) float32
        As returned by `blot_plane` with linear interpolation.
    """
    out = np.empty((rows.stop - rows.start, pixel_map.shape[1]), np.float32)
    blot_rows(plane, lattice_of(pixel_map), rows.start, False, out)
    return out


def curve_blot(
    plane: Plane,
    pixel_map: PixelMap,
    rows: slice,
    straight: Plane,
    where: NDArray[np.bool_],
) -> Plane:
    """Interpolate with cubics where requested; keep the linear values elsewhere.

    Parameters
    ----------
    plane : (grid rows, grid cols) float32
    pixel_map : PixelMap
    rows : slice
        With start and stop.
    straight : (rows, cols) float32
        From `blot_straight`.
    where : (rows, cols) bool

    Returns
    -------
    (rows, cols) float32
        As returned by `blot_plane` where requested.
    """
    out = straight.copy()
    curve_rows(plane, lattice_of(pixel_map), rows.start, where, out)
    return out


def blot_mask(mask: NDArray[np.bool_], pixel_map: PixelMap) -> NDArray[np.bool_]:
    """Map a mask of the grid to the pixels of an exposure: True next to any True.

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
    """Return the sky and source mask of a draft mosaic at the pixels of one exposure.

    Parameters
    ----------
    sky : (grid rows, grid cols) float32, MJy/sr
    is_source : (grid rows, grid cols) bool
        Pixels of the mosaic affected by sources.
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
    """Interpolate between four pixels; beyond the last row and column, repeat them."""
    rows, cols = plane.shape
    y, x = int(row), int(col)
    v, u = row - y, col - x
    # unsigned indices need no check for negative wraparound
    i, below = np.uintp(y), np.uintp(min(y + 1, rows - 1))
    j, right = np.uintp(x), np.uintp(min(x + 1, cols - 1))
    upper = (1.0 - u) * plane[i, j] + u * plane[i, right]
    lower = (1.0 - u) * plane[below, j] + u * plane[below, right]
    return np.float64((1.0 - v) * upper + v * lower)


@kernel
def cubic_at(plane: NDArray[np.float32], row: float, col: float) -> np.float64:
    """Interpolate with the cubic through 4 x 4 pixels; NaN where one is missing."""
    rows, cols = plane.shape
    i, j = int(row), int(col)
    if i < 1 or j < 1 or i > rows - 3 or j > cols - 3:
        return np.float64(np.nan)
    down, along = cubic_weights(row - i), cubic_weights(col - j)
    first = np.uintp((i - 1) * cols + j - 1)
    return np.float64(weigh_patch(plane, first, np.uintp(cols), down, along))


@kernel
def blot_rows(
    plane: NDArray[np.float32],
    lattice: Lattice,
    first_row: int,
    cubic: bool,  # noqa: FBT001
    out: NDArray[np.float32],
) -> None:
    """Fill ``out`` with the rows of the exposure, starting at ``first_row``."""
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
def curve_rows(
    plane: NDArray[np.float32],
    lattice: Lattice,
    first_row: int,
    where: NDArray[np.bool_],
    out: NDArray[np.float32],
) -> None:
    """Put cubics into ``out`` where requested and all sixteen pixels are available."""
    rows, cols = plane.shape
    nodes, step, origin = lattice
    places = np.empty((2, out.shape[1]))
    for r in range(out.shape[0]):
        interpolate_row(nodes, step, origin, float(first_row + r), 0.0, places)
        for c in range(out.shape[1]):
            row, col = places[0, c], places[1, c]
            if where[r, c] and 0.0 <= row < rows and 0.0 <= col < cols:
                value = cubic_at(plane, row, col)
                out[r, c] = out[r, c] if np.isnan(value) else value
