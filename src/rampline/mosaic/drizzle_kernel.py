"""The square kernel of drizzle: input pixels as quadrilaterals on the output grid.

Each input pixel, shrunk by pixfrac about its centre, is mapped corner by corner onto the
grid; its weight is shared out over the output pixels in proportion to the area they have
in common (Fruchter & Hook 2002, PASP 114, 144, equations 3 to 5). Areas are exact: each
edge adds, row by row, the area to its right with the sign of its direction, and a running
sum along the row leaves the part of each output pixel that lies inside.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import fast_kernel
from ..numerics.nodes import interpolate_row
from .window import Lattice, Window

NOTHING = 1e-9
"""Overlaps below this share of an input pixel are rounding, not sky."""
MARK = 5
"""Where a sum says which exposure was the last to add to it."""


class DrizzlePlanes(NamedTuple):
    """One exposure as the kernel takes it, each (rows, cols) float32."""

    sky: NDArray[np.float32]
    weight: NDArray[np.float32]
    var_poisson: NDArray[np.float32]
    var_read: NDArray[np.float32]
    var_flat: NDArray[np.float32]


class Target(NamedTuple):
    """Where an exposure is added.

    Attributes
    ----------
    values : (pad + rows + pad, pad + cols + pad, 2 or 6) float64
        Sum of weight times sky, sum of weight; where there are six also the sums of squared
        weight times Poisson, read-noise and flat variance, and the number of the last
        exposure that added something.
    pad : int
        Output pixels around the window, enough for any one input pixel that touches it.
    window : Window
    number : int
        Of the exposure, from 1.
    level : float
        Sky level to take off.
    """

    values: NDArray[np.float64]
    pad: int
    window: Window
    number: int
    level: float


@fast_kernel
def drizzle_pixels(
    planes: DrizzlePlanes, lattice: Lattice, half: float, target: Target
) -> None:
    """Drizzle one exposure into the sums of a window; ``half`` is half of pixfrac.

    The pixels are taken node cell by node cell, so that the sums they reach stay in cache.
    """
    nodes, step, origin = lattice
    rows, cols = planes.sky.shape
    corners = np.empty((4, 2, step))
    patch = np.zeros((target.pad + 1, target.pad + 2))
    for a in range(nodes.shape[0] - 1):
        top, bottom = max(0, origin + a * step), min(rows, origin + (a + 1) * step)
        for b in range(nodes.shape[1] - 1):
            left, right = max(0, origin + b * step), min(cols, origin + (b + 1) * step)
            if top >= bottom or left >= right or cell_misses(nodes, a, b, target):
                continue
            places = corners[:, :, : right - left]
            for row in range(top, bottom):
                corners_of_row(lattice, (row, left), half, places)
                drizzle_stretch(planes, (row, left), places, patch, target)


@fast_kernel
def cell_misses(nodes: NDArray[np.float64], a: int, b: int, target: Target) -> bool:
    """Say whether the pixels between four nodes stay clear of the window."""
    for axis in range(2):
        corners = nodes[a : a + 2, b : b + 2, axis]
        start, stop = target.window[2 * axis], target.window[2 * axis + 1]
        if corners.max() < start - target.pad or corners.min() > stop + target.pad:
            return True
    return False


@fast_kernel
def corners_of_row(
    lattice: Lattice, place: tuple[int, int], half: float, out: NDArray[np.float64]
) -> None:
    """Place the corners of pixels along a row, (corner, axis, pixel), going round.

    The lower edge of output pixel 0 is at 0.
    """
    row, col = place
    nodes, step, origin = lattice
    interpolate_row(nodes, step, origin, row - half, col - half, out[0])
    interpolate_row(nodes, step, origin, row - half, col + half, out[1])
    interpolate_row(nodes, step, origin, row + half, col + half, out[2])
    interpolate_row(nodes, step, origin, row + half, col - half, out[3])
    out += 0.5


@fast_kernel
def drizzle_stretch(
    planes: DrizzlePlanes,
    place: tuple[int, int],
    corners: NDArray[np.float64],
    patch: NDArray[np.float64],
    target: Target,
) -> None:
    """Drizzle pixels along a row whose corners are known."""
    row, first = place
    # looked up once: a record's arrays are counted each time that they are taken out
    skies, weights, poissons, reads, flats = planes
    values, pad, window, number, level = target
    row_start, row_stop, col_start, col_stop = window
    for i in range(corners.shape[2]):
        col = first + i
        weight = weights[row, col]
        if not weight > 0.0:
            continue
        top, bottom = reach_of(corners, 0, i)
        left, right = reach_of(corners, 1, i)
        if bottom < row_start or top >= row_stop:
            continue
        if right < col_start or left >= col_stop:
            continue
        r, c = np.floor(top), np.floor(left)
        share = 1.0 / cover_quadrilateral(patch, corners, i, (r, c))
        terms = (
            float(skies[row, col]) - level,
            known(poissons[row, col]),
            known(reads[row, col]),
            known(flats[row, col]),
        )
        box = (
            int(r) + pad - row_start,
            int(c) + pad - col_start,
            int(bottom - r) + 1,
            int(right - c) + 1,
        )
        spread_pixel(patch, box, (share, weight, number), terms, values)


@fast_kernel
def reach_of(corners: NDArray[np.float64], axis: int, i: int) -> tuple[float, float]:
    """Return the lowest and the highest of a pixel's corners."""
    low = high = corners[0, axis, i]
    # plain comparisons: min() and max() look for NaN, which costs as much as the rest
    for corner in range(1, 4):
        value = corners[corner, axis, i]
        if value < low:  # noqa: PLR1730
            low = value
        if value > high:  # noqa: PLR1730
            high = value
    return low, high


@fast_kernel
def known(variance: np.float32) -> float:
    """Return a variance, or 0 where it is not known."""
    return float(variance) if np.isfinite(variance) else 0.0


@fast_kernel
def cover_quadrilateral(
    patch: NDArray[np.float64],
    corners: NDArray[np.float64],
    i: int,
    base: tuple[float, float],
) -> float:
    """Lay pixel ``i`` onto ``patch``, whose first cell is ``base``; return the signed area."""
    row, col = base
    y0, y1 = corners[0, 0, i] - row, corners[1, 0, i] - row
    y2, y3 = corners[2, 0, i] - row, corners[3, 0, i] - row
    x0, x1 = corners[0, 1, i] - col, corners[1, 1, i] - col
    x2, x3 = corners[2, 1, i] - col, corners[3, 1, i] - col
    add_edge(patch, x0, y0, x1, y1)
    add_edge(patch, x1, y1, x2, y2)
    add_edge(patch, x2, y2, x3, y3)
    add_edge(patch, x3, y3, x0, y0)
    area = 0.5 * ((x1 - x3) * (y0 - y2) - (x0 - x2) * (y1 - y3))
    return float(area)


@fast_kernel
def add_edge(
    patch: NDArray[np.float64], x0: float, y0: float, x1: float, y1: float
) -> None:
    """Add the signed area to the right of an edge, as differences along rows."""
    if y0 == y1:
        return
    sign = 1.0
    if y0 > y1:
        x0, y0, x1, y1, sign = x1, y1, x0, y0, -1.0
    slope = (x1 - x0) / (y1 - y0)
    row, last = int(y0), int(y1)
    while True:
        inner = row < last
        y_next = row + 1.0 if inner else y1
        x_next = x0 + (y_next - y0) * slope if inner else x1
        left, right = (x0, x_next) if x0 < x_next else (x_next, x0)
        height = sign * (y_next - y0)
        col, stop = int(left), int(right)
        if col == stop:
            part = height * (0.5 * (left + right) - col)
            patch[row, col] += height - part
            patch[row, col + 1] += part
        else:
            per_col = height / (right - left)
            while True:
                end = col + 1.0 if col < stop else right
                step = per_col * (end - left)
                part = step * (0.5 * (left + end) - col)
                patch[row, col] += step - part
                patch[row, col + 1] += part
                if col == stop:
                    break
                col += 1
                left = end
        if not inner:
            return
        row += 1
        x0, y0 = x_next, y_next


@fast_kernel
def spread_pixel(
    patch: NDArray[np.float64],
    box: tuple[int, int, int, int],
    scale: tuple[float, float, int],
    terms: tuple[float, float, float, float],
    values: NDArray[np.float64],
) -> None:
    """Share one pixel out over the cells that ``patch`` covers, and clear the patch.

    ``box`` is the first row and column in the sums, and the rows and columns of cells;
    ``scale`` one over the pixel's area, its weight, and the exposure's number.
    """
    row, col, rows, cols = box
    share, weight, number = scale
    sky, poisson, read, flat = terms
    full = values.shape[2] > 2
    for i in range(rows):
        cover = 0.0
        for j in range(cols):
            cover += patch[i, j]
            patch[i, j] = 0.0
            part = cover * share
            w = part * weight if part > NOTHING else 0.0
            values[row + i, col + j, 0] += w * sky
            values[row + i, col + j, 1] += w
            if full:
                values[row + i, col + j, 2] += w * w * poisson
                values[row + i, col + j, 3] += w * w * read
                values[row + i, col + j, 4] += w * w * flat
                if w > 0.0:
                    values[row + i, col + j, MARK] = number
        patch[i, cols] = 0.0


@fast_kernel
def stamp_exposure(
    values: NDArray[np.float64],
    mark: tuple[int, int],
    exposure_s: float,
    time: NDArray[np.float64],
    context: NDArray[np.int32],
) -> None:
    """Add an exposure's time and context bit where it was the last to add something.

    ``mark`` is the exposure's number, from 1, and its context bit.
    """
    number, bit = mark
    for row in range(context.shape[0]):
        for col in range(context.shape[1]):
            if values[row, col, MARK] == number:
                time[row, col] += exposure_s
                context[row, col] |= bit
