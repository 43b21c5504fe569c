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


def add_seen(index, whole, sums):
    """The sums that blocks see, added to all the places that they see."""
    for places in index.T:
        np.add.at(sums, places, sum(whole[k] for k in places))


def draw(light, units, across, means):
    """A profile along a quadratic of the units, interpolated."""
    w, u = np.meshgrid(*units, indexing="ij")
    terms = np.stack([np.ones_like(u), u, w, u * u, u * w, w * w])
    at = np.tensordot(across, terms, 1)
    light += np.interp(at, np.arange(len(means)), means)
