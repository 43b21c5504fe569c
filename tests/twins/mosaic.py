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
    for row in range(planes.sky.shape[0]):
        corners = np.empty((4, 2, planes.sky.shape[1]))
        corners_of_row(lattice, (row, 0), half, corners)
        drizzle_stretch(planes, (row, 0), corners, None, target)


def cell_misses(nodes, a, b, target):
    corners = nodes[a : a + 2, b : b + 2].reshape(4, 2)
    start = np.array(target.window[::2]) - target.pad
    stop = np.array(target.window[1::2]) + target.pad
    return bool(((corners.max(axis=0) < start) | (corners.min(axis=0) > stop)).any())


def corners_of_row(lattice, place, half, out):
    cols = place[1] + np.arange(out.shape[2])
    for k, (down, along) in enumerate([(-1, -1), (-1, 1), (1, 1), (1, -1)]):
        found = interpolate_nodes(*lattice, place[0] + down * half, cols + along * half)
        out[k] = found.T + 0.5


def drizzle_stretch(planes, place, corners, patch, target):
    values, pad, window, number, level = target
    del patch
    for i in range(corners.shape[2]):
        pixel = (place[0], place[1] + i)
        weight = float(planes.weight[pixel])
        quad = corners[:, :, i] - 0.5
        if not weight > 0:
            continue
        area = polygon_area(quad)
        (top, bottom), (left, right) = reach_of(corners, 0, i), reach_of(corners, 1, i)
        for r in range(max(int(top // 1), window[0]), min(int(bottom) + 1, window[1])):
            for c in range(
                max(int(left // 1), window[2]), min(int(right) + 1, window[3])
            ):
                part = overlap(quad, r, c) / area
                if part <= 1e-9:
                    continue
                w = part * weight
                here = values[r - window[0] + pad, c - window[2] + pad]
                here[:2] += w * (float(planes.sky[pixel]) - level), w
                if len(here) > 2:
                    here[2:5] += w * w * np.array([known(p[pixel]) for p in planes[2:]])
                    here[5] = number


def reach_of(corners, axis, i):
    return corners[:, axis, i].min(), corners[:, axis, i].max()


def known(variance):
    return float(np.nan_to_num(variance, posinf=0.0))


def cover_quadrilateral(patch, corners, i, base):
    quad = corners[:, :, i] - np.array(base)
    p, q = quad, np.roll(quad, -1, axis=0)
    area = 0.5 * np.sum(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0])
    cover = np.array(
        [[overlap(quad, r + 0.5, c + 0.5) for c in range(8)] for r in range(len(patch))]
    )
    patch += np.sign(area) * np.diff(cover, axis=1, prepend=0)[:, : patch.shape[1]]
    return area


def add_edge(patch, x0, y0, x1, y1):
    """What lies to the right of the edge is a quadrilateral that ends far away."""
    quad = [(y0, x0), (y1, x1), (y1, 99.0), (y0, 99.0)]
    for row in range(patch.shape[0]):
        right = [overlap(quad, row + 0.5, c + 0.5) for c in range(patch.shape[1])]
        patch[row] += np.sign(y1 - y0) * np.diff(right, prepend=0)


def spread_pixel(patch, box, scale, terms, values):
    row, col, rows, cols = box
    share, weight, number = scale
    part = np.cumsum(patch[:rows, :cols], axis=1) * share
    w = np.where(part > 1e-9, part * weight, 0.0)
    here = values[row : row + rows, col : col + cols]
    here[..., 0] += w * terms[0]
    here[..., 1] += w
    if values.shape[2] > 2:
        for k in range(3):
            here[..., 2 + k] += w * w * terms[1 + k]
        here[w > 0, 5] = number
    patch[:rows, : cols + 1] = 0.0


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
        if cubic:
            out[r, c] = cubic_at(plane, y, x)
        if np.isnan(out[r, c]):
            out[r, c] = linear_at(plane, y, x)


def cubic_at(plane, row, col):
    i, j = int(row), int(col)
    if not (1 <= i <= plane.shape[0] - 3 and 1 <= j <= plane.shape[1] - 3):
        return np.nan
    down = [lagrange(row - i, k) for k in range(4)]
    along = [lagrange(col - j, k) for k in range(4)]
    return down @ plane[i - 1 : i + 3, j - 1 : j + 3].astype(float) @ along


def linear_at(plane, row, col):
    i, j = int(row), int(col)
    i1, j1 = min(i + 1, plane.shape[0] - 1), min(j + 1, plane.shape[1] - 1)
    block = plane[np.ix_([i, i1], [j, j1])].astype(float)
    return [1 - row + i, row - i] @ block @ [1 - col + j, col - j]


def lagrange(t, k):
    """Weight of the node at k - 1 of -1, 0, 1, 2."""
    others = [m for m in range(4) if m != k]
    return np.prod([(t - (m - 1)) / (k - m) for m in others])


def compare_pixels(sky, err, blot, level, limits, exceeds):
    snr_first, scale_first, snr_second, scale_second = limits
    for row, col in np.ndindex(sky.shape):
        slope = steepness(blot, row, col)
        excess = abs(sky[row, col] - blot[row, col] - level)
        noise = np.nan_to_num(err[row, col])
        if excess > scale_first * slope + snr_first * noise:
            exceeds[row, col] |= 1
        if excess > scale_second * slope + snr_second * noise:
            exceeds[row, col] |= 2


def steepness(blot, row, col):
    padded = np.pad(blot, 1, constant_values=np.nan)
    around = padded[[row, row + 2, row + 1, row + 1], [col + 1, col + 1, col, col + 2]]
    steps = np.abs(blot[row, col] - around)
    return max(steps[np.isfinite(steps)], default=np.float32(0))


def confirm_pixels(exceeds, found):
    first = np.pad(exceeds & 1, 1)
    for row, col in np.ndindex(exceeds.shape):
        near = first[row : row + 3, col : col + 3].any()
        found[row, col] = bool(exceeds[row, col] & 2) and near
