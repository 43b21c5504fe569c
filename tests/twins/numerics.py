"""Slow twins of the kernels of ``rampline.numerics``."""

import numpy as np


def select(values, n, k):
    return np.sort(values[:n])[k]


def select_median(values, n):
    return np.sort(values[:n])[(n - 1) // 2]


def fill_mesh(values, usable, steps, buffer, out):
    size, stride = steps
    level, scatter, n_used = out
    for i, j in np.ndindex(level.shape):
        cell = np.s_[
            i * size : (i + 1) * size : stride, j * size : (j + 1) * size : stride
        ]
        inside = np.sort(values[cell][usable[cell] & ~np.isnan(values[cell])])
        n_used[i, j] = len(inside)
        if len(inside):
            level[i, j] = np.quantile(inside, 0.5, method="inverted_cdf")
            scatter[i, j] = level[i, j] - inside[int(0.1587 * (len(inside) - 1))]
