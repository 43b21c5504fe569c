"""Sums over circles and clipped medians over rings, source by source.

Pixels on the border of a circle are weighted by the exact area of overlap, as in
`photutils`: the area of a circle below and left of a point has a closed form, and the
overlap with a pixel is the alternating sum of that area over the pixel's corners.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Labels, Plane
from ..numerics.jit import kernel
from ..numerics.selection import select

Values = NDArray[np.float64]


@kernel
def quadrant_area(x: float, y: float) -> float:
    """Return the area of the unit circle left of x and below y."""
    if x <= -1.0 or y <= -1.0:
        return 0.0
    x, y = min(x, 1.0), min(y, 1.0)
    # area between the axis and x in one half of the circle
    beyond_x = 0.5 * (x * math.sqrt(1.0 - x * x) + math.asin(x))
    beyond_y = 0.5 * (y * math.sqrt(1.0 - y * y) + math.asin(y))
    if x * x + y * y <= 1.0:
        return math.pi / 4 + beyond_x + beyond_y + x * y
    if x > 0.0:
        both = 2.0 * (beyond_x + beyond_y)
        return both if y > 0.0 else math.pi / 2 + 2.0 * beyond_y
    return math.pi / 2 + 2.0 * beyond_x if y > 0.0 else 0.0


@kernel
def circle_share(dy: float, dx: float, radius: float) -> float:
    """Return the area inside a circle of a pixel at (dy, dx) from the circle's centre."""
    reach = math.hypot(dy, dx)
    if reach <= radius - 0.7072:
        return 1.0
    if reach >= radius + 0.7072:
        return 0.0
    left, right = (dx - 0.5) / radius, (dx + 0.5) / radius
    low, high = (dy - 0.5) / radius, (dy + 0.5) / radius
    share = quadrant_area(right, high) - quadrant_area(left, high)
    share += quadrant_area(left, low) - quadrant_area(right, low)
    return share * radius * radius


@kernel
def cover_disk(radius: float, out: Values) -> None:
    """Fill the area of each pixel inside a circle centred on a square array."""
    half = out.shape[0] // 2
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = circle_share(i - half, j - half, radius)


@kernel
def sum_circles(
    sky: Plane,
    err: Plane,
    positions: Values,
    radii: Values,
    out: tuple[Values, Values],
) -> None:
    """Fill sums of sky and of squared errors over the image's pixels, (radii, sources)."""
    total, variance = out
    n_rows, n_cols = sky.shape
    for k in range(positions.shape[0]):
        row, col = positions[k, 0], positions[k, 1]
        if not (math.isfinite(row) and math.isfinite(col)):
            total[:, k], variance[:, k] = math.nan, math.nan
            continue
        for m in range(radii.size):
            total[m, k], variance[m, k] = 0.0, 0.0
            reach = radii[m] + 0.5
            for i in range(max(math.ceil(row - reach), 0), n_rows):
                if i > row + reach:
                    break
                for j in range(max(math.ceil(col - reach), 0), n_cols):
                    if j > col + reach:
                        break
                    share = circle_share(i - row, j - col, radii[m])
                    if share > 0.0:
                        total[m, k] += share * sky[i, j]
                        variance[m, k] += share * err[i, j] * err[i, j]


@kernel
def measure_rings(
    sky: Plane,
    labels: Labels,
    positions: Values,
    ring: tuple[float, float, int],
    out: tuple[Values, Values],
) -> None:
    """Fill the clipped medians and their errors for independent pixels, (sources,).

    ``ring`` is inner radius, outer radius and the least number of pixels free of other
    sources; with fewer, pixels of other sources are used too.
    """
    inner, outer, least = ring
    median, error = out
    side = int(2 * outer) + 3
    values = np.empty(side * side)
    for k in range(positions.shape[0]):
        place = (positions[k, 0], positions[k, 1])
        n = _gather_ring(sky, labels, place, (inner, outer, k + 1), values)
        if n < least:
            n = _gather_ring(sky, labels, place, (inner, outer, -1), values)
        median[k], error[k] = clipped_median(values[:n])


@kernel
def _gather_ring(
    sky: Plane,
    labels: Labels,
    place: tuple[float, float],
    ring: tuple[float, float, int],
    out: Values,
) -> int:
    """Copy the pixels of a ring that have data, and return their number.

    ``ring`` is inner radius, outer radius and the label of its source: pixels of other
    sources are skipped; -1 takes all pixels.
    """
    row, col = place
    inner, outer, label = ring
    n = 0
    if not (math.isfinite(row) and math.isfinite(col)):
        return 0
    for i in range(
        max(math.ceil(row - outer), 0),
        min(math.floor(row + outer), sky.shape[0] - 1) + 1,
    ):
        wide = math.sqrt(max(outer * outer - (i - row) ** 2, 0.0))
        for j in range(
            max(math.ceil(col - wide), 0),
            min(math.floor(col + wide), sky.shape[1] - 1) + 1,
        ):
            square = (i - row) ** 2 + (j - col) ** 2
            value, owner = sky[i, j], labels[i, j]
            is_ours = (label < 0) | (owner == 0) | (owner == label)
            out[n] = value
            n += (
                (square >= inner * inner)
                & (square < outer * outer)
                & is_ours
                & (math.isfinite(value))
            )
    return n


@kernel
def clipped_median(values: Values) -> tuple[float, float]:
    """Return the clipped median and its standard error; the values are reordered.

    Clips at most five times at 3 standard deviations about the median, as astropy's
    SigmaClip does.
    """
    count = values.size
    middle, spread = math.nan, math.nan
    for trial in range(6):
        if count == 0:
            return math.nan, math.nan
        half = count // 2
        middle = select(values, count, half)
        if count % 2 == 0:
            # select has moved the lower half to the front
            middle = 0.5 * (middle + values[:half].max())
        spread = values[:count].std()
        if trial == 5:
            break
        kept = 0
        for k in range(count):
            value = values[k]
            values[kept] = value
            kept += abs(value - middle) <= 3.0 * spread
        if kept == count:
            break
        count = kept
    return middle, math.sqrt(0.5 * math.pi / count) * spread
