"""Slow twins of the kernels of ``rampline.background``."""

import numpy as np


def average_blocks(values, usable, size, mean, peak):
    good = np.where(usable, values, np.nan).astype(np.float64)
    for i, j in np.ndindex(mean.shape):
        block = good[i * size : (i + 1) * size, j * size : (j + 1) * size]
        finite = block[~np.isnan(block)]
        mean[i, j] = finite.mean() if finite.size else np.nan
        peak[i, j] = finite.max() if finite.size else np.nan


def average_clipped(stack, clip, by_errors, out):
    slope, err, var_poisson, var_read = (np.asarray(p, np.float64) for p in stack)
    for row, col in np.ndindex(slope.shape[1:]):
        kept = np.flatnonzero(~np.isnan(slope[:, row, col]))
        while kept.size > 1:
            values = slope[kept, row, col]
            limit = clip * (err[kept, row, col] if by_errors else values.std())
            near = kept[~(np.abs(values - np.median(values)) > limit)]
            if near.size in (0, kept.size):
                break
            kept = near
        if not kept.size:
            out[:, row, col] = np.nan
            continue
        out[0, row, col] = slope[kept, row, col].mean()
        out[1, row, col] = var_poisson[kept, row, col].sum() / kept.size**2
        out[2, row, col] = var_read[kept, row, col].sum() / kept.size**2


def sort_finite(column, values, order):
    finite = np.flatnonzero(~np.isnan(column))
    ranks = finite[np.argsort(column[finite], kind="stable")]
    values[: ranks.size], order[: ranks.size] = column[ranks], ranks
    return ranks.size


def clip_once(values, order, count, errors, rule):
    clip, by_errors = rule
    now = values[:count].copy()
    limit = clip * (errors[order[:count]] if by_errors else now.std())
    near = ~(np.abs(now - np.median(now)) > limit)
    if not near.any():
        return count
    kept = int(near.sum())
    values[:kept], order[:kept] = now[near], order[:count][near].copy()
    return kept


def difference_diagonals(sky, err, usable):
    """One diagonal of two by two pixels less the other, over its error."""
    rows, cols = (n // 2 for n in sky.shape)

    def corners(plane):
        whole = plane[: 2 * rows, : 2 * cols].reshape(rows, 2, cols, 2)
        return whole.swapaxes(1, 2).reshape(rows, cols, 4)

    variance = np.sum(corners(err).astype(float) ** 2, axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = corners(sky).astype(float) @ [1, -1, -1, 1] / np.sqrt(variance)
    known = corners(usable).all(axis=2) & (variance > 0)
    return np.where(known, pull, np.nan)
