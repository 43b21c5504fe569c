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
    values, pad, window, number, level, alike = target
    rows, cols = planes.sky.shape
    for row in range(rows):
        corners = np.empty((4, 2, cols))
        corners_of_row(lattice, (row, 0), half, corners)
        for col in range(cols):
            quad = corners[:, :, col]
            weight = float(planes.weight[row, col])
            if not weight > 0:
                continue
            weight = 1.0 if alike else weight
            low = np.floor(quad.min(axis=0) + 0.5).astype(int)
            high = np.floor(quad.max(axis=0) + 0.5).astype(int)
            for r in range(max(low[0], window[0]), min(high[0] + 1, window[1])):
                for c in range(max(low[1], window[2]), min(high[1] + 1, window[3])):
                    part = overlap(quad, r, c) / polygon_area(quad)
                    if part <= 1e-9:
                        continue
                    w = part * weight
                    here = values[r - window[0] + pad, c - window[2] + pad]
                    here[:2] += w * (float(planes.sky[row, col]) - level), w
                    if len(here) > 2:
                        noise = [known(plane[row, col]) for plane in planes[2:]]
                        here[2:5] += w * w * np.array(noise)
                        here[5] = number


def cells_that_touch(nodes, a, target):
    start = np.array(target.window[::2]) - target.pad
    stop = np.array(target.window[1::2]) + target.pad
    found = []
    for b in range(nodes.shape[1] - 1):
        corners = nodes[a : a + 2, b : b + 2].reshape(4, 2)
        if (corners.max(axis=0) >= start).all() and (corners.min(axis=0) <= stop).all():
            found.append(b)
    return (found[0], found[-1] + 1) if found else (nodes.shape[1], 0)


def corners_of_row(lattice, place, half, out):
    cols = place[1] + np.arange(out.shape[2])
    for k, (down, along) in enumerate([(-1, -1), (-1, 1), (1, 1), (1, -1)]):
        found = interpolate_nodes(*lattice, place[0] + down * half, cols + along * half)
        out[k] = found.T


def lay_pixels(lattice, place, half, scratch):
    """Areas by cutting polygons; those of pixels that go round the other way are negative."""
    row, col, n = place
    corners_of_row(lattice, (row, col), half, scratch.corners[:, :, :n])
    for i in range(n):
        quad = scratch.corners[:, :, i]
        scratch.base[:, i] = np.floor(quad.min(axis=0) + 0.5)
        quad += 0.5 - scratch.base[:, i]
        sign = np.sign(area_of(scratch.corners, i))
        for r, c in np.ndindex(scratch.cover.shape[:2]):
            scratch.cover[r, c, i] = sign * overlap(quad, r + 0.5, c + 0.5)


def shift_to_cells(first, second, base):
    lines = [*first, *second]
    base[:] = np.floor(np.min(lines, axis=0) + 0.5)
    for k in range(4):
        lines[k][:] += 0.5 - base


def measure_slope(start, end, slope):
    height = end[0] - start[0]
    flat = height == 0
    slope[:] = np.where(flat, 0, end[1] - start[1]) / np.where(flat, 1, height)
    slope[flat] = (end[1] - start[1])[flat]


def cut_edge(start, end_row, slope, cell_row, cut):
    a, b = (np.clip(y - cell_row, 0, 1) for y in (start[0], end_row))
    ends = [start[1] + (y - start[0] + cell_row) * slope for y in (a, b)]
    cut[0][:], cut[1][:] = np.min(ends, axis=0), np.max(ends, axis=0)
    cut[2][:] = b - a
    width = cut[1] - cut[0]
    cut[3][:] = (b - a) / np.where(width > 3e-8, width, 1)


def add_right_of(cut, cell_end, cover):
    """Mean over many points of each edge."""
    along = (np.arange(20000) + 0.5) / 20000
    for i in range(len(cover)):
        x = cut[0][i] + along * (cut[1][i] - cut[0][i])
        cover[i] += np.clip(cell_end - x, 0, 1).mean() * cut[2][i]


def add_strip(cut, end, cover):
    cover += (end - (cut[0] + cut[1]) / 2) * cut[2]


def spread_pixels(planes, place, scratch, target):
    row, first, n = place
    values, pad, window, number, level, alike = target
    for i in range(n):
        at = (row, first + i)
        r, c = scratch.base[:, i].astype(int) - window[::2] + pad
        inside = 0 <= r < values.shape[0] - pad and 0 <= c < values.shape[1] - pad
        if planes.weight[at] > 0 and inside:
            noise = [known(plane[at]) for plane in planes[2:]]
            sky = float(planes.sky[at]) - level
            terms = (1.0 if alike else float(planes.weight[at]), sky, *noise)
            share = 1 / area_of(scratch.corners, i)
            spread_pixel(scratch.cover, (i, r, c, number), share, terms, values)


def area_of(corners, i):
    p, q = corners[:, :, i], np.roll(corners[:, :, i], -1, axis=0)
    return 0.5 * np.sum(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0])


def known(variance):
    return float(np.nan_to_num(variance, posinf=0.0))


def spread_pixel(cover, place, share, terms, values):
    k, row, col, number = place
    part = cover[:, :, k] * share
    w = np.where(part > 1e-9, part * terms[0], 0.0)
    here = values[row : row + part.shape[0], col : col + part.shape[1]]
    here[..., 0] += w * terms[1]
    here[..., 1] += w
    if values.shape[2] > 2:
        for n in range(3):
            here[..., 2 + n] += w * w * terms[2 + n]
        here[w > 0, 5] = number


def stamp_exposure(values, mark, exposure_s, time, context):
    number, bit = mark
    here = values[..., 5] == number
    time[here] += exposure_s
    context[here] |= bit


def average_sums(values, planes):
    weight = values[..., 1]
    total = np.where(weight > 0, weight, np.nan)
    planes[0][:] = values[..., 0] / total
    for k in range(3):
        planes[3 + k][:] = values[..., 2 + k] / total**2
    planes[1][:] = np.sqrt(values[..., 2:5].sum(axis=-1)) / total
    planes[2][:] = weight


def median_of_layers(layers, tolerance, out):
    for row, col in np.ndindex(out.shape):
        values = layers[:, row, col]
        known_ = ~np.isnan(values)
        values = values[known_]
        out[row, col] = np.median(values) if values.size > 1 else np.nan
        if values.size == 2 and np.ptp(values) ** 2 > tolerance[known_].sum():
            out[row, col] = values.min()


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


def compare_pixels(sky, err, blots, level, limits, exceeds):
    blot, other = blots
    snr_first, scale_first, snr_second, scale_second = limits
    for row, col in np.ndindex(sky.shape):
        slope = steepness(blot, row, col)
        ends = [sky[row, col] - plane[row, col] - level for plane in (blot, other)]
        outside = ends[0] == ends[1] or ends[0] * ends[1] > 0
        excess = min(np.abs(ends)) if outside else 0.0
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
