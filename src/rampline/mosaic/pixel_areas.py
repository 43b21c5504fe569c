"""Overlap areas of input pixels with the cells of the output grid.

Each input pixel, shrunk by pixfrac about its centre, is mapped corner by corner onto
the grid as a quadrilateral. Its overlap areas are exact: the area below and left of
each crossing of grid lines, summed edge by edge (Green's theorem), and differences of
these, divided by the pixel's own area. The code is free of branches and handles `CHUNK`
input pixels at a time, so that it vectorises.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import fast_kernel
from ..numerics.nodes import cubic_of_cell, cubic_weights, find_cell
from .window import Lattice

Line: TypeAlias = NDArray[np.float64]
CHUNK = 128
"""Pixels along a row that are mapped onto the grid together."""
PITCH = CHUNK + 8
"""Distance of lines in memory: a power of two would cause cache conflicts."""
ROW_0, ROW_1, ROW_2, ROW_3 = 0, PITCH, 2 * PITCH, 3 * PITCH
COL_0, COL_1, COL_2, COL_3 = 4 * PITCH, 5 * PITCH, 6 * PITCH, 7 * PITCH
RUN_0, RUN_1, RUN_2, RUN_3 = 8 * PITCH, 9 * PITCH, 10 * PITCH, 11 * PITCH
RISE_0, RISE_1, RISE_2, RISE_3 = 12 * PITCH, 13 * PITCH, 14 * PITCH, 15 * PITCH
BASE_ROW, BASE_COL, SHARE = 16 * PITCH, 17 * PITCH, 18 * PITCH
"""Offsets in `Scratch.lines`."""
LINES = 19
NOTHING = 1e-9
"""Overlaps below this fraction of an input pixel are rounding errors."""


class Scratch(NamedTuple):
    """Work arrays for a chunk of pixels along a row.

    Attributes
    ----------
    lines : (LINES * PITCH,) float64
        Rows, then columns, of the four corners in cyclic order, relative to the edge of
        the first cell that a pixel can touch; for the four edges, columns over rows and
        half of rows over columns; row and column of the first cell; one over the signed
        area. A single array with fixed offsets, because the compiler vectorises several
        arrays only if it can prove that they do not overlap.
    cover : (cells, cells, PITCH) float64
        Part of a pixel's area in each cell.
    """

    lines: Line
    cover: NDArray[np.float64]


@fast_kernel
def lay_pixels(
    lattice: Lattice, place: tuple[int, int], half: float, scratch: Scratch
) -> None:
    """Compute which parts of a chunk of pixels, the first at ``place``, lie in cells."""
    lines, cover = scratch
    corners_of_row(lattice, place, half, lines)
    shift_to_cells(lines)
    measure_edges(lines)
    last = cover.shape[0] - 1
    for k in range(last + 1):
        for c in range(last + 1):
            area_below_left(lines, k + 1.0, c + 1.0, cover[k, c])
    for k in range(last, -1, -1):
        for c in range(last, 0, -1):
            take_off(cover[k, c], cover[k, c - 1])
    for k in range(last, 0, -1):
        for c in range(last + 1):
            take_off(cover[k, c], cover[k - 1, c])
    for k in range(last + 1):
        for c in range(last + 1):
            take_part(lines, cover[k, c])


@fast_kernel
def corners_of_row(
    lattice: Lattice, place: tuple[int, int], half: float, lines: Line
) -> None:
    """Compute the corners of pixels along a row on the grid."""
    nodes, step, origin = lattice
    row, col = place
    share = 1.0 / step
    above = find_cell(row - half, step, origin, nodes.shape[0])
    upper = cubic_weights((row - half - origin) * share - above)
    below = find_cell(row + half, step, origin, nodes.shape[0])
    lower = cubic_weights((row + half - origin) * share - below)
    done = 0
    while done < CHUNK:
        # all corners of a pixel use the cubics of the cell that contains its centre
        j = find_cell(float(col + done), step, origin, nodes.shape[1])
        end = max(origin + step * (j + 1) - col, done + 1)
        end = CHUNK if j == nodes.shape[1] - 3 else min(end, CHUNK)
        start = (col + done - origin) * share - j
        for k in range(2):
            line = lines[k * COL_0 :]
            first, second = line[done:end], line[PITCH + done : PITCH + end]
            third = line[2 * PITCH + done : 2 * PITCH + end]
            fourth = line[3 * PITCH + done : 3 * PITCH + end]
            steps = (start, share, half * share)
            cubic = cubic_of_cell(nodes, above, j, k, upper)
            ends_of_pixels(cubic, steps, first, second)
            cubic = cubic_of_cell(nodes, below, j, k, lower)
            ends_of_pixels(cubic, steps, fourth, third)
        done = end


@fast_kernel
def ends_of_pixels(
    cubic: tuple[float, float, float, float],
    steps: tuple[float, float, float],
    left: Line,
    right: Line,
) -> None:
    """Evaluate a cubic at the left and right ends of pixels.

    ``steps`` are the centre of the first pixel, the width of a pixel and half the width
    of a drop, in units of the node distance.
    """
    c0, c1, c2, c3 = cubic
    start, pixel, half = steps
    for i in range(len(left)):
        centre = start + i * pixel
        t, u = centre - half, centre + half
        left[i] = c0 + t * (c1 + t * (c2 + t * c3))
        right[i] = c0 + u * (c1 + u * (c2 + u * c3))


@fast_kernel
def shift_to_cells(lines: Line) -> None:
    """Make corners relative to the edges of the first cell that a pixel can touch."""
    for i in range(CHUNK):
        a, b, c, d = (
            lines[ROW_0 + i],
            lines[ROW_1 + i],
            lines[ROW_2 + i],
            lines[ROW_3 + i],
        )
        cell = first_cell(a, b, c, d)
        lines[BASE_ROW + i] = cell
        lines[ROW_0 + i], lines[ROW_1 + i] = a + 0.5 - cell, b + 0.5 - cell
        lines[ROW_2 + i], lines[ROW_3 + i] = c + 0.5 - cell, d + 0.5 - cell
        a, b, c, d = (
            lines[COL_0 + i],
            lines[COL_1 + i],
            lines[COL_2 + i],
            lines[COL_3 + i],
        )
        cell = first_cell(a, b, c, d)
        lines[BASE_COL + i] = cell
        lines[COL_0 + i], lines[COL_1 + i] = a + 0.5 - cell, b + 0.5 - cell
        lines[COL_2 + i], lines[COL_3 + i] = c + 0.5 - cell, d + 0.5 - cell


@fast_kernel
def first_cell(a: float, b: float, c: float, d: float) -> float:
    """Return the output row or column that contains the smallest of four corners."""
    # plain comparisons: min() checks for NaN, which prevents vectorisation
    ab = a if a < b else b  # noqa: FURB136
    cd = c if c < d else d  # noqa: FURB136
    return float(np.floor((ab if ab < cd else cd) + 0.5))  # noqa: FURB136


@fast_kernel
def measure_edges(lines: Line) -> None:
    """Compute the slopes of the four edges, and one over the area that they enclose."""
    for i in range(CHUNK):
        y0, x0 = lines[ROW_0 + i], lines[COL_0 + i]
        y1, x1 = lines[ROW_1 + i], lines[COL_1 + i]
        y2, x2 = lines[ROW_2 + i], lines[COL_2 + i]
        y3, x3 = lines[ROW_3 + i], lines[COL_3 + i]
        lines[RUN_0 + i], lines[RISE_0 + i] = edge_slopes(y1 - y0, x1 - x0)
        lines[RUN_1 + i], lines[RISE_1 + i] = edge_slopes(y2 - y1, x2 - x1)
        lines[RUN_2 + i], lines[RISE_2 + i] = edge_slopes(y3 - y2, x3 - x2)
        lines[RUN_3 + i], lines[RISE_3 + i] = edge_slopes(y0 - y3, x0 - x3)
        # signed as the overlaps are
        area = 0.5 * ((x2 - x0) * (y3 - y1) - (y2 - y0) * (x3 - x1))
        lines[SHARE + i] = 1.0 / area


@fast_kernel
def edge_slopes(height: float, width: float) -> tuple[float, float]:
    """Return width / height and height / (2 abs(width)); denominators of 0 become 1."""
    run = width / (height if height != 0.0 else 1.0)
    return run, 0.5 * height / (abs(width) if width != 0.0 else 1.0)


@fast_kernel
def area_below_left(lines: Line, row: float, col: float, out: Line) -> None:
    """Write the signed area of quadrilaterals below a row and left of a column line."""
    for i in range(CHUNK):
        y0, y1, y2, y3 = (
            lines[ROW_0 + i],
            lines[ROW_1 + i],
            lines[ROW_2 + i],
            lines[ROW_3 + i],
        )
        slopes = lines[RUN_0 + i], lines[RISE_0 + i]
        area = area_left_of_edge((y0, lines[COL_0 + i], y1), slopes, row, col)
        slopes = lines[RUN_1 + i], lines[RISE_1 + i]
        area += area_left_of_edge((y1, lines[COL_1 + i], y2), slopes, row, col)
        slopes = lines[RUN_2 + i], lines[RISE_2 + i]
        area += area_left_of_edge((y2, lines[COL_2 + i], y3), slopes, row, col)
        slopes = lines[RUN_3 + i], lines[RISE_3 + i]
        area += area_left_of_edge((y3, lines[COL_3 + i], y0), slopes, row, col)
        out[i] = area


@fast_kernel
def area_left_of_edge(
    edge: tuple[float, float, float],
    slopes: tuple[float, float],
    row: float,
    col: float,
) -> float:
    """Integrate the smaller of ``col`` and an edge's column over its rows below ``row``.

    ``edge`` is the row and column of its start and the row of its end.
    """
    y0, x0, y1 = edge
    run, rise = slopes
    a = y0 if y0 < row else row  # noqa: FURB136
    b = y1 if y1 < row else row  # noqa: FURB136
    start, end = x0 + (a - y0) * run - col, x0 + (b - y0) * run - col
    left = start if start < 0.0 else 0.0  # noqa: FURB136
    right = end if end < 0.0 else 0.0  # noqa: FURB136
    # the trapezoid of the ends, with a correction where the edge crosses the line
    bow = (end - right) * left + (start - left) * right
    return (b - a) * (0.5 * (left + right) + col) - rise * bow


@fast_kernel
def take_off(cover: Line, other: Line) -> None:
    """Subtract one line of areas from another."""
    for i in range(CHUNK):
        cover[i] -= other[i]


@fast_kernel
def take_part(lines: Line, cover: Line) -> None:
    """Divide a line of areas by the areas of the pixels."""
    for i in range(CHUNK):
        part = cover[i] * lines[SHARE + i]
        cover[i] = part if part > NOTHING else 0.0
