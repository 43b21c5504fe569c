"""Slow twins of the kernels of ``rampline.mosaic``: plain Python and NumPy."""

from collections import namedtuple

import numpy as np
from scipy import ndimage

from rampline.numerics.nodes import interpolate_nodes

CHUNK, PITCH = 128, 144
NOTHING = 2e-6
Scratch = namedtuple("Scratch", "corners edges cover")  # noqa: PYI024
OUTSIDE = np.finfo(np.float32).max


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
    values, pad, window, level = target
    rows, cols = planes.sky.shape
    for row in range(rows):
        corners = corners_along(lattice, (row, np.arange(cols)), half)
        for col in range(cols):
            quad = corners[:, :, col]
            weight = float(planes.weight[row, col])
            if not weight > 0:
                continue
            low = np.floor(quad.min(axis=0) + 0.5).astype(int)
            high = np.floor(quad.max(axis=0) + 0.5).astype(int)
            for r in range(max(low[0], window[0]), min(high[0] + 1, window[1])):
                for c in range(max(low[1], window[2]), min(high[1] + 1, window[3])):
                    part = overlap(quad, r, c) / polygon_area(quad)
                    if part <= NOTHING:
                        continue
                    w = part * weight
                    here = values[r - window[0] + pad, c - window[2] + pad]
                    here[:2] += w * (float(planes.sky[row, col]) - level), w
                    noise = [known(plane[row, col]) for plane in planes[2:]]
                    here[2:5] += w * w * np.array(noise)


def corners_along(lattice, place, half):
    """Corners of pixels along a row, (corner, axis, pixel)."""
    row, cols = place
    around = [(-1, -1), (-1, 1), (1, 1), (1, -1)]
    found = [
        interpolate_nodes(*lattice, row + down * half, cols + along * half).T
        for down, along in around
    ]
    return np.array(found)


def cells_that_touch(nodes, a, target):
    start = np.array(target.window[::2]) - target.pad
    stop = np.array(target.window[1::2]) + target.pad
    found = []
    for b in range(nodes.shape[1] - 1):
        corners = nodes[a : a + 2, b : b + 2].reshape(4, 2)
        if (corners.max(axis=0) >= start).all() and (corners.min(axis=0) <= stop).all():
            found.append(b)
    return (found[0], found[-1] + 1) if found else (nodes.shape[1], 0)


def columns_that_touch(lattice, row, reached, target):
    """Columns of pixels whose centre is near the window."""
    cols = np.arange(*reached)
    places = interpolate_nodes(*lattice, np.full(len(cols), row), cols)
    start = np.array(target.window[::2]) - target.pad
    stop = np.array(target.window[1::2]) + target.pad
    near = cols[((places >= start) & (places <= stop)).all(axis=1)]
    return (near[0], near[-1] + 1) if len(near) else (reached[0], reached[0])


def make_scratch(cells):
    """Corners and first cell; edges and what is measured on them; shares of cells."""
    lines = (10, float), (29, np.float32), ((1 + cells) ** 2, np.float32)
    corners, edges, cover = (np.zeros(n * PITCH, kind) for n, kind in lines)
    return Scratch(corners, edges, cover)


def lay_pixels(lattice, place, half, scratch):
    """Parts of pixels by cutting polygons."""
    corners_of_row(lattice, place, half, scratch.corners)
    shift_to_cells(scratch.corners, scratch.edges, place[2])
    measure_edges(scratch.edges, place[2])
    cells = count_cells(scratch.cover)
    cover = scratch.cover.reshape(cells + 1, cells + 1, PITCH)
    for i in range(place[2]):
        quad = quadrilateral(scratch.edges, i)
        for r, c in np.ndindex(cells, cells):
            part = overlap(quad, r + 0.5, c + 0.5) / polygon_area(quad)
            cover[r + 1, c + 1, i] = part if part > NOTHING else 0.0


def quadrilateral(edges, i):
    table = edges.reshape(-1, PITCH).astype(float)
    return np.stack([table[:4, i], table[4:8, i]], -1)


def count_cells(cover):
    return round(np.sqrt(cover.size / PITCH)) - 1


def corners_of_row(lattice, place, half, corners):
    cols = place[1] + np.arange(place[2])
    found = corners_along(lattice, (place[0], cols), half)
    table = corners.reshape(-1, PITCH)
    table[:8, : place[2]] = found.swapaxes(0, 1).reshape(8, -1)


def ends_of_pixels(cubics, steps, n, out):
    start, pixel, half = steps
    for k, (which, side) in enumerate(((0, -1), (0, 1), (1, 1), (1, -1))):
        t = start + pixel * np.arange(n) + side * half
        out[k * PITCH :][:n] = np.polyval(cubics[which][::-1], t)


def shift_to_cells(corners, edges, n):
    table, out = (lines.reshape(-1, PITCH)[:, :n] for lines in (corners, edges))
    for k in range(2):
        axis = slice(4 * k, 4 * k + 4)
        table[8 + k] = first_cell(*table[axis])
        out[axis] = table[axis] + 0.5 - table[8 + k]


def first_cell(*corners):
    return np.floor(np.min(corners, axis=0) + 0.5)


def measure_edges(edges, n):
    table = edges.reshape(-1, PITCH)
    for i in range(n):
        for k in range(4):
            height, width = (
                table[m + (k + 1) % 4, i] - table[m + k, i] for m in (0, 4)
            )
            measure_edge(edges, k * PITCH + i, height, width)
        table[16, i] = 1 / area_of(edges, i)


def measure_edge(edges, i, height, width):
    edges[8 * PITCH + i] = width / (height or 1.0)
    edges[12 * PITCH + i] = height / (2 * abs(width) or 2.0)


def cut_edges(edges, row, n):
    table = edges.reshape(-1, PITCH)
    for i in range(n):
        for k in range(4):
            ends = table[k, i], table[(k + 1) % 4, i]
            cut_edge(edges, k * PITCH + i, ends, row)


def cut_edge(edges, i, ends, row):
    a, b = (min(end, row) for end in ends)
    x, run = edges[4 * PITCH + i], edges[8 * PITCH + i]
    edges[17 * PITCH + i] = x + (a - ends[0]) * run
    edges[21 * PITCH + i] = x + (b - ends[0]) * run
    edges[25 * PITCH + i] = b - a


def areas_left(edges, col, out, n):
    for i in range(n):
        out[i] = sum(area_left_of_edge(edges, k * PITCH + i, col) for k in range(4))


def area_left_of_edge(edges, i, col):
    """By adding up many thin strips."""
    start, end, height = (float(edges[m * PITCH + i]) for m in (17, 21, 25))
    x = start + (np.arange(20000) + 0.5) / 20000 * (end - start)
    return np.minimum(x, col).mean() * height


def areas_below(edges, out, n):
    areas_left(edges, 1e9, out, n)


def take_part(edges, here, above, n):
    area = here[PITCH:][:n] - here[:n] - above[PITCH:][:n] + above[:n]
    part = area * edges[16 * PITCH :][:n]
    here[PITCH:][:n] = np.where(part > NOTHING, part, 0.0)


def spread_pixels(planes, place, scratch, target):
    row, first, n = place
    values, pad, window, level = target
    base = scratch.corners.reshape(-1, PITCH)[8:10]
    for i in range(n):
        at = (row, first + i)
        r, c = base[:, i].astype(int) - window[::2] + pad
        inside = 0 <= r < values.shape[0] - pad and 0 <= c < values.shape[1] - pad
        if planes.weight[at] > 0 and inside:
            weight, sky = float(planes.weight[at]), float(planes.sky[at]) - level
            noise = [weight**2 * known(plane[at]) for plane in planes[2:]]
            lines = scratch.cover, values.reshape(-1)
            width, cells = values.shape[1], count_cells(scratch.cover)
            place = (i, (r * width + c) * 5, width)
            add_pixel(lines, place, cells, (weight * sky, weight, *noise))


def area_of(lines, i):
    table = lines.reshape(-1, PITCH).astype(float)
    y, x = table[:4, i], table[4:8, i]
    return 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))


def known(variance):
    return float(np.nan_to_num(variance, posinf=0.0))


def add_pixel(lines, place, cells, terms):
    parts, sums = lines
    k, first, width = (int(n) for n in place)
    part = parts.reshape(cells + 1, cells + 1, -1)[1:, 1:, k].astype(float)
    for i, j in np.ndindex(cells, cells):
        here = sums[first + 5 * (i * width + j) :][:5]
        here += np.array(terms) * part[i, j] ** np.array([1, 1, 2, 2, 2])


def stamp_exposure(values, seen, mark, time, context):
    here = values[..., 1] != seen
    seen[:] = values[..., 1]
    time[here] += mark[1]
    context[here] |= mark[0]


def average_sums(values, planes):
    weight = values[..., 1]
    total = np.where(weight > 0, weight, np.nan)
    planes[0][:] = values[..., 0] / total
    for k in range(3):
        planes[3 + k][:] = values[..., 2 + k] / total**2
    planes[1][:] = np.sqrt(values[..., 2:5].sum(axis=-1)) / total
    planes[2][:] = weight


def sort_and_pick(layers, pairs, out):
    covered = ~np.isnan(layers)
    known = np.isfinite(layers)
    layers[:] = np.sort(np.where(covered, layers, OUTSIDE), axis=0)
    for row, col in np.ndindex(out.shape):
        n = known[:, row, col].sum()
        judged = n > 1 or (n == 1 and covered[:, row, col].sum() > 1)
        out[row, col] = np.median(layers[:n, row, col]) if judged else np.nan


def count_known(layers, count):
    count[: layers.shape[1]] = np.isfinite(layers).sum(axis=0)
    layers[np.isnan(layers)] = OUTSIDE


def exchange(lower, upper):
    lower[:], upper[:] = np.minimum(lower, upper), np.maximum(lower, upper)


def pick_middle(layers, count, out):
    for i in range(len(out)):
        judged = count[i] > 1 or (count[i] == 1 and np.isinf(layers[-1, i]))
        out[i] = np.median(layers[: count[i], i]) if judged else np.nan


def settle_pairs(layers, blank, surplus, out):
    is_pair = (layers < OUTSIDE).sum(axis=0) == 2
    low, high = layers[:2]
    for row, col in np.argwhere(is_pair):
        a, b = low[row, col], high[row, col]
        around = [(row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)]
        near = [
            low[y, x]
            for y, x in around
            if 0 <= y < low.shape[0] and 0 <= x < low.shape[1] and low[y, x] < OUTSIDE
        ]
        steepest = max((abs(value - a) for value in near), default=0.0)
        if b - a > min(surplus * (a - blank), 3.0 * steepest):
            out[row, col] = np.median([a, b, np.mean(near, dtype=float) if near else a])


def sample_rows(sky, lattice, first, limits, out):
    level, least = limits
    for r, c in np.ndindex(out.shape):
        row, col = interpolate_nodes(*lattice, [first[0] + r], [first[1] + c])[0]
        value = cubic_at(sky, row, col) if np.isfinite(row + col) else np.nan
        if np.isnan(value):
            value = sample_usable(sky, row, col, least)
        inside = -0.5 < row < sky.shape[0] - 0.5 and -0.5 < col < sky.shape[1] - 0.5
        out[r, c] = (np.inf if inside and np.isnan(value) else value) - level


def sample_usable(sky, row, col, least):
    if np.isnan(row + col):
        return np.nan
    total = share = 0.0
    for y, x in np.ndindex(sky.shape):
        w = max(0, 1 - abs(row - y)) * max(0, 1 - abs(col - x))
        if w > 0 and np.isfinite(sky[y, x]):
            total += w * sky[y, x]
            share += w
    return total / share if share >= least else np.nan


def weigh_rows(sky, flags, variances, bits, blank, out):
    bad, saturated, hot = bits
    typical, added = blank
    variance, poisson = variances
    if not np.isnan(added):
        variance = np.where(flags & saturated != 0, typical, variance) + added
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.float32(1) / variance
    usable = (flags & bad == 0) & np.isfinite(sky) & np.isfinite(weight)
    weight = np.where(usable, weight, 0)
    is_hot = (flags & hot != 0) & (weight > 0)
    more = np.where(is_hot, np.fmax(poisson - added, np.float32(0)), np.float32(0))
    out[:] = weight / (np.float32(1) + weight * more)


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


def curve_rows(plane, lattice, first_row, where, out):
    cubic = np.empty_like(out)
    blot_rows(plane, lattice, first_row, True, cubic)
    out[where] = cubic[where]


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
    snr_first, scale_first, snr_second, scale_second, flank, ring = limits
    for row, col in np.ndindex(sky.shape):
        slope = steepness(blot, row, col, flank)
        ends = [sky[row, col] - plane[row, col] - level for plane in (blot, other)]
        outside = ends[0] == ends[1] or ends[0] * ends[1] > 0
        excess = min(np.abs(ends)) if outside else 0.0
        excess -= np.float32(ring) * contrast_near(other, row, col)
        noise = np.nan_to_num(err[row, col])
        if excess > scale_first * slope + snr_first * noise:
            exceeds[row, col] |= 1
        if excess > scale_second * slope + snr_second * noise:
            exceeds[row, col] |= 2


def contrast_near(blot, row, col):
    around = blot[max(row - 2, 0) : row + 3, max(col - 2, 0) : col + 3]
    return np.nan_to_num(np.nanmax(around - blot[row, col], initial=0))


def count_around(found, around):
    padded = np.pad(found.astype(np.uint8), 2)
    for i, j in np.ndindex(5, 5):
        around += padded[i : i + found.shape[0], j : j + found.shape[1]]


def steepness(blot, row, col, flank):
    padded = np.pad(blot, 1, constant_values=np.nan)
    around = padded[[row, row + 2, row + 1, row + 1], [col + 1, col + 1, col, col + 2]]
    steps = (around - blot[row, col])[np.isfinite(around - blot[row, col])]
    steepest = max(np.abs(steps), default=np.float32(0))
    return np.float32(flank) * steepest if (steps > steepest / 2).any() else steepest


def steeper(step, steepest, rise):
    return max(abs(step), steepest), max(step, rise)


def mark_doubtful(sky, err, blot, limits, found):
    level, least = limits
    beyond = np.abs(sky - blot - level) > least * np.nan_to_num(err)
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
    found[:] = ndimage.binary_dilation(beyond, cross)


def confirm_pixels(exceeds, found):
    first = np.pad(exceeds & 1, 1)
    for row, col in np.ndindex(exceeds.shape):
        near = first[row : row + 3, col : col + 3].any()
        found[row, col] = bool(exceeds[row, col] & 2) and near


def sum_boxes(signal, err, is_sky, side, least):
    """Sum over blank pixels over the root of summed variance; NaN where few are blank."""
    counts = [n // side for n in signal.shape]
    pulls = np.full(counts, np.nan)
    for i, j in np.ndindex(*counts):
        box = slice(i * side, (i + 1) * side), slice(j * side, (j + 1) * side)
        blank = is_sky[box]
        variance = np.sum(err[box][blank].astype(float) ** 2)
        if blank.sum() >= least and variance > 0:
            pulls[i, j] = np.sum(signal[box][blank], dtype=float) / np.sqrt(variance)
    return pulls


def compare_halves(first, both, out):
    second = both - first
    known = (first[..., 1] > 0) & (second[..., 1] > 0)
    skies, variances = [], []
    for half in (first, second):
        weight = np.where(known, half[..., 1], np.nan)
        skies.append(half[..., 0] / weight)
        variances.append(half[..., 2:].sum(axis=-1) / weight**2)
    out[0], out[1] = (skies[0] - skies[1]) / 2, (skies[0] + skies[1]) / 2
    out[2] = np.sqrt(variances[0] + variances[1]) / 2
