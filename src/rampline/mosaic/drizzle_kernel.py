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

from ..numerics.jit import kernel
from ..numerics.nodes import interpolate_row
from .window import Lattice, Window

NOTHING = 1e-9
"""Overlaps below this share of an input pixel are rounding, not sky."""


class DrizzlePlanes(NamedTuple):
    """One exposure as the kernel takes it, each (rows, cols) float32."""

    sky: NDArray[np.float32]
    weight: NDArray[np.float32]
    var_poisson: NDArray[np.float32]
    var_read: NDArray[np.float32]
    var_flat: NDArray[np.float32]


class Stamp(NamedTuple):
    """What the kernel must know of one exposure besides its planes."""

    level: float
    exposure_s: float
    plane: int
    bit: int


class Sums(NamedTuple):
    """Running sums of a window.

    Attributes
    ----------
    values : (rows, cols, 5) or (rows, cols, 2) float64
        Sum of weight times sky, sum of weight, and where there are five the sums of
        squared weight times Poisson, read-noise and flat variance.
    exposure_s : (rows, cols) float64, s
        Exposure time of the exposures that contribute.
    context : (planes, rows, cols) int32
    """

    values: NDArray[np.float64]
    exposure_s: NDArray[np.float64]
    context: NDArray[np.int32]


@kernel
def add_edge(
    patch: NDArray[np.float64], x0: float, y0: float, x1: float, y1: float
) -> None:
    """Add to ``patch`` the signed area to the right of an edge, as differences along rows."""
    if y0 == y1:
        return
    sign = 1.0
    if y0 > y1:
        x0, y0, x1, y1, sign = x1, y1, x0, y0, -1.0
    slope = (x1 - x0) / (y1 - y0)
    x, y = x0, y0
    row = int(y0)
    while y < y1:
        y_next = min(row + 1.0, y1)
        x_next = x1 if y_next == y1 else x + (y_next - y) * slope
        left, right = min(x, x_next), max(x, x_next)
        height = sign * (y_next - y)
        col, last = int(left), int(right)
        if col == last:
            part = height * (0.5 * (left + right) - col)
            patch[row, col] += height - part
            patch[row, col + 1] += part
        else:
            per_col = height / (right - left)
            for i in range(col, last + 1):
                a, b = max(left, float(i)), min(right, i + 1.0)
                step = per_col * (b - a)
                part = step * (0.5 * (a + b) - i)
                patch[row, i] += step - part
                patch[row, i + 1] += part
        x, y = x_next, y_next
        row += 1


@kernel
def spread_pixel(
    patch: NDArray[np.float64],
    box: tuple[int, int, int, int],
    share: float,
    terms: NDArray[np.float64],
    target: tuple[Sums, Window, Stamp],
) -> None:
    """Share one pixel out over the cells that ``patch`` covers, and clear the patch."""
    sums, window, stamp = target
    n_terms = sums.values.shape[2]
    for i in range(box[2]):
        row = box[0] + i
        inside_row = window.row_start <= row < window.row_stop
        cover = 0.0
        for j in range(box[3]):
            cover += patch[i, j]
            patch[i, j] = 0.0
            part = cover * share
            col = box[1] + j
            if part < NOTHING or not inside_row:
                continue
            if col < window.col_start or col >= window.col_stop:
                continue
            r, c = row - window.row_start, col - window.col_start
            weight = part * terms[1]
            sums.values[r, c, 0] += weight * terms[0]
            sums.values[r, c, 1] += weight
            for t in range(2, n_terms):
                sums.values[r, c, t] += weight * weight * terms[t]
            if sums.context[stamp.plane, r, c] & stamp.bit == 0:
                sums.context[stamp.plane, r, c] |= stamp.bit
                sums.exposure_s[r, c] += stamp.exposure_s
        patch[i, box[3]] = 0.0


@kernel
def cell_misses(
    nodes: NDArray[np.float64], a: int, b: int, window: Window, margin: float
) -> bool:
    """Say whether the pixels between four nodes stay clear of the window."""
    for axis in range(2):
        corners = nodes[a : a + 2, b : b + 2, axis]
        start, stop = window[2 * axis], window[2 * axis + 1]
        if corners.max() < start - margin or corners.min() > stop + margin:
            return True
    return False


@kernel
def pixel_misses(
    corners: NDArray[np.float64], i: int, window: Window, margin: float
) -> bool:
    """Say whether pixel ``i`` of a row stays clear of the window, or has no place."""
    row, col = corners[0, 0, i], corners[0, 1, i]
    inside = window.row_start - margin < row < window.row_stop + margin
    return not (inside and window.col_start - margin < col < window.col_stop + margin)


@kernel
def known(variance: float) -> float:
    """Return a variance, or 0 where it is not known."""
    return variance if np.isfinite(variance) else 0.0


@kernel
def cover_quadrilateral(
    patch: NDArray[np.float64], corners: NDArray[np.float64], i: int
) -> tuple[int, int, int, int, float]:
    """Lay pixel ``i`` of a row onto ``patch``.

    ``corners`` is (corner, axis, pixel), positions with the lower edge of output pixel 0
    at 0. Returned are the row and column of the patch's first cell, the rows and columns
    of cells that may be covered, and the signed area.
    """
    top, bottom = corners[0, 0, i], corners[0, 0, i]
    left, right = corners[0, 1, i], corners[0, 1, i]
    for c in range(1, 4):
        top, bottom = min(top, corners[c, 0, i]), max(bottom, corners[c, 0, i])
        left, right = min(left, corners[c, 1, i]), max(right, corners[c, 1, i])
    row, col = np.floor(top), np.floor(left)
    twice = 0.0
    y0, x0 = corners[3, 0, i] - row, corners[3, 1, i] - col
    for c in range(4):
        y1, x1 = corners[c, 0, i] - row, corners[c, 1, i] - col
        add_edge(patch, x0, y0, x1, y1)
        twice += y0 * x1 - x0 * y1
        x0, y0 = x1, y1
    n_rows, n_cols = int(bottom - row) + 1, int(right - col) + 1
    return int(row), int(col), n_rows, n_cols, 0.5 * twice


@kernel
def corners_of_row(
    lattice: Lattice, place: tuple[int, int], half: float, out: NDArray[np.float64]
) -> None:
    """Place the four corners of the pixels from ``place`` on along a row, going round."""
    row, col = place
    nodes, step, origin = lattice
    interpolate_row(nodes, step, origin, row - half, col - half, out[0])
    interpolate_row(nodes, step, origin, row - half, col + half, out[1])
    interpolate_row(nodes, step, origin, row + half, col + half, out[2])
    interpolate_row(nodes, step, origin, row + half, col - half, out[3])
    out += 0.5


@kernel
def drizzle_pixels(
    planes: DrizzlePlanes,
    lattice: Lattice,
    half: float,
    patch: NDArray[np.float64],
    target: tuple[Sums, Window, Stamp],
) -> None:
    """Drizzle one exposure into the sums of a window.

    ``half`` is half of pixfrac; ``patch`` is zeroed scratch that holds any one input pixel.
    The pixels are taken node cell by node cell, so that the sums they reach stay in cache.
    """
    window, stamp = target[1], target[2]
    nodes, step, origin = lattice
    rows, cols = planes.sky.shape
    corners = np.empty((4, 2, step))
    terms = np.empty(5)
    margin = float(patch.shape[0])
    for a in range(nodes.shape[0] - 1):
        for b in range(nodes.shape[1] - 1):
            first = max(0, origin + b * step)
            stop = min(cols, origin + (b + 1) * step)
            if first >= stop or cell_misses(nodes, a, b, window, margin):
                continue
            places = corners[:, :, : stop - first]
            for row in range(
                max(0, origin + a * step), min(rows, origin + (a + 1) * step)
            ):
                corners_of_row(lattice, (row, first), half, places)
                for i in range(stop - first):
                    col = first + i
                    weight = planes.weight[row, col]
                    if not weight > 0.0:
                        continue
                    if pixel_misses(places, i, window, margin):
                        continue
                    r, c, m, n, area = cover_quadrilateral(patch, places, i)
                    terms[0] = planes.sky[row, col] - stamp.level
                    terms[1] = weight
                    terms[2] = known(planes.var_poisson[row, col])
                    terms[3] = known(planes.var_read[row, col])
                    terms[4] = known(planes.var_flat[row, col])
                    spread_pixel(patch, (r, c, m, n), 1.0 / area, terms, target)
