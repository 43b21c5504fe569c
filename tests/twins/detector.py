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


def load_steps(counts, flags, span, bits, pattern, tile):
    inside = slice(*span)
    steps = np.diff(counts[:, inside], axis=0) / pattern.step_s[:, None]
    lost = flags[:, inside] & bits[0] != 0
    used = ~(lost[1:] | lost[:-1] | (flags[1:, inside] & bits[1] != 0))
    used &= np.isfinite(steps)
    tile.used[:] = used
    tile.rate[:] = np.where(used, steps, 0)
    tile.n_used[:] = used.sum(axis=0)
    tile.mean[:] = tile.rate.sum(axis=0) / np.maximum(tile.n_used, 1)
    tile.largest[:] = np.where(used, steps, -np.inf).max(axis=0)
    tile.shift[:] = 0
    tile.seen[:] = np.bitwise_or.reduce(flags[:, inside], axis=0)


def move_origin(tile, by):
    tile.rate[:] -= tile.used * by
    tile.shift[:] += by


def covariance(tile, pattern, c):
    """Dense covariance of the differences of a pixel; unused ones stand alone."""
    signal, read = float(tile.signal[c]), float(tile.read[c])
    both = tile.used[1:, c] * tile.used[:-1, c]
    off = (signal * pattern.photon_off + read * pattern.read_off)[:-1] * both
    diagonal = signal * pattern.photon_diagonal + read * pattern.read_diagonal
    return np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)


def eliminate(tile, pattern):
    for c in range(tile.mean.size):
        matrix = covariance(tile, pattern, c)
        root = np.linalg.cholesky(matrix)
        unit = root / np.diag(root)
        d, one = tile.rate[:, c], tile.used[:, c]
        tile.factor[:, c] = np.append(0, np.diag(unit, -1))
        tile.inverse[:, c] = np.diag(root) ** -2
        tile.value[:, c] = np.linalg.solve(unit, d)
        tile.design[:, c] = np.linalg.solve(unit, one)
        inverse = np.linalg.inv(matrix)
        tile.sums[:, c] = d @ inverse @ d, one @ inverse @ d, one @ inverse @ one


def split_variance(tile, pattern, split):
    zero = np.zeros_like(tile.read)
    for c in range(tile.mean.size):
        weights = np.linalg.solve(covariance(tile, pattern, c), tile.used[:, c])
        photons = covariance(tile._replace(read=zero), pattern, c)
        reads = covariance(tile._replace(signal=zero), pattern, c)
        split[:, c] = weights @ photons @ weights, weights @ reads @ weights
        tile.design[:, c] = weights


def invert(tile, pattern, out):
    for c in range(tile.mean.size):
        inverse = np.linalg.inv(covariance(tile, pattern, c))
        out.own[:, c] = np.diag(inverse)
        out.cross[:, c] = np.append(np.diag(inverse, 1), 0)


def project(tile, pattern, out):
    for c in range(tile.mean.size):
        inverse = np.linalg.inv(covariance(tile, pattern, c))
        d, one = tile.rate[:, c], tile.used[:, c]
        weight = one @ inverse @ one
        weights = inverse @ one
        projected = inverse - np.outer(weights, weights) / max(weight, 1e-30)
        out.residual[:, c] = projected @ d
        out.own[:, c] = np.diag(projected)
        out.cross[:, c] = np.append(np.diag(projected, 1), 0)


def chi2_without(tile, pattern, c, omitted):
    """Chi2 of a new fit without some differences."""
    kept = np.flatnonzero(tile.used[:, c])
    kept = kept[~np.isin(kept, omitted)]
    if kept.size == 0:
        return np.nan
    inverse = np.linalg.inv(covariance(tile, pattern, c)[np.ix_(kept, kept)])
    d = tile.rate[kept, c]
    slope = inverse.sum(axis=0) @ d / inverse.sum()
    return (d - slope) @ inverse @ (d - slope)


def step_in(tile, pattern, c, omitted):
    """Steps of some differences above the slope that the others give."""
    model = np.column_stack(
        [tile.used[:, c], *(np.eye(len(tile.used))[i] for i in omitted)]
    )
    inverse = np.linalg.inv(covariance(tile, pattern, c))
    normal = model.T @ inverse @ model
    return np.linalg.solve(normal, model.T @ inverse @ tile.rate[:, c])[1:]


def _find_best(tile, pattern, c, candidates):
    whole = chi2_without(tile, pattern, c, [])
    best = (0.0, 0, np.zeros(2))
    for omitted in candidates:
        if not all(tile.used[omitted, c]) or tile.used[:, c].sum() <= len(omitted):
            continue
        steps = step_in(tile, pattern, c, omitted)
        saved = whole - chi2_without(tile, pattern, c, omitted)
        if steps.sum() > 0 and saved > best[0]:
            best = (saved, omitted[0], steps)
    return best


def find_best_single(tile, pattern, out):
    for c in range(tile.mean.size):
        candidates = [[i] for i in range(len(tile.used))]
        out.gain[0, c], out.first[0, c], steps = _find_best(
            tile, pattern, c, candidates
        )
        out.jump[0, c] = steps[0]


def find_best_pair(tile, pattern, out):
    for c in range(tile.mean.size):
        candidates = [[i, i + 1] for i in range(len(tile.used) - 1)]
        out.gain[1, c], out.first[1, c], steps = _find_best(
            tile, pattern, c, candidates
        )
        out.jump[1:, c] = steps
