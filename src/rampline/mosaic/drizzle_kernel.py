"""The square kernel of drizzle: input pixels as quadrilaterals on the output grid.

Each input pixel, shrunk by pixfrac about its centre, is mapped corner by corner onto the
grid; its weight is shared out over the output pixels in proportion to the area they have
in common (Fruchter & Hook 2002, PASP 114, 144, equations 3 to 5). Areas are exact: to each
output pixel each edge adds the area to its right with the sign of its direction. This is
done without a branch for hundreds of input pixels at a time, so that the processor's vector
units can do it; only the sums are gathered pixel by pixel.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import fast_kernel
from ..numerics.nodes import interpolate_row
from .window import Lattice, Window

Line: TypeAlias = NDArray[np.float64]
Line2: TypeAlias = tuple[Line, Line]
Line4: TypeAlias = tuple[Line, Line, Line, Line]
Plane: TypeAlias = NDArray[np.float32]
Planes6: TypeAlias = tuple[Plane, Plane, Plane, Plane, Plane, Plane]
NOTHING = 1e-9
"""Overlaps below this share of an input pixel are rounding, not sky."""
NARROW = 3e-8
"""An edge that is narrower, in output pixels, runs along a column: rounding would be divided
by its width."""
CHUNK = 512
"""Pixels along a row that are laid onto the grid together."""
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
    alike : bool
        Whether all pixels that have a weight have the weight 1.
    """

    values: NDArray[np.float64]
    pad: int
    window: Window
    number: int
    level: float
    alike: bool


class Scratch(NamedTuple):
    """Room for a chunk of pixels along a row, each with a last axis of `CHUNK`.

    Attributes
    ----------
    corners : (corner, axis, n) float64
        Going round; rows and columns from the pixel's first cell.
    base : (axis, n) float64
        Output row and column of that cell, the lower edge of output pixel 0 at 0.
    cut : (4, n) float64
        Of one edge within one row of cells: its left and right end, its height, upwards
        positive, and its height over its width.
    slope : (n,) float64
    cover : (cells, cells, n) float64
        Signed area that a pixel has in common with each cell.
    """

    corners: NDArray[np.float64]
    base: NDArray[np.float64]
    cut: NDArray[np.float64]
    slope: NDArray[np.float64]
    cover: NDArray[np.float64]


@fast_kernel
def drizzle_pixels(
    planes: DrizzlePlanes, lattice: Lattice, half: float, target: Target
) -> None:
    """Drizzle one exposure into the sums of a window; ``half`` is half of pixfrac."""
    nodes, step, origin = lattice
    rows, cols = planes.sky.shape
    scratch = Scratch(
        np.empty((4, 2, CHUNK)),
        np.empty((2, CHUNK)),
        np.empty((4, CHUNK)),
        np.empty(CHUNK),
        np.empty((target.pad, target.pad, CHUNK)),
    )
    for a in range(nodes.shape[0] - 1):
        first, stop = cells_that_touch(nodes, a, target)
        left, right = max(0, origin + first * step), min(cols, origin + stop * step)
        for row in range(max(0, origin + a * step), min(rows, origin + (a + 1) * step)):
            for col in range(left, right, CHUNK):
                place = (row, col, min(CHUNK, right - col))
                lay_pixels(lattice, place, half, scratch)
                spread_pixels(planes, place, scratch, target)


@fast_kernel
def cells_that_touch(
    nodes: NDArray[np.float64], a: int, target: Target
) -> tuple[int, int]:
    """Return between which node columns pixels after node row ``a`` may touch the window."""
    first, stop = nodes.shape[1], 0
    for b in range(nodes.shape[1] - 1):
        touches = True
        for axis in range(2):
            corners = nodes[a : a + 2, b : b + 2, axis]
            start, end = target.window[2 * axis], target.window[2 * axis + 1]
            after = corners.min() > end + target.pad
            touches = touches and not (after or corners.max() < start - target.pad)
        if touches:
            first, stop = min(first, b), b + 1
    return first, stop


@fast_kernel
def lay_pixels(
    lattice: Lattice, place: tuple[int, int, int], half: float, scratch: Scratch
) -> None:
    """Find what pixels along a row, ``place`` first and as many, cover of their cells."""
    row, col, n = place
    corners, cover = scratch.corners, scratch.cover
    corners_of_row(lattice, (row, col), half, corners[:, :, :n])
    # lines of contiguous memory from here on, else nothing is vectorised
    for axis in range(2):
        ends = corners[0, axis, :n], corners[1, axis, :n]
        others = corners[2, axis, :n], corners[3, axis, :n]
        shift_to_cells(ends, others, scratch.base[axis, :n])
    cover[:] = 0.0
    slope = scratch.slope[:n]
    lines = scratch.cut
    cut = (lines[0, :n], lines[1, :n], lines[2, :n], lines[3, :n])
    last = cover.shape[0] - 1
    for edge in range(4):
        after = (edge + 1) % 4
        start = corners[edge, 0, :n], corners[edge, 1, :n]
        end = corners[after, 0, :n], corners[after, 1, :n]
        measure_slope(start, end, slope)
        for k in range(last + 1):
            cut_edge(start, end[0], slope, float(k), cut)
            for c in range(last):
                add_right_of(cut, c + 1.0, cover[k, c, :n])
            add_strip(cut, last + 1.0, cover[k, last, :n])
    # a row of cells holds all of the strip: what is not in the others is in the last
    for k in range(last + 1):
        for c in range(last):
            cover[k, last, :n] -= cover[k, c, :n]


@fast_kernel
def corners_of_row(
    lattice: Lattice, place: tuple[int, int], half: float, out: NDArray[np.float64]
) -> None:
    """Place the corners of pixels along a row on the grid, (corner, axis, pixel)."""
    row, col = place
    nodes, step, origin = lattice
    interpolate_row(nodes, step, origin, row - half, col - half, out[0])
    interpolate_row(nodes, step, origin, row - half, col + half, out[1])
    interpolate_row(nodes, step, origin, row + half, col + half, out[2])
    interpolate_row(nodes, step, origin, row + half, col - half, out[3])


@fast_kernel
def shift_to_cells(first: Line2, second: Line2, base: Line) -> None:
    """Count two and two corners from the edge of the first cell that a pixel can touch."""
    for i in range(len(base)):
        a, b, c, d = first[0][i], first[1][i], second[0][i], second[1][i]
        # plain comparisons: min() looks for NaN, and then nothing is vectorised
        ab = a if a < b else b  # noqa: FURB136
        cd = c if c < d else d  # noqa: FURB136
        cell = np.floor((ab if ab < cd else cd) + 0.5)  # noqa: FURB136
        base[i] = cell
        first[0][i] = a + 0.5 - cell
        first[1][i] = b + 0.5 - cell
        second[0][i] = c + 0.5 - cell
        second[1][i] = d + 0.5 - cell


@fast_kernel
def measure_slope(start: Line2, end: Line2, slope: Line) -> None:
    """Write columns over rows along an edge, 0 for one along a row."""
    for i in range(len(slope)):
        height = end[0][i] - start[0][i]
        slope[i] = (end[1][i] - start[1][i]) / (height if height != 0.0 else 1.0)


@fast_kernel
def cut_edge(
    start: Line2, end_row: Line, slope: Line, cell_row: float, cut: Line4
) -> None:
    """Cut edges to one row of cells; see `Scratch`."""
    rows, cols = start
    lows, highs, heights, densities = cut
    for i in range(len(slope)):
        y0, y1 = rows[i] - cell_row, end_row[i] - cell_row
        a = y0 if y0 > 0.0 else 0.0  # noqa: FURB136
        a = a if a < 1.0 else 1.0  # noqa: FURB136
        b = y1 if y1 > 0.0 else 0.0  # noqa: FURB136
        b = b if b < 1.0 else 1.0  # noqa: FURB136
        x_a = cols[i] + (a - y0) * slope[i]
        x_b = cols[i] + (b - y0) * slope[i]
        width = abs(x_b - x_a)
        middle = 0.5 * (x_a + x_b)
        wide = width > NARROW
        lows[i] = middle - 0.5 * width if wide else middle
        highs[i] = middle + 0.5 * width if wide else middle
        heights[i] = b - a
        densities[i] = (b - a) / (width if wide else 1.0)


@fast_kernel
def add_right_of(cut: Line4, cell_end: float, cover: Line) -> None:
    """Add what of a cell, the one that ends at ``cell_end``, lies right of cut edges.

    The mean over the edge of the part of the cell's width to its right, times its height.
    """
    lows, highs, heights, densities = cut
    for i in range(len(cover)):
        low, high = cell_end - highs[i], cell_end - lows[i]
        a = low if low > 0.0 else 0.0  # noqa: FURB136
        a = a if a < 1.0 else 1.0  # noqa: FURB136
        b = high if high > 0.0 else 0.0  # noqa: FURB136
        b = b if b < 1.0 else 1.0  # noqa: FURB136
        beyond = high - (low if low > 1.0 else 1.0)  # noqa: FURB136
        beyond = beyond if beyond > 0.0 else 0.0  # noqa: FURB136
        part = (0.5 * (b - a) * (a + b) + beyond) * densities[i]
        cover[i] += part if high > low else a * heights[i]


@fast_kernel
def add_strip(cut: Line4, end: float, cover: Line) -> None:
    """Add all that lies right of cut edges and left of ``end``."""
    lows, highs, heights, _ = cut
    for i in range(len(cover)):
        cover[i] += (end - 0.5 * (lows[i] + highs[i])) * heights[i]


@fast_kernel
def spread_pixels(
    planes: DrizzlePlanes,
    place: tuple[int, int, int],
    scratch: Scratch,
    target: Target,
) -> None:
    """Share pixels along a row out over the cells that they cover."""
    row, first, n = place
    # looked up once: a record's arrays are counted each time that they are taken out
    skies, weights, poissons, reads, flats = planes
    values, pad, window, number, level, alike = target
    corners, base, cover = scratch.corners, scratch.base, scratch.cover
    for i in range(n):
        col = first + i
        weight = float(weights[row, col])
        if not weight > 0.0:
            continue
        if alike:
            weight = 1.0
        r, c = int(base[0, i]) - window[0] + pad, int(base[1, i]) - window[2] + pad
        inside = 0 <= r < values.shape[0] - pad and 0 <= c < values.shape[1] - pad
        if not inside:
            continue
        terms = (
            weight,
            float(skies[row, col]) - level,
            known(poissons[row, col]),
            known(reads[row, col]),
            known(flats[row, col]),
        )
        share = 1.0 / area_of(corners, i)
        spread_pixel(cover, (i, r, c, number), share, terms, values)


@fast_kernel
def area_of(corners: NDArray[np.float64], i: int) -> float:
    """Return the signed area of a quadrilateral, with the sign of its covers."""
    rise = corners[0, 0, i] - corners[2, 0, i], corners[1, 0, i] - corners[3, 0, i]
    run = corners[0, 1, i] - corners[2, 1, i], corners[1, 1, i] - corners[3, 1, i]
    return float(0.5 * (rise[0] * run[1] - run[0] * rise[1]))


@fast_kernel
def known(variance: np.float32) -> float:
    """Return a variance, or 0 where it is not known."""
    return float(variance) if np.isfinite(variance) else 0.0


@fast_kernel
def spread_pixel(
    cover: NDArray[np.float64],
    place: tuple[int, int, int, int],
    share: float,
    terms: tuple[float, float, float, float, float],
    values: NDArray[np.float64],
) -> None:
    """Add one pixel to the sums of the cells that it covers.

    ``place`` is the pixel's number in ``cover``, the row and column of its first cell in
    ``values``, and the exposure's number.
    """
    k, row, col, number = place
    weight, sky, poisson, read, flat = terms
    full = values.shape[2] > 2
    for i in range(cover.shape[0]):
        for j in range(cover.shape[1]):
            part = cover[i, j, k] * share
            # adding nothing costs less than a branch that goes either way
            w = part * weight if part > NOTHING else 0.0
            values[row + i, col + j, 0] += w * sky
            values[row + i, col + j, 1] += w
            if full:
                values[row + i, col + j, 2] += w * w * poisson
                values[row + i, col + j, 3] += w * w * read
                values[row + i, col + j, 4] += w * w * flat
                if w > 0.0:
                    values[row + i, col + j, MARK] = number


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


@fast_kernel
def average_sums(values: NDArray[np.float64], planes: Planes6) -> None:
    """Write sky, error, weight and the three variances; NaN, weight 0, where nothing is."""
    skies, errs, weights, poissons, reads, flats = planes
    for row in range(values.shape[0]):
        for col in range(values.shape[1]):
            weight = values[row, col, 1]
            share = 1.0 / weight if weight > 0.0 else np.nan
            poisson = values[row, col, 2] * share * share
            read = values[row, col, 3] * share * share
            flat = values[row, col, 4] * share * share
            skies[row, col] = values[row, col, 0] * share
            errs[row, col] = np.sqrt(poisson + read + flat)
            weights[row, col] = weight
            poissons[row, col] = poisson
            reads[row, col] = read
            flats[row, col] = flat
