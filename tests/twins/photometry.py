"""Slow twins of the kernels of ``rampline.photometry``: plain Python and NumPy."""

import math

import numpy as np

FINE = 400


def quadrant_area(x, y):
    """Count the points of a fine grid over the unit circle left of x and below y."""
    grid = (np.arange(2 * FINE) + 0.5) / FINE - 1.0
    a, b = grid[None, :], grid[:, None]
    return np.sum((a**2 + b**2 <= 1) & (a <= x) & (b <= y)) / FINE**2


def circle_share(dy, dx, radius):
    fine = (np.arange(FINE) + 0.5) / FINE - 0.5
    return np.mean(np.hypot(fine[:, None] + dy, fine + dx) <= radius)


def sum_circles(sky, err, positions, radii, out):
    total, variance = out
    for k, (row, col) in enumerate(positions):
        for m, radius in enumerate(radii):
            share = np.array(
                [
                    [
                        circle_share(i - row, j - col, radius)
                        for j in range(sky.shape[1])
                    ]
                    for i in range(sky.shape[0])
                ]
            )
            used = share > 0
            total[m, k] = np.sum(share[used] * sky[used])
            variance[m, k] = np.sum(share[used] * err[used].astype(float) ** 2)


def gather_ring(sky, labels, place, ring, out):
    inner, outer, label = ring
    rows, cols = np.indices(sky.shape)
    square = (rows - place[0]) ** 2 + (cols - place[1]) ** 2
    seen = (square >= inner**2) & (square < outer**2) & np.isfinite(sky)
    if label >= 0:
        seen &= (labels == 0) | (labels == label)
    out[: seen.sum()] = sky[seen]
    return seen.sum()


def clipped_median(values):
    from astropy.stats import sigma_clip

    values = np.asarray(sigma_clip(values, sigma=3, maxiters=5, masked=False))
    if values.size == 0:
        return math.nan, math.nan
    return np.median(values), math.sqrt(math.pi / 2 / values.size) * values.std()


def measure_rings(sky, labels, positions, ring, out):
    for k, place in enumerate(positions):
        values = np.empty(sky.size)
        n = gather_ring(sky, labels, place, (*ring[:2], k + 1), values)
        if n < ring[2]:
            n = gather_ring(sky, labels, place, (*ring[:2], -1), values)
        out[0][k], out[1][k] = clipped_median(values[:n])


def root(parent, k):
    return k if parent[k] == k else root(parent, parent[k])


def flood(image, order, limits, owner, parent, place):
    """Flood with sets of pixels instead of chains of numbers."""
    least, rise, contrast = limits
    n_cols = image.shape[1]
    groups = []
    for flat in order:
        row, col = divmod(int(flat), n_cols)
        here = image[row, col]
        near = [
            (image[i, j], group)
            for i in range(max(row - 1, 0), min(row + 2, image.shape[0]))
            for j in range(max(col - 1, 0), min(col + 2, n_cols))
            for group in groups
            if (i, j) in group["pixels"]
        ]
        if not near:
            groups.append({"peak": flat, "pixels": {(row, col)}})
            continue
        best = max(height for height, _ in near)
        next(group for height, group in near if height == best)["pixels"].add(
            (row, col)
        )
        met = [g for g in groups if any(g is group for _, group in near)]
        for group in met[1:]:
            height = image.ravel()[group["peak"]]
            if height < least or height - here < max(rise, contrast * here):
                met[0]["pixels"] |= group["pixels"]
                groups = [g for g in groups if g is not group]
    for k, group in enumerate(groups, 1):
        parent[k], place[k] = k, group["peak"]
        for pixel in group["pixels"]:
            owner[pixel] = k
    return len(groups)


def merge(roots, meeting, image, limits, sources):
    (top, here), (least, rise, contrast), (parent, place) = meeting, limits, sources
    peaks = image.ravel()[place]
    low = (peaks < least) | (peaks - here < max(rise, contrast * here))
    for root in set(roots.tolist()) - {top}:
        if low[root]:
            parent[root] = top


def share(dy, dx, ellipse):
    major, minor, cosine, sine, scale, fine = ellipse
    part = (np.arange(fine) + 0.5) / fine - 0.5
    y, x = dy + part[:, None], dx + part
    along, across = (x * cosine + y * sine) / major, (y * cosine - x * sine) / minor
    return np.mean(along**2 + across**2 <= scale**2)


def mirrored(signal, err, labels, source, pixel):
    row, col, label = source
    i, j = (math.floor(2 * c - p + 0.5) for c, p in zip((row, col), pixel, strict=True))
    inside = 0 <= i < signal.shape[0] and 0 <= j < signal.shape[1]
    if not inside or labels[i, j] not in (0, label) or not np.isfinite(signal[i, j]):
        return 0.0, 0.0
    return signal[i, j], err[i, j]


def sum_ellipse(signal, err, labels, source, ellipse, sums):
    row, col, label = source
    major, minor, cosine, sine, scale, fine = ellipse
    sums[:] = 0
    for (i, j), value in np.ndenumerate(signal):
        dy, dx = i - row, j - col
        along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
        radius = math.hypot(along / major, across / minor)
        part = float(radius <= scale) if fine == 1 else share(dy, dx, ellipse)
        if part == 0 or not np.isfinite(value):
            continue
        light, noise = value, err[i, j]
        if labels[i, j] not in (0, label):
            light, noise = mirrored(signal, err, labels, source, (i, j))
        sums += part * np.array([light, noise**2, light * radius])


def measure_ellipses(signal, err, labels, centres, axes, out):
    for k, ((row, col), (major, minor, angle)) in enumerate(
        zip(centres, axes, strict=True)
    ):
        source, sums = (row, col, k + 1), np.empty(3)
        shape = (major, minor, math.cos(angle), math.sin(angle))
        sum_ellipse(signal, err, labels, source, (*shape, 6.0, 1), sums)
        light, _, moment = sums
        radius = max(moment / light, 1.4) if light > 0 and moment > 0 else 1.4
        out[:, k] = np.nan
        if radius <= 6.0:
            sum_ellipse(signal, err, labels, source, (*shape, 2.5 * radius, 5), sums)
            area = math.pi * major * minor * (2.5 * radius) ** 2
            out[:, k] = sums[0], sums[1], radius, area


def smooth_rows(image, weights, first, line, out):
    half = weights.size // 2
    wide = np.pad(image.astype(float), half)
    for i in range(out.shape[0]):
        column = weights @ wide[first + i : first + i + weights.size]
        out[i] = np.convolve(column, weights[::-1], "valid")


def weigh_pixels(signal, err, valid, out):
    inverse = np.where(valid, 1 / np.where(valid, err, 1) ** 2, 0)
    clean = np.where(valid, signal, 0)
    out[:] = clean * inverse, inverse, clean, valid


def weigh_sums(sums, least, snr):
    seen = (sums[1] > 0) & (sums[3] > least)
    snr[:] = np.where(seen, sums[0] / np.sqrt(np.where(seen, sums[1], 1)), 0)


def take_every(values, valid, step, out):
    out[:] = values[valid][::step]


def find_runs(valid):
    """Return runs, and for each the first of its region, by labelling pixels."""
    from scipy import ndimage

    regions, _ = ndimage.label(~valid, np.ones((3, 3)))
    runs, of_run = [], []
    for i, row in enumerate(valid):
        edges = np.flatnonzero(np.diff(np.pad(~row, 1).astype(int)))
        for start, end in edges.reshape(-1, 2):
            runs.append((i, start, end))
            of_run.append(regions[i, start])
    return runs, [of_run.index(region) for region in of_run]


def count_runs(valid):
    return len(find_runs(valid)[0])


def join_roots(parent, one, other):
    low, high = sorted((root(parent, one), root(parent, other)))
    parent[high] = low


def renumber(labels, number):
    labels[:] = number[labels]


def clear_pixels(labels, valid):
    labels[~valid] = 0


def count_pixels(labels, counts):
    counts[1:] += np.bincount(labels.ravel(), minlength=counts.size)[1:]


def mark_touching(labels, touches):
    for one, other in ((labels[:-1], labels[1:]), (labels[:, :-1], labels[:, 1:])):
        border = (one != other) & (one > 0) & (other > 0)
        touches[one[border]] = True
        touches[other[border]] = True


def join_neighbours(labels, parent):
    from scipy import ndimage

    regions, _ = ndimage.label(labels > 0, np.ones((3, 3)))
    parents = list(parent)
    while True:
        before = list(parents)
        for region in range(1, regions.max() + 1):
            members = np.unique(labels[regions == region])
            lowest = min(parents[k] for k in members)
            for k in members:
                parents[k] = lowest
        if parents == before:
            break
    parent[:] = parents


def average_blocks(image, side, out, has_data):
    signal, err, valid = image
    for i, j in np.ndindex(has_data.shape):
        box = slice(i * side, (i + 1) * side), slice(j * side, (j + 1) * side)
        use = valid[box]
        has_data[i, j] = use.any()
        out[0][i, j], out[1][i, j] = 0, 1
        if use.any():
            weight = 1 / err[box][use].astype(float) ** 2
            out[0][i, j] = np.average(signal[box][use], weights=weight)
            out[1][i, j] = 1 / np.sqrt(weight.sum())


def mark_occupied(blocks, labels, side, is_occupied):
    for i, j in np.argwhere(labels > 0):
        is_occupied[blocks[i // side, j // side]] = True


def add_blocks(labels, valid, blocks, side, start):
    wide = blocks.repeat(side, 0).repeat(side, 1)[: labels.shape[0], : labels.shape[1]]
    new = (wide > 0) & valid
    labels[new] = start + wide[new]


def subtract_means(image, half, out):
    for i, j in np.ndindex(image.shape):
        box = image[max(i - half, 0) : i + half + 1, max(j - half, 0) : j + half + 1]
        out[i, j] = image[i, j] - box.astype(float).mean()


def local_maximum(image, row, col, reach):
    rows = slice(max(row - reach, 0), max(row + reach + 1, 0))
    cols = slice(max(col - reach, 0), max(col + reach + 1, 0))
    patch = image[rows, cols]
    return float(patch.max()) if patch.size else 0.0


def echo(detail, centre, step):
    radius, angle = math.hypot(*step), math.atan2(*step)
    reach = max(1, round(0.05 * radius))
    values = []
    for turn in range(1, 6):
        turned = angle + turn * math.pi / 3
        row = round(centre[0] + radius * math.sin(turned))
        col = round(centre[1] + radius * math.cos(turned))
        values.append(local_maximum(detail, row, col, reach))
    return max(values[2], sorted(values)[2])


def envelope(distance):
    n = max(distance, 1e-3)
    strut = 0.0106**2 / (1 + (n / 65.0) ** 2)
    return min(3.0 * ((0.31 / n) ** 2 + strut), 1.0)


def mark_features(detail, peaks, stars, order, limits, belongs):
    settled = []
    for k in order:
        if belongs[k] >= 0:
            continue
        settled.append(k)
        row, col, reach, core = (column[k] for column in stars[:4])
        for one in range(len(belongs)):
            step = peaks[0][one] - row, peaks[1][one] - col
            if one in settled or belongs[one] >= 0 or math.hypot(*step) > reach:
                continue
            bright = stars[4][one] >= core * envelope(math.hypot(*step) / limits[0])
            if not bright and stars[4][one] < limits[1] * echo(
                detail, (row, col), step
            ):
                belongs[one] = k


def mark_blank(signal, err, labels, is_blank):
    with np.errstate(divide="ignore", invalid="ignore"):
        finite = np.isfinite(signal / err)
    for i, j in np.ndindex(labels.shape):
        near = labels[max(i - 4, 0) : i + 5, max(j - 4, 0) : j + 5]
        is_blank[i, j] = finite[i, j] and not near.any()


def find_clear(is_blank, step, clear):
    for i, j in np.ndindex(clear.shape):
        row, col = i * step - step // 2, j * step - step // 2
        box = is_blank[max(row, 0) : row + step, max(col, 0) : col + step]
        clear[i, j] = box.all()


def sum_products(signal, err, is_blank, limit, sums):
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = signal.astype(float) / err
    used = is_blank & (np.abs(ratio) < limit)
    reach = sums.shape[1] - 1
    wide = np.pad(np.where(used, ratio, 0), reach)
    counts = np.pad(used.astype(float), reach)
    n_rows, n_cols = signal.shape
    here = slice(reach, reach + n_rows), slice(reach, reach + n_cols)
    for i in range(reach + 1):
        for j in range(2 * reach + 1):
            there = slice(reach + i, reach + i + n_rows), slice(j, j + n_cols)
            sums[0, i, j] = (wide[here] * wide[there]).sum()
            sums[1, i, j] = (counts[here] * counts[there]).sum()


def cover_disk(radius, out):
    half = out.shape[0] // 2
    for i, j in np.ndindex(out.shape):
        out[i, j] = circle_share(i - half, j - half, radius)
