"""Overlap areas of input pixels with the cells of the output grid.

Each input pixel, shrunk by pixfrac about its centre, is mapped corner by corner onto
the grid as a quadrilateral. Its overlap areas are exact: the area below and left of
each crossing of grid lines, summed edge by edge (Green's theorem), and differences of
these, divided by the pixel's own area. The code is free of branches and handles up to
`CHUNK` input pixels at a time, so that it vectorises. Corners are placed in double
precision; relative to the cells, single precision leaves 1e-6 of a pixel.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import fast_kernel, kernel_part
from ..numerics.nodes import cubic_of_cell, cubic_weights, find_cell
from .window import Lattice

Line: TypeAlias = NDArray[np.float64]
Short: TypeAlias = NDArray[np.float32]
CHUNK = 128
"""Most pixels along a row that are mapped onto the grid together."""
LANES = 16
"""Their number is rounded up to a multiple of this: numbers that a vector register holds."""
PITCH = CHUNK + 16
"""Distance of lines in memory: a power of two would cause cache conflicts."""
ROW, COL = 0, 4 * PITCH
"""Offsets of the first corner's row and column; of all corners in `Scratch.corners`."""
BASE_ROW, BASE_COL = 8 * PITCH, 9 * PITCH
"""Offsets in `Scratch.corners`."""
CORNERS = 10
RUN, RISE, SHARE = 8 * PITCH, 12 * PITCH, 16 * PITCH
START, END, HEIGHT = 17 * PITCH, 21 * PITCH, 25 * PITCH
"""Offsets in `Scratch.edges`, of the first of four lines except for SHARE."""
EDGES = 29
ZERO, HALF, ONE, TWO = (np.float32(x) for x in (0.0, 0.5, 1.0, 2.0))
NOTHING = np.float32(2e-6)
"""Overlaps below this fraction of an input pixel are rounding errors."""


class Scratch(NamedTuple):
    """Work arrays for a chunk of pixels along a row.

    In each a single array with fixed offsets, because the compiler vectorises several arrays
    only if it can prove that they do not overlap.

    Attributes
    ----------
    corners : (CORNERS * PITCH,) float64
        Rows, then columns, of the four corners in cyclic order on the grid; row and column
        of the first cell that a pixel can touch.
    edges : (EDGES * PITCH,) float32
        Rows, then columns, of the corners relative to the edge of that cell; for the four
        edges, columns over rows and half of rows over columns; one over the signed area; of
        the part of each edge below a line of the grid the columns of its start and its end,
        and its height.
    cover : ((1 + cells) * (1 + cells) * PITCH,) float32
        Part of a pixel's area in each cell; the first row and column stay empty.
    """

    corners: Line
    edges: Short
    cover: Short


@fast_kernel
def make_scratch(cells: int) -> Scratch:
    """Return work arrays for pixels that touch at most ``cells`` rows and columns."""
    return Scratch(
        np.zeros(CORNERS * PITCH),
        np.zeros(EDGES * PITCH, np.float32),
        np.zeros((1 + cells) ** 2 * PITCH, np.float32),
    )


@fast_kernel
def lay_pixels(
    lattice: Lattice, place: tuple[int, int, int], half: float, scratch: Scratch
) -> None:
    """Compute which parts of pixels along a row lie in cells.

    ``place``: row, first column and number of the pixels, a multiple of LANES.
    """
    corners, edges, cover = scratch
    n = place[2]
    cells = count_cells(cover)
    corners_of_row(lattice, place, half, corners)
    shift_to_cells(corners, edges, n)
    measure_edges(edges, n)
    for k in range(1, cells + 1):
        # nothing of a pixel lies beyond the last cell
        cut_edges(edges, np.float32(k if k < cells else np.inf), n)
        line = cover[k * (1 + cells) * PITCH :]
        for c in range(1, cells):
            areas_left(edges, np.float32(c), line[c * PITCH :], n)
        areas_below(edges, line[cells * PITCH :], n)
    for k in range(cells, 0, -1):
        for c in range(cells, 0, -1):
            here = (k * (1 + cells) + c) * PITCH
            above = here - (1 + cells) * PITCH
            take_part(edges, cover[here - PITCH :], cover[above - PITCH :], n)


@fast_kernel
def count_cells(cover: Short) -> int:
    """Return how many rows and columns of cells ``cover`` is for."""
    return int(np.sqrt(len(cover) // PITCH)) - 1


@fast_kernel
def corners_of_row(
    lattice: Lattice, place: tuple[int, int, int], half: float, corners: Line
) -> None:
    """Compute the corners of pixels along a row on the grid."""
    nodes, step, origin = lattice
    row, col, n = place
    share = 1.0 / step
    above = find_cell(row - half, step, origin, nodes.shape[0])
    upper = cubic_weights((row - half - origin) * share - above)
    below = find_cell(row + half, step, origin, nodes.shape[0])
    lower = cubic_weights((row + half - origin) * share - below)
    done = 0
    while done < n:
        # all corners of a pixel use the cubics of the cell that contains its centre
        j = find_cell(float(col + done), step, origin, nodes.shape[1])
        end = max(origin + step * (j + 1) - col, done + 1)
        end = n if j == nodes.shape[1] - 3 else min(end, n)
        steps = ((col + done - origin) * share - j, share, half * share)
        for k in range(2):
            cubics = (
                cubic_of_cell(nodes, above, j, k, upper),
                cubic_of_cell(nodes, below, j, k, lower),
            )
            line = corners[k * COL + done : (k * COL + 3 * PITCH) + end]
            ends_of_pixels(cubics, steps, end - done, line)
        done = end


@fast_kernel
def ends_of_pixels(
    cubics: tuple[tuple[float, float, float, float], tuple[float, float, float, float]],
    steps: tuple[float, float, float],
    n: int,
    out: Line,
) -> None:
    """Evaluate cubics at the ends of pixels: upper left, upper right, lower right, lower left.

    ``steps`` are the centre of the first pixel, the width of a pixel and half the width
    of a drop, in units of the node distance.
    """
    (a0, a1, a2, a3), (b0, b1, b2, b3) = cubics
    start, pixel, half = steps
    for i in range(n):
        centre = start + i * pixel
        t, u = centre - half, centre + half
        out[i] = a0 + t * (a1 + t * (a2 + t * a3))
        out[PITCH + i] = a0 + u * (a1 + u * (a2 + u * a3))
        out[2 * PITCH + i] = b0 + u * (b1 + u * (b2 + u * b3))
        out[3 * PITCH + i] = b0 + t * (b1 + t * (b2 + t * b3))


@fast_kernel
def shift_to_cells(corners: Line, edges: Short, n: int) -> None:
    """Make corners relative to the edges of the first cell that a pixel can touch."""
    for axis in range(2):
        line, out = corners[axis * COL :], edges[axis * COL :]
        base = corners[BASE_ROW + axis * PITCH :]
        for i in range(n):
            a, b = line[i], line[PITCH + i]
            c, d = line[2 * PITCH + i], line[3 * PITCH + i]
            cell = first_cell(a, b, c, d)
            base[i] = cell
            out[i] = a + 0.5 - cell
            out[PITCH + i] = b + 0.5 - cell
            out[2 * PITCH + i] = c + 0.5 - cell
            out[3 * PITCH + i] = d + 0.5 - cell


@fast_kernel
def first_cell(a: float, b: float, c: float, d: float) -> float:
    """Return the output row or column that contains the smallest of four corners."""
    # plain comparisons: min() checks for NaN, which prevents vectorisation
    ab = a if a < b else b  # noqa: FURB136
    cd = c if c < d else d  # noqa: FURB136
    return float(np.floor((ab if ab < cd else cd) + 0.5))  # noqa: FURB136


@fast_kernel
def measure_edges(edges: Short, n: int) -> None:
    """Compute the slopes of the four edges, and one over the area that they enclose."""
    for i in range(n):
        y0, x0 = edges[i], edges[COL + i]
        y1, x1 = edges[PITCH + i], edges[COL + PITCH + i]
        y2, x2 = edges[2 * PITCH + i], edges[COL + 2 * PITCH + i]
        y3, x3 = edges[3 * PITCH + i], edges[COL + 3 * PITCH + i]
        measure_edge(edges, i, y1 - y0, x1 - x0)
        measure_edge(edges, PITCH + i, y2 - y1, x2 - x1)
        measure_edge(edges, 2 * PITCH + i, y3 - y2, x3 - x2)
        measure_edge(edges, 3 * PITCH + i, y0 - y3, x0 - x3)
        # signed as the overlaps are
        twice = (x2 - x0) * (y3 - y1) - (y2 - y0) * (x3 - x1)
        edges[SHARE + i] = TWO / twice


@kernel_part
def measure_edge(edges: Short, i: int, height: np.float32, width: np.float32) -> None:
    """Write width / height and height / (2 abs(width)); denominators of 0 become 1."""
    edges[RUN + i] = width / (height if height != ZERO else ONE)
    edges[RISE + i] = HALF * height / (abs(width) if width != ZERO else ONE)


@fast_kernel
def cut_edges(edges: Short, row: np.float32, n: int) -> None:
    """Keep of each edge what lies below a row."""
    for i in range(n):
        y0, y1, y2, y3 = (
            edges[i],
            edges[PITCH + i],
            edges[2 * PITCH + i],
            edges[3 * PITCH + i],
        )
        cut_edge(edges, i, (y0, y1), row)
        cut_edge(edges, PITCH + i, (y1, y2), row)
        cut_edge(edges, 2 * PITCH + i, (y2, y3), row)
        cut_edge(edges, 3 * PITCH + i, (y3, y0), row)


@kernel_part
def cut_edge(
    edges: Short, i: int, ends: tuple[np.float32, np.float32], row: np.float32
) -> None:
    """Write the columns where an edge below a row starts and ends, and its height."""
    first, last = ends
    a = first if first < row else row  # noqa: FURB136
    b = last if last < row else row  # noqa: FURB136
    x, run = edges[COL + i], edges[RUN + i]
    edges[START + i] = x + (a - first) * run
    edges[END + i] = x + (b - first) * run
    edges[HEIGHT + i] = b - a


@fast_kernel
def areas_left(edges: Short, col: np.float32, out: Short, n: int) -> None:
    """Write the signed area of quadrilaterals below the row of a cut and left of a column."""
    for i in range(n):
        area = area_left_of_edge(edges, i, col)
        area += area_left_of_edge(edges, PITCH + i, col)
        area += area_left_of_edge(edges, 2 * PITCH + i, col)
        area += area_left_of_edge(edges, 3 * PITCH + i, col)
        out[i] = area


@kernel_part
def area_left_of_edge(edges: Short, i: int, col: np.float32) -> np.float32:
    """Integrate the smaller of ``col`` and an edge's column over its rows below the cut."""
    start, end = edges[START + i] - col, edges[END + i] - col
    left = start if start < ZERO else ZERO  # noqa: FURB136
    right = end if end < ZERO else ZERO  # noqa: FURB136
    # the trapezoid of the ends, with a correction where the edge crosses the line
    bow = (end - right) * left + (start - left) * right
    height, rise = edges[HEIGHT + i], edges[RISE + i]
    return np.float32(height * (HALF * (left + right) + col) - rise * bow)


@fast_kernel
def areas_below(edges: Short, out: Short, n: int) -> None:
    """Write the signed area of quadrilaterals below the row of a cut."""
    for i in range(n):
        area = edges[HEIGHT + i] * (edges[START + i] + edges[END + i])
        for k in range(1, 4):
            j = k * PITCH + i
            area += edges[HEIGHT + j] * (edges[START + j] + edges[END + j])
        out[i] = HALF * area


@fast_kernel
def take_part(edges: Short, here: Short, above: Short, n: int) -> None:
    """Turn areas below and left of the far corner of a cell into parts of pixels within it.

    ``here`` and ``above`` begin with the line of the cell before, in the cell's row of cells
    and in the one above, which still hold areas.
    """
    for i in range(n):
        area = here[PITCH + i] - here[i] - above[PITCH + i] + above[i]
        part = area * edges[SHARE + i]
        here[PITCH + i] = part if part > NOTHING else ZERO
