"""Slow twins of the kernels of ``rampline.numerics``."""

import numpy as np
from scipy import interpolate, optimize


def select(values, n, k):
    return np.sort(values[:n])[k]


def select_two(rows, n, ranks, _bounds):
    inside = np.sort(rows[0, :n])
    return inside[ranks[0]], inside[ranks[1]]


def collect(values, n, bounds, out):
    within = values[:n][(values[:n] >= bounds[0]) & (values[:n] <= bounds[1])]
    out[: len(within)] = within
    return (values[:n] < bounds[0]).sum(), len(within)


def bracket(values, n, ranks, bounds):
    """Bounds without a sample: the order statistics themselves."""
    inside = np.sort(values[:n])
    bounds[:] = [inside[k] for k in ranks for _ in range(2)]


def select_median(values, n):
    return np.sort(values[:n])[(n - 1) // 2]


def turn_floats(words, out):
    values = words.view(np.float32)
    out.view(">f4")[:] = np.where(np.isnan(values), np.float32(np.nan), values)


def blank_floats(words, blank, out):
    values = words.view(">f4").astype(np.float32)
    lost = np.isnan(values) | (blank != 0)
    out.view(">f4")[:] = np.where(lost, np.float32(np.nan), values)


def blank_unusable(values, usable, out):
    out[:] = np.where(usable, values, np.nan)


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


def find_cell(position, step, origin, n):
    nodes = origin + step * np.arange(n)
    before = np.flatnonzero(nodes <= position)
    cell = before[-1] if before.size else 0
    return int(np.clip(cell, 1, n - 3))


def cubic_weights(t):
    """Weights of four equidistant samples: the cubic through unit vectors."""
    return tuple(
        float(interpolate.lagrange([-1, 0, 1, 2], unit)(t)) for unit in np.eye(4)
    )


def cubic_slopes(t):
    return tuple(
        float(interpolate.lagrange([-1, 0, 1, 2], unit).deriv()(t))
        for unit in np.eye(4)
    )


def interpolate_at(nodes, step, origin, row, col):
    i = find_cell(row, step, origin, nodes.shape[0])
    j = find_cell(col, step, origin, nodes.shape[1])
    down = np.array(cubic_weights((row - origin) / step - i))
    across = np.array(cubic_weights((col - origin) / step - j))
    patch = nodes[i - 1 : i + 3, j - 1 : j + 3]
    return tuple(np.einsum("m,n,mnk->k", down, across, patch))


def cubic_of_cell(nodes, i, j, k, weights):
    samples = np.array(weights) @ nodes[i - 1 : i + 3, j - 1 : j + 3, k]
    cubic = interpolate.lagrange([-1, 0, 1, 2], samples).coef[::-1]
    return tuple(np.pad(cubic, (0, 4 - cubic.size)))


def interpolate_row(nodes, step, origin, row, first_col, out):
    for col in range(out.shape[1]):
        out[:, col] = interpolate_at(nodes, step, origin, row, first_col + col)


def interpolate_points(nodes, step, origin, rows, cols, out):
    for k, (row, col) in enumerate(zip(rows, cols, strict=True)):
        is_place = np.isfinite(row) and np.isfinite(col)
        out[k] = interpolate_at(nodes, step, origin, row, col) if is_place else np.nan


def invert_at(nodes, step, origin, target, row, col):
    found = optimize.root(
        lambda p: np.subtract(interpolate_at(nodes, step, origin, *p), target),
        (row, col),
        tol=1e-12,
    )
    return tuple(found.x)


def invert_points(nodes, step, origin, values, start, out):
    for k, (value, begin) in enumerate(zip(values, start, strict=True)):
        is_place = np.isfinite(begin).all()
        out[k] = invert_at(nodes, step, origin, value, *begin) if is_place else np.nan


def weigh_patch(plane, first, width, down, along):
    row, col = divmod(first, width)
    return np.array(down) @ plane[row : row + 4, col : col + 4] @ np.array(along)


def add_terms(sums, first, part, terms):
    for k, power in enumerate((1, 1, 2, 2, 2)):
        sums[first + k] += part**power * terms[k]
