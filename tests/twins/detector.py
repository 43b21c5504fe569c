"""Slow twins of the kernels of ``rampline.detector``: NumPy and SciPy."""

import numpy as np
from scipy import ndimage, stats


def first_saturated(samples, limit, start, stop):
    full = samples[:, :, start:stop].astype(np.float32) >= limit[start:stop]
    n_groups = samples.shape[1]
    return np.where(full.any(axis=1), full.argmax(axis=1), n_groups).astype(np.uint16)


def group_flags(samples, first, full, floor, start):
    band = samples[:, :, start : start + first.shape[1]]
    later = np.arange(samples.shape[1])[:, None, None] >= first[:, None]
    flags = np.where(later, full, 0) | np.where(band <= 0, floor, 0)
    return flags.astype(np.uint8)


def flag_box(where, layers, bit, flags):
    n_rows, n_cols = flags.shape[2:]
    rows, cols = np.mgrid[:n_rows, :n_cols]
    for i, group, row, col in where.T:
        near = (abs(rows - row) <= layers) & (abs(cols - col) <= layers)
        flags[i, group][near] |= np.uint8(bit)


def subtract_known(counts, planes, start, stop):
    rows = slice(start, stop)
    known = np.where(np.isnan(planes), np.float32(0), planes)
    counts[:, :, rows] -= known[None, :, rows]


def unknown_polynomials(coefficients, start, stop):
    band = coefficients[:, start:stop]
    return np.isnan(band).any(axis=0) | (band[1] == 0)


def evaluate(counts, flags, saturated, coefficients, unknown, start):
    rows = slice(start, start + len(unknown))
    band = counts[:, :, rows]
    keep = unknown | ((flags[:, :, rows] & saturated) != 0)
    powers = [coefficients[k, rows] * band**k for k in range(len(coefficients))]
    counts[:, :, rows] = np.where(keep, band, np.sum(powers, axis=0))


def clipped_means(values, clip):
    means = np.full(values.shape[:2], np.nan)
    for place in np.ndindex(means.shape):
        if values.shape[2]:
            means[place] = stats.sigmaclip(
                values[place].astype(float), clip, clip
            ).clipped.mean()
    return means


def running_medians(series, usable, half):
    padded = np.pad(series, ((0, 0), (half, half), (0, 0)), mode="reflect")
    known = np.pad(usable, ((half, half), (0, 0)), mode="reflect")
    medians = np.full(series.shape[:2], np.nan)
    for row in range(series.shape[1]):
        window = slice(row, row + 2 * half + 1)
        if known[window].any():
            medians[:, row] = np.median(padded[:, window][:, known[window]], axis=1)
    return medians


def insert(ordered, n, value):
    ordered[: n + 1] = np.sort([*ordered[:n], value])
    return n + 1


def remove(ordered, n, value):
    kept = list(ordered[:n])
    kept.remove(value)
    ordered[: n - 1] = kept
    return n - 1


def subtract_offsets(counts, columns, rows, start, stop):
    band = slice(start, stop)
    counts[:, :, band] -= columns[:, :, None]
    counts[:, :, band] -= rows[:, :, band, None]


def flood(wet):
    outside = ndimage.binary_propagation(
        _corner(wet.shape), np.ones((3, 3)), mask=~wet | _corner(wet.shape)
    )
    wet |= outside
    return np.count_nonzero(outside)


def _corner(shape):
    corner = np.zeros(shape, bool)
    corner[0, 0] = True
    return corner


def fill_areas(runs, box, area, chosen):
    filled = area.copy()
    for region in np.flatnonzero(chosen):
        mask = np.zeros((box[:, 1].max() + 1, box[:, 3].max() + 1), bool)
        for row, start, stop, own in runs:
            mask[row, start:stop] |= own == region
        filled[region] = np.count_nonzero(
            ndimage.binary_fill_holes(mask, np.ones((3, 3)))
        )
    return filled
