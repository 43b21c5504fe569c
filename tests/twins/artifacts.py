"""Slow twins of the kernels of the artifacts room."""

import numpy as np


def median_of_rows(band, median, count):
    finite = np.isfinite(band)
    count[:] = finite.sum(axis=0)
    for col in range(band.shape[1]):
        values = band[finite[:, col], col]
        median[col] = np.median(values) if values.size else np.nan


def running_median(values, length):
    """Median of the rows around each pixel, lower middle, by sorting each window."""
    half = length // 2
    out = np.empty_like(values)
    for row in range(values.shape[0]):
        near = values[max(0, row - half) : row + half + 1]
        out[row] = np.sort(near, axis=0)[(near.shape[0] - 1) // 2]
    return out


def take_out(window, size, value):
    """The sorted window without one value."""
    kept = list(window[:size])
    kept.remove(value)
    return kept


def add_seen(index, light, whole, sums):
    """What blocks see of places and light, added to all that they see."""
    first = len(whole) - len(light)
    for places, part in zip(index.T, light.T, strict=True):
        seen = sum(whole[k] for k in places) + part @ whole[first:]
        np.add.at(sums, places, seen)
        sums[first:] += part * seen


def draw(light, units, across, means):
    """A profile along a quadratic of the units, interpolated."""
    w, u = np.meshgrid(*units, indexing="ij")
    terms = np.stack([np.ones_like(u), u, w, u * u, u * w, w * w])
    at = np.tensordot(across, terms, 1)
    light += np.interp(at, np.arange(len(means)), means)


def average_blocks(values, width, mean, known):
    """Means of blocks, and their known fractions, block by block."""
    for i, j in np.ndindex(mean.shape):
        block = values[i * width : (i + 1) * width, j * width : (j + 1) * width]
        seen = block[np.isfinite(block)].astype(np.float64)
        mean[i, j] = seen.mean() if seen.size else 0.0
        known[i, j] = seen.size / width**2


def trim_blocks(values, out):
    """Means of 2 x 2 pixels without the extremes."""
    for i, j in np.ndindex(out.shape):
        block = values[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        seen = np.sort(block[np.isfinite(block)].astype(np.float64))
        seen = seen[1:3] if seen.size == 4 else seen
        out[i, j] = seen.mean() if seen.size else np.nan


def expand(cells, width, out):
    """Cells interpolated between their centres, first down, then across."""
    centres = [width * (np.arange(n) + 0.5) - 0.5 for n in cells.shape]
    rows, cols = (np.arange(n) for n in out.shape)
    down = [np.interp(rows, centres[0], col) for col in cells.T]
    out[:] = [np.interp(cols, centres[1], row) for row in np.transpose(down)]


def normal_of_groups(columns, group, used, means, normal):
    """Columns less their groups' means, and the product with themselves."""
    even = columns.copy()
    for g in range(len(means)):
        own = used & (group == g)
        means[g] = columns[own].mean(axis=0) if own.any() else 0.0
        even[group == g] -= means[g]
    normal[:] = even[used].T @ even[used]


def residual_of_groups(columns, group, means, solution, residual):
    """What the fit leaves of the first column."""
    even = columns - means[group]
    residual[:] = even[:, 0] - even[:, 1:] @ solution


def sum_bins(values, along, across, total, count):
    """Sums and numbers of values in bins across a direction."""
    c, s, first = across
    index = (c * along[0] + s * along[1] - first).astype(int)
    np.add.at(total, index, values)
    np.add.at(count, index, 1.0)


def medians_of_bins(values, own, count, least, out):
    """The lower medians of bins of enough values."""
    for k in np.flatnonzero(count >= least):
        here = np.sort(values[own == k])
        out[k] = here[(len(here) - 1) // 2]
