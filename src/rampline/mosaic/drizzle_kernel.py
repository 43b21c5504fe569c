"""The square kernel of drizzle: input pixels as quadrilaterals on the output grid.

The weight of each input pixel is shared out over the output pixels in proportion to the area
they have in common (Fruchter & Hook 2002, PASP 114, 144, equations 3 to 5). The areas come from
`pixel_areas`, many pixels at a time; only the sums are gathered pixel by pixel.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import fast_kernel
from ..numerics.nodes import interpolate_at
from .pixel_areas import (
    BASE_COL,
    BASE_ROW,
    CHUNK,
    PITCH,
    Scratch,
    area_of,
    lay_pixels,
)
from .window import Lattice, Window

Plane: TypeAlias = NDArray[np.float32]
Planes6: TypeAlias = tuple[Plane, Plane, Plane, Plane, Plane, Plane]
NOTHING = 1e-9
"""Overlaps below this share of an input pixel are rounding, not sky."""
SLACK = 2.0
"""Output pixels by which a row of a few hundred pixels may bend."""


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
    values : (pad + rows + pad, pad + cols + pad, 2 or 5) float64
        Sum of weight times sky, sum of weight; where there are five also the sums of squared
        weight times Poisson, read-noise and flat variance.
    pad : int
        Output pixels around the window, enough for any one input pixel that touches it.
    window : Window
    level : float
        Sky level to take off.
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
    scratch = Scratch(np.zeros(18 * PITCH), np.zeros((target.pad, target.pad, PITCH)))
    for a in range(nodes.shape[0] - 1):
        first, stop = cells_that_touch(nodes, a, target)
        reached = max(0, origin + first * step), min(cols, origin + stop * step)
        for row in range(max(0, origin + a * step), min(rows, origin + (a + 1) * step)):
            left, right = columns_that_touch(lattice, row, reached, target)
            for col in range(left, right, CHUNK):
                lay_pixels(lattice, (row, col), half, scratch)
                place = (row, col, min(CHUNK, right - col))
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
def columns_that_touch(
    lattice: Lattice, row: int, reached: tuple[int, int], target: Target
) -> tuple[int, int]:
    """Return between which of the columns ``reached`` pixels of a row touch the window.

    The row is taken as straight, which it is within `SLACK`.
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
    """Share pixels along a row, ``place`` the first and how many, out over their cells."""
    row, first, n = place
    # looked up once: a record's arrays are counted each time that they are taken out
    skies, weights, poissons, reads, flats = planes
    values, pad, window, level = target
    lines, cover = scratch
    rows, cols = values.shape[0] - pad, values.shape[1] - pad
    for i in range(n):
        col = first + i
        weight = np.float64(weights[row, col])
        if not weight > 0.0:
            continue
        r = int(lines[BASE_ROW + i]) - window[0] + pad
        c = int(lines[BASE_COL + i]) - window[2] + pad
        if not (0 <= r < rows and 0 <= c < cols):
            continue
        sky = np.float64(skies[row, col]) - level
        noise = (
            known(poissons[row, col]),
            known(reads[row, col]),
            known(flats[row, col]),
        )
        share = 1.0 / area_of(lines, i)
        spread_pixel(cover, (i, r, c), share, (weight, sky, noise), values)


@fast_kernel
def known(variance: np.float32) -> np.float64:
    """Return a variance, or 0 where it is not known."""
    return np.float64(variance) if np.isfinite(variance) else np.float64(0.0)


@fast_kernel
def spread_pixel(
    cover: NDArray[np.float64],
    place: tuple[int, int, int],
    share: float,
    terms: tuple[float, float, tuple[float, float, float]],
    values: NDArray[np.float64],
) -> None:
    """Add one pixel to the sums of the cells that it covers.

    ``place`` is the pixel's number in ``cover`` and the row and column of its first cell in
    ``values``; ``terms`` its weight, sky and variances.
    """
    k, row, col = place
    weight, sky, (poisson, read, flat) = terms
    full = values.shape[2] > 2
    flux, square = weight * sky, weight * weight
    poisson, read, flat = square * poisson, square * read, square * flat
    for i in range(cover.shape[0]):
        for j in range(cover.shape[1]):
            part = cover[i, j, k] * share
            # adding nothing costs less than a branch that goes either way
            part = part if part > NOTHING else 0.0
            values[row + i, col + j, 0] += part * flux
            values[row + i, col + j, 1] += part * weight
            if full:
                square = part * part
                values[row + i, col + j, 2] += square * poisson
                values[row + i, col + j, 3] += square * read
                values[row + i, col + j, 4] += square * flat


@fast_kernel
def stamp_exposure(
    values: NDArray[np.float64],
    seen: NDArray[np.float64],
    mark: tuple[int, float],
    time: NDArray[np.float32],
    context: NDArray[np.int32],
) -> None:
    """Add an exposure's context bit and time where the weight is no longer as ``seen``.

    ``mark`` is the bit and the exposure's time; ``seen`` becomes the weight as it is.
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
