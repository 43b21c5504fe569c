"""Slow twins of the kernels of ``rampline.mosaic``: plain Python and NumPy."""

import numpy as np

from rampline.numerics.nodes import interpolate_nodes


def clip(polygon, axis, bound, keep_below):
    """Cut a polygon along one line (Sutherland & Hodgman 1974)."""
    sign = 1.0 if keep_below else -1.0
    inside = [sign * (bound - point[axis]) >= 0 for point in polygon]
    kept = []
    for k, point in enumerate(polygon):
        before = polygon[k - 1]
        if inside[k] != inside[k - 1]:
            t = (bound - before[axis]) / (point[axis] - before[axis])
            kept.append(before + t * (point - before))
        if inside[k]:
            kept.append(point)
    return kept


def polygon_area(polygon):
    if len(polygon) < 3:
        return 0.0
    p = np.array(polygon)
    q = np.roll(p, -1, axis=0)
    return 0.5 * abs(np.sum(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]))


def overlap(corners, row, col):
    """Area that a quadrilateral shares with the output pixel at (row, col)."""
    polygon = list(np.asarray(corners, float))
    for axis, middle in ((0, row), (1, col)):
        for bound, keep_below in ((middle + 0.5, True), (middle - 0.5, False)):
            if polygon:
                polygon = clip(polygon, axis, bound, keep_below)
    return polygon_area(polygon)


def count_overlap(corners, row, col, n=400):
    """Share of an output pixel inside a convex quadrilateral, by counting points."""
    fine = (np.arange(n) + 0.5) / n - 0.5
    y, x = np.meshgrid(row + fine, col + fine, indexing="ij")
    sides = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        sides.append((b[0] - a[0]) * (x - a[1]) - (b[1] - a[1]) * (y - a[0]) > 0)
    return (np.all(sides, axis=0) | ~np.any(sides, axis=0)).mean()


def drizzle_pixels(planes, lattice, half, target):
    values, pad, window, number, level = target
    for row, col in np.ndindex(planes.sky.shape):
        weight = float(planes.weight[row, col])
        if not weight > 0:
            continue
        rows = row + half * np.array([-1, -1, 1, 1])
        cols = col + half * np.array([-1, 1, 1, -1])
        corners = interpolate_nodes(*lattice, rows, cols)
        area = polygon_area(corners)
        low = np.floor(corners.min(axis=0) + 0.5).astype(int)
        high = np.floor(corners.max(axis=0) + 0.5).astype(int)
        for r in range(max(low[0], window[0]), min(high[0] + 1, window[1])):
            for c in range(max(low[1], window[2]), min(high[1] + 1, window[3])):
                part = overlap(corners, r, c) / area
                if part <= 1e-9:
                    continue
                w = part * weight
                sky = float(planes.sky[row, col]) - level
                here = values[r - window[0] + pad, c - window[2] + pad]
                here[:2] += w * sky, w
                if len(here) > 2:
                    noise = [float(plane[row, col]) for plane in planes[2:]]
                    here[2:5] += w * w * np.nan_to_num(noise)
                    here[5] = number


def stamp_exposure(values, mark, exposure_s, time, context):
    number, bit = mark
    here = values[..., 5] == number
    time[here] += exposure_s
    context[here] |= bit


def median_of_layers(layers, out):
    for row, col in np.ndindex(out.shape):
        values = layers[:, row, col]
        values = values[~np.isnan(values)]
        out[row, col] = np.median(values) if values.size > 1 else np.nan


def blot_rows(plane, lattice, first_row, cubic, out):
    rows, cols = plane.shape
    for r, c in np.ndindex(out.shape):
        y, x = interpolate_nodes(*lattice, [first_row + r], [c])[0]
        out[r, c] = np.nan
        if not (0 <= y < rows and 0 <= x < cols):
            continue
        i, j = int(y), int(x)
        if cubic and 1 <= i <= rows - 3 and 1 <= j <= cols - 3:
            four = np.arange(4)
            wy = [lagrange(y - i, k) for k in four]
            wx = [lagrange(x - j, k) for k in four]
            out[r, c] = wy @ plane[i - 1 : i + 3, j - 1 : j + 3].astype(float) @ wx
        if np.isnan(out[r, c]):
            i1, j1 = min(i + 1, rows - 1), min(j + 1, cols - 1)
            block = plane[np.ix_([i, i1], [j, j1])].astype(float)
            out[r, c] = [1 - y + i, y - i] @ block @ [1 - x + j, x - j]


def lagrange(t, k):
    """Weight of the node at k - 1 of -1, 0, 1, 2."""
    others = [m for m in range(4) if m != k]
    return np.prod([(t - (m - 1)) / (k - m) for m in others])


def compare_pixels(sky, err, blot, level, limits, exceeds):
    snr_first, scale_first, snr_second, scale_second = limits
    rows, cols = sky.shape
    for row, col in np.ndindex(sky.shape):
        around = [(row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)]
        steps = [
            abs(blot[row, col] - blot[i, j])
            for i, j in around
            if 0 <= i < rows and 0 <= j < cols
        ]
        slope = max([s for s in steps if np.isfinite(s)], default=np.float32(0))
        excess = abs(sky[row, col] - blot[row, col] - level)
        noise = np.nan_to_num(err[row, col])
        if excess > scale_first * slope + snr_first * noise:
            exceeds[row, col] |= 1
        if excess > scale_second * slope + snr_second * noise:
            exceeds[row, col] |= 2


def confirm_pixels(exceeds, found):
    first = np.pad(exceeds & 1, 1)
    for row, col in np.ndindex(exceeds.shape):
        near = first[row : row + 3, col : col + 3].any()
        found[row, col] = bool(exceeds[row, col] & 2) and near
