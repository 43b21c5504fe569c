"""Slow twins of the kernels of ``rampline.astrometry``."""

import numpy as np
from scipy import ndimage, optimize

from rampline.astrometry import source_kernels as real


def smooth_binomial(sky, usable, level, size, out):
    rows, cols = np.indices(sky.shape)
    over = np.where(usable, sky - level[rows // size, cols // size], 0.0)
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16.0
    out[:] = ndimage.convolve(over.astype(float), kernel)
    out[[0, -1]] = 0.0
    out[:, [0, -1]] = 0.0


def spread_cells(cells, size, out):
    out[:] = np.repeat(cells, size)[: len(out)]


def find_peaks(smooth, limit, size, peaks):
    n = 0
    rows, cols = np.indices(smooth.shape)
    high = smooth > np.float32(real.BINOMIAL_NOISE) * limit[rows // size, cols // size]
    for r, c in np.argwhere(high):
        inside = min(r, c) >= real.MARGIN
        inside &= r < smooth.shape[0] - real.MARGIN
        inside &= c < smooth.shape[1] - real.MARGIN
        if not inside:
            continue
        around = smooth[r - 1 : r + 2, c - 1 : c + 2].ravel()
        if (around[:4] < around[4]).all() and (around[5:] <= around[4]).all():
            peaks[:, n] = r, c
            n += 1
    return n


def is_clean(usable, row, col):
    rows, cols = np.indices(usable.shape)
    near = np.hypot(rows - row, cols - col) <= 3.5
    return bool(usable[near].all())


def ring_level(sky, usable, row, col, ring):
    rows, cols = np.indices(sky.shape)
    distance = np.hypot(rows - row, cols - col)
    inside = np.sort(sky[(distance >= 5.5) & (distance <= 8) & usable])
    return inside[(len(inside) - 1) // 2] if len(inside) else np.nan


def find_centroid(sky, usable, level, peak, window, weights):
    """The root of the balance of the window, by a general solver."""
    rows, cols = np.indices(sky.shape)
    over = np.where(usable, sky - level, 0.0)

    def balance(at):
        top, left = round(at[0]), round(at[1])
        box = (abs(rows - top) <= 5) & (abs(cols - left) <= 5)
        square = (rows - at[0]) ** 2 + (cols - at[1]) ** 2
        value = np.where(box, np.exp(-square / 2 / window**2) * over, 0.0)
        return [
            ((rows - at[0]) * value).sum() / value.sum(),
            ((cols - at[1]) * value).sum() / value.sum(),
        ]

    found = optimize.root(balance, np.array(peak, float), tol=1e-12)
    return tuple(found.x)


def measure_shape(sky, err, usable, level, centre, window):
    rows, cols = np.indices(sky.shape)
    box = (abs(rows - round(centre[0])) <= 5) & (abs(cols - round(centre[1])) <= 5)
    inside = box & usable
    d = np.stack([rows - centre[0], cols - centre[1]])[:, inside]
    weight = np.exp(-(d**2).sum(axis=0) / 2 / window**2)
    value = weight * (sky[inside] - level)
    total = value.sum()
    noise = np.sqrt((weight**2 * (d**2).sum(axis=0) * err[inside] ** 2).sum() / 2)
    moments = (value * d) @ d.T / total
    sizes = np.linalg.eigvalsh(moments)
    if not total > 0 or sizes[0] <= 0 or sizes[1] >= window**2:
        return noise / abs(total), 1.0
    true = np.linalg.inv(np.linalg.inv(moments) - np.eye(2) / window**2)
    minor, major = np.linalg.eigvalsh(true)
    gain = 1.0 / (1.0 - np.trace(moments) / 2 / window**2)
    return gain * noise / total, 1.0 - np.sqrt(minor / major)


def sum_aperture(sky, err, level, centre, radius):
    rows, cols = np.indices(sky.shape)
    distance = np.hypot(rows - centre[0], cols - centre[1])
    share = np.clip(radius + 0.5 - distance, 0.0, 1.0) * ~np.isnan(sky)
    flux = (share * np.nan_to_num(sky - level)).sum()
    return flux, (share**2 * err**2).sum()


def measure_peaks(sky, err, usable, peaks, window, table):
    for i, peak in enumerate(zip(*peaks, strict=True)):
        if not is_clean(usable, *peak):
            continue
        level = ring_level(sky, usable, *peak, None)
        centre = find_centroid(sky, usable, level, peak, window, None)
        inner, variance = sum_aperture(sky, err, level, centre, 1.5)
        outer, _ = sum_aperture(sky, err, level, centre, 3.5)
        error, ellipticity = measure_shape(sky, err, usable, level, centre, window)
        snr = inner / np.sqrt(variance)
        table[i] = *centre, error, outer, snr, ellipticity, inner / outer
