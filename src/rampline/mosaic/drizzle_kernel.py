"""The square kernel of drizzle: input pixels as quadrilaterals on the output grid.

The weight of each input pixel is distributed over the output pixels in proportion to
their area of overlap (Fruchter & Hook 2002, PASP 114, 144, equations 3 to 5). The areas
come from `pixel_areas`, for many pixels at a time; only the sums are accumulated pixel
by pixel.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import fast_kernel, kernel_part
from ..numerics.lanes import add_terms
from ..numerics.nodes import interpolate_at
from .pixel_areas import (
    BASE_COL,
    BASE_ROW,
    CHUNK,
    LANES,
    PITCH,
    Scratch,
    count_cells,
    lay_pixels,
    make_scratch,
)
from .window import Lattice, Window

Plane: TypeAlias = NDArray[np.float32]
Planes6: TypeAlias = tuple[Plane, Plane, Plane, Plane, Plane, Plane]
TERMS = 5
"""Number of sums kept for each output pixel."""
USUAL_CELLS = 3
"""Cells along a side that an input pixel of similar size may cover; a loop count known
at compile time makes the loop a third faster."""
SLACK = 2.0
"""Output pixels by which a row of a few hundred pixels may deviate from a straight line."""


class DrizzlePlanes(NamedTuple):
    """One exposure in the form the kernel expects, each (rows, cols) float32."""

    sky: NDArray[np.float32]
    weight: NDArray[np.float32]
    var_poisson: NDArray[np.float32]
    var_read: NDArray[np.float32]
    var_flat: NDArray[np.float32]


class Target(NamedTuple):
    """The sums to which an exposure is added.

    Attributes
    ----------
    values : (pad + rows + pad, pad + cols + pad, 5) float64
        Sum of weight times sky, sum of weight, sums of squared weight times Poisson,
        read-noise and flat variance.
    pad : int
        Output pixels around the window, enough for any input pixel that touches it.
    window : Window
    level : float
        Sky level to subtract.
    """

    values: NDArray[np.float64]
    pad: int
    window: Window
    level: float


@fast_kernel
def drizzle_pixels(
    planes: DrizzlePlanes, lattice: Lattice, half: float, target: Target
) -> None:
    """Drizzle one exposure into the sums of a window; ``half`` is half of pixfrac."""
    nodes, step, origin = lattice
    rows, cols = planes.sky.shape
    scratch = make_scratch(target.pad)
    for a in range(nodes.shape[0] - 1):
        first, stop = cells_that_touch(nodes, a, target)
        reached = max(0, origin + first * step), min(cols, origin + stop * step)
        for row in range(max(0, origin + a * step), min(rows, origin + (a + 1) * step)):
            left, right = columns_that_touch(lattice, row, reached, target)
            for col in range(left, right, CHUNK):
                n = min(CHUNK, right - col)
                place = (row, col, (n + LANES - 1) // LANES * LANES)
                lay_pixels(lattice, place, half, scratch)
                spread_pixels(planes, (row, col, n), scratch, target)


@fast_kernel
def cells_that_touch(
    nodes: NDArray[np.float64], a: int, target: Target
) -> tuple[int, int]:
    """Return the range of node columns, in node row ``a``, that may touch the window."""
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
def columns_that_touch(
    lattice: Lattice, row: int, reached: tuple[int, int], target: Target
) -> tuple[int, int]:
    """Return the part of the columns ``reached`` in which a row touches the window.

    The row is assumed to be straight, which holds within `SLACK`.
    """
    nodes, step, origin = lattice
    left, right = reached
    if right - left < 2:
        return left, right
    start = interpolate_at(nodes, step, origin, float(row), float(left))
    end = interpolate_at(nodes, step, origin, float(row), float(right - 1))
    first, stop = 0.0, float(right - left)
    for axis in range(2):
        slope = (end[axis] - start[axis]) / (right - 1 - left)
        low = target.window[2 * axis] - target.pad - SLACK - start[axis]
        high = target.window[2 * axis + 1] + target.pad + SLACK - start[axis]
        if abs(slope) > 1e-6:
            first = max(first, min(low / slope, high / slope))
            stop = min(stop, max(low / slope, high / slope) + 1.0)
        elif low > 0.0 or high < 0.0:
            stop = 0.0
    if stop <= first:
        return left, left
    return left + int(first), min(right, left + int(np.ceil(stop)))


@fast_kernel
def spread_pixels(
    planes: DrizzlePlanes,
    place: tuple[int, int, int],
    scratch: Scratch,
    target: Target,
) -> None:
    """Distribute pixels along a row over their cells; ``place``: row, column, number."""
    row, first, n = place
    # looked up once: each access to an array of a record is reference-counted
    skies, weights, poissons, reads, flats = planes
    skies, weights = skies[row], weights[row]
    poissons, reads, flats = poissons[row], reads[row], flats[row]
    values, pad, window, level = target
    corners, _, parts = scratch
    rows, cols = values.shape[0] - pad, values.shape[1] - pad
    width, cells, sums = values.shape[1], count_cells(parts), values.reshape(-1)
    for i in range(n):
        col = first + i
        weight = np.float64(weights[col])
        if not weight > 0.0:
            continue
        r = int(corners[BASE_ROW + i]) - window[0] + pad
        c = int(corners[BASE_COL + i]) - window[2] + pad
        if not (0 <= r < rows and 0 <= c < cols):
            continue
        square = weight * weight
        terms = (
            weight * (np.float64(skies[col]) - level),
            weight,
            square * known(poissons[col]),
            square * known(reads[col]),
            square * known(flats[col]),
        )
        place_of = (np.uintp(i), np.uintp((r * width + c) * TERMS), np.uintp(width))
        if cells == USUAL_CELLS:
            add_pixel((parts, sums), place_of, USUAL_CELLS, terms)
        else:
            add_pixel((parts, sums), place_of, cells, terms)


@fast_kernel
def known(variance: np.float32) -> np.float64:
    """Return a variance, or 0 where it is not finite."""
    return np.float64(variance) if np.isfinite(variance) else np.float64(0.0)


@kernel_part
def add_pixel(
    lines: tuple[NDArray[np.float32], NDArray[np.float64]],
    place: tuple[np.uintp, np.uintp, np.uintp],
    cells: int,
    terms: tuple[float, float, float, float, float],
) -> None:
    """Add one pixel to the sums of the ``cells`` by ``cells`` cells that it may cover.

    ``lines`` are the parts of a chunk and the sums of a window, both flat; ``place`` gives
    the pixel's number in the chunk, the index of its first sum, and the number of cells in
    a row of the sums. Unsigned indices need no check for negative wraparound.
    """
    parts, sums = lines
    part, line, width = place
    part += np.uintp((2 + cells) * PITCH)
    for _ in range(cells):
        k = line
        for _ in range(cells):
            # adding zero costs less than an unpredictable branch
            add_terms(sums, k, np.float64(parts[part]), terms)
            part += np.uintp(PITCH)
            k += np.uintp(TERMS)
        line += np.uintp(TERMS) * width
        part += np.uintp(PITCH)


@fast_kernel
def stamp_exposure(
    values: NDArray[np.float64],
    seen: NDArray[np.float64],
    mark: tuple[int, float],
    time: NDArray[np.float32],
    context: NDArray[np.int32],
) -> None:
    """Add an exposure's context bit and time where the weight differs from ``seen``.

    ``mark`` is the bit and the exposure time; ``seen`` is set to the current weight.
    """
    bit, exposure_s = mark
    for row in range(context.shape[0]):
        for col in range(context.shape[1]):
            weight = values[row, col, 1]
            if weight != seen[row, col]:
                seen[row, col] = weight
                time[row, col] += np.float32(exposure_s)
                context[row, col] |= bit


@fast_kernel
def average_sums(values: NDArray[np.float64], planes: Planes6) -> None:
    """Write sky, error, weight and the three variances; NaN where the weight is 0."""
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
