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


def gather_ring(sky, labels, source, ring, out):
    row, col, label = source
    inner, outer, _ = ring
    rows, cols = np.indices(sky.shape)
    square = (rows - row) ** 2 + (cols - col) ** 2
    seen = (square >= inner**2) & (square < outer**2) & np.isfinite(sky)
    free = seen & ((labels == 0) | (labels == label))
    clean, every = out
    clean[: free.sum()], every[: seen.sum()] = sky[free], sky[seen]
    return free.sum(), seen.sum()


def clipped_median(ordered):
    from astropy.stats import sigma_clip

    values = np.asarray(sigma_clip(ordered, sigma=3, maxiters=5, masked=False))
    if values.size == 0:
        return math.nan, math.nan
    return np.median(values), math.sqrt(math.pi / 2 / values.size) * values.std()


def measure_rings(sky, labels, positions, ring, out):
    for k, (row, col) in enumerate(positions):
        clean, every = np.empty((2, sky.size))
        n_clean, n_every = gather_ring(
            sky, labels, (row, col, k + 1), ring, (clean, every)
        )
        use = clean[:n_clean] if n_clean >= ring[2] else every[:n_every]
        out[0][k], out[1][k] = clipped_median(np.sort(use))


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
