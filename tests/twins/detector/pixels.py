"""Twins: flags, levels and drifts of single pixels and rows."""

import numpy as np
from scipy import stats


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


def fill_strips(image, flags, bad, flat, sky, sums):
    total, count = sums
    usable = flags & np.uint32(bad) == 0
    value = image - flat * np.float32(sky[0])
    used = usable & (np.abs(value) < np.float32(sky[1]))
    strip = np.arange(image.shape[1]) // 8
    for k in range(total.shape[1]):
        own = used & (strip == k)
        total[:, k] = np.where(own, value, 0).sum(axis=1)
        count[:, k] = own.sum(axis=1)
    return np.sum(value[used].astype(float) ** 2)


def choose_drifting(counts, flags, read, photons, square):
    """Which pixels tell the drift of their row, and what each rises by a group."""
    rise = (counts[-1] - counts[0]) / (len(counts) - 1)
    limit = square * (read + np.maximum(rise, 0) * photons)
    apart = np.abs(np.diff(counts, axis=0) - rise) ** 2
    sees = (apart < limit).all(axis=0) & (flags == 0).all(axis=0)
    return sees, rise


def remove_drift(ramps, noise, layout, limits, out):
    counts, flags = ramps
    sees, rise = choose_drifting(counts, flags, *noise, limits[0])
    output = (np.arange(counts.shape[2]) + layout[1]) // layout[0]
    above = counts - counts[0] - np.arange(len(counts))[:, None, None] * rise
    for row in range(counts.shape[1]):
        for k in range(out.shape[2]):
            own = sees[row] & (output == k)
            if own.sum() >= limits[1]:
                out[:, row, k] = above[:, row, own].mean(axis=1)
    out[[0, -1]] = 0
    counts -= out[:, :, output]


def add_weighted(weight, parts, first_row, output, sums):
    """Spread the image out over all rows and cells, then sum over rows and squares."""
    cell_row = np.searchsorted(first_row, np.arange(len(weight)), side="right") - 1
    seen = weight * (parts.rows[:, output] + parts.squares[cell_row])
    np.add.at(sums.rows.T, output, seen.T)
    np.add.at(sums.squares, cell_row, seen)
