"""Smooth pairs of functions kept at the nodes of a coarse grid.

Where a pixel looks, or lands, is a smooth function of row and column, so it is kept at
nodes every few pixels and interpolated by local cubics: in each direction the Lagrange
polynomial through the two nodes on either side. For a function whose fourth derivative is
``f4`` the error is at most ``9/384 f4 step**4`` in each direction (Davis 1975, sec. 3.1).
Node (i, j) lies at row ``origin + step * i`` and column ``origin + step * j``. The nodes
must reach at least one step beyond every position that is asked for, half a pixel less.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .jit import kernel

NodeGrid = NDArray[np.float64]


def count_nodes(n_pixels: int, step: int, origin: int) -> int:
    """Return how many nodes cover ``n_pixels`` with one more step beyond the last.

    Parameters
    ----------
    n_pixels : int
        Rows, or columns, of the frame.
    step, origin : int, pixels
        Distance of the nodes and position of the first, at most ``-step``.
    """
    return (n_pixels - 1 - origin) // step + 3


def interpolate_nodes(
    nodes: NodeGrid, step: int, origin: int, rows: ArrayLike, cols: ArrayLike
) -> NDArray[np.float64]:
    """Evaluate node grids at any positions.

    Parameters
    ----------
    nodes : (node_rows, node_cols, 2) float64
    step, origin : int, pixels
    rows, cols : (...,) float, pixels
        Broadcast against each other.

    Returns
    -------
    (..., 2) float64
        NaN where a position is not finite.
    """
    row, col = np.broadcast_arrays(
        np.asarray(rows, np.float64), np.asarray(cols, np.float64)
    )
    out = np.empty((row.size, 2))
    interpolate_points(nodes, step, origin, row.ravel(), col.ravel(), out)
    return out.reshape(*row.shape, 2)


def invert_nodes(
    nodes: NodeGrid, step: int, origin: int, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find the positions where the node grids take given values.

    Parameters
    ----------
    nodes : (node_rows, node_cols, 2) float64
        A one-to-one map.
    step, origin : int, pixels
    values : (..., 2) float64

    Returns
    -------
    (..., 2) float64, pixels
        Row and column, good to 1e-9 pixels; NaN for values farther than one frame from the
        nodes, where the map means nothing.

    Notes
    -----
    Newton's method on the cubics from an affine fit to the nodes; two or three steps
    suffice for the distortion of a camera.
    """
    flat = np.ascontiguousarray(values, np.float64).reshape(-1, 2)
    start = _affine_guess(nodes, step, origin, flat)
    n_rows, n_cols = (np.array(nodes.shape[:2]) - 1) * step
    outside = (start < origin - np.array([n_rows, n_cols])) | (
        start > origin + 2 * np.array([n_rows, n_cols])
    )
    start[outside.any(axis=1)] = np.nan
    out = np.empty_like(flat)
    invert_points(nodes, step, origin, flat, start, out)
    return out.reshape(np.shape(values))


def _affine_guess(
    nodes: NodeGrid, step: int, origin: int, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return rows and columns from the affine map that fits the nodes best."""
    row = origin + step * np.arange(nodes.shape[0], dtype=np.float64)
    col = origin + step * np.arange(nodes.shape[1], dtype=np.float64)
    positions = np.stack(np.meshgrid(row, col, indexing="ij"), -1).reshape(-1, 2)
    flat = nodes.reshape(-1, 2)
    middle, spread = flat.mean(axis=0), np.ptp(flat, axis=0)
    ones = np.ones((len(flat), 1))
    design = np.hstack([(flat - middle) / spread, ones])
    affine = np.linalg.lstsq(design, positions, rcond=None)[0]
    return np.asarray(((values - middle) / spread) @ affine[:2] + affine[2])


@kernel
def find_cell(position: float, step: int, origin: int, n: int) -> int:
    """Return the node before ``position`` that has another before and two behind it."""
    cell = int(np.floor((position - origin) / step))
    return min(max(cell, 1), n - 3)


@kernel
def cubic_weights(t: float) -> tuple[float, float, float, float]:
    """Return the weights of the nodes at -1, 0, 1, 2 for the position ``t``."""
    s = 1.0 - t
    # a product takes a fifth of the time of a quotient
    sixth = t * s * (-1.0 / 6.0)
    return (
        sixth * (1.0 + s),
        0.5 * (1.0 + t) * s * (1.0 + s),
        0.5 * (1.0 + t) * t * (1.0 + s),
        sixth * (1.0 + t),
    )


@kernel
def cubic_slopes(t: float) -> tuple[float, float, float, float]:
    """Return the derivatives of the four weights with ``t``."""
    return (
        -(3.0 * t * t - 6.0 * t + 2.0) / 6.0,
        (3.0 * t * t - 4.0 * t - 1.0) / 2.0,
        -(3.0 * t * t - 2.0 * t - 2.0) / 2.0,
        (3.0 * t * t - 1.0) / 6.0,
    )


@kernel
def interpolate_at(
    nodes: NodeGrid, step: int, origin: int, row: float, col: float
) -> tuple[float, float]:
    """Return both functions at one position."""
    i = find_cell(row, step, origin, nodes.shape[0])
    j = find_cell(col, step, origin, nodes.shape[1])
    wr = cubic_weights((row - origin) / step - i)
    wc = cubic_weights((col - origin) / step - j)
    a = 0.0
    b = 0.0
    for m in range(4):
        for n in range(4):
            weight = wr[m] * wc[n]
            a += weight * nodes[i - 1 + m, j - 1 + n, 0]
            b += weight * nodes[i - 1 + m, j - 1 + n, 1]
    return a, b


@kernel
def cubic_of_cell(
    nodes: NodeGrid, i: int, j: int, k: int, weights: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """Return the coefficients of function ``k`` along a row, in nodes from node ``j``.

    ``weights`` are those of the node rows from ``i - 1`` on.
    """
    w0, w1, w2, w3 = weights
    p0 = w0 * nodes[i - 1, j - 1, k] + w1 * nodes[i, j - 1, k]
    p0 += w2 * nodes[i + 1, j - 1, k] + w3 * nodes[i + 2, j - 1, k]
    p1 = w0 * nodes[i - 1, j, k] + w1 * nodes[i, j, k]
    p1 += w2 * nodes[i + 1, j, k] + w3 * nodes[i + 2, j, k]
    p2 = w0 * nodes[i - 1, j + 1, k] + w1 * nodes[i, j + 1, k]
    p2 += w2 * nodes[i + 1, j + 1, k] + w3 * nodes[i + 2, j + 1, k]
    p3 = w0 * nodes[i - 1, j + 2, k] + w1 * nodes[i, j + 2, k]
    p3 += w2 * nodes[i + 1, j + 2, k] + w3 * nodes[i + 2, j + 2, k]
    return (
        p1,
        -p0 / 3.0 - p1 / 2.0 + p2 - p3 / 6.0,
        (p0 + p2) / 2.0 - p1,
        (p3 - p0) / 6.0 + (p1 - p2) / 2.0,
    )


@kernel
def interpolate_row(
    nodes: NodeGrid,
    step: int,
    origin: int,
    row: float,
    first_col: float,
    out: NDArray[np.float64],
) -> None:
    """Fill ``out`` (2, cols) with both functions along one row, columns one apart.

    ``row`` and ``first_col`` need not be whole: pixel edges are at halves.
    """
    n_cols = out.shape[1]
    i = find_cell(row, step, origin, nodes.shape[0])
    weights = cubic_weights((row - origin) / step - i)
    done = 0
    while done < n_cols:
        j = find_cell(first_col + done, step, origin, nodes.shape[1])
        # columns up to the next node share one cubic; the last cell takes the rest
        end = int(np.ceil(origin + step * (j + 1) - first_col))
        end = n_cols if j == nodes.shape[1] - 3 else min(max(end, done + 1), n_cols)
        start = (first_col + done - origin) / step - j
        for k in range(2):
            c0, c1, c2, c3 = cubic_of_cell(nodes, i, j, k, weights)
            line = out[k, done:end]
            for col in range(len(line)):
                t = start + col * (1.0 / step)
                line[col] = c0 + t * (c1 + t * (c2 + t * c3))
        done = end


@kernel
def interpolate_points(
    nodes: NodeGrid,
    step: int,
    origin: int,
    rows: NDArray[np.float64],
    cols: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Fill ``out`` (points, 2) with both functions at the given positions."""
    for point in range(out.shape[0]):
        if np.isfinite(rows[point]) and np.isfinite(cols[point]):
            a, b = interpolate_at(nodes, step, origin, rows[point], cols[point])
            out[point, 0] = a
            out[point, 1] = b
        else:
            out[point, 0] = np.nan
            out[point, 1] = np.nan


@kernel
def invert_at(
    nodes: NodeGrid,
    step: int,
    origin: int,
    target: tuple[float, float],
    row: float,
    col: float,
) -> tuple[float, float]:
    """Return row and column where the functions equal ``target``, by Newton's method."""
    for _ in range(20):
        i = find_cell(row, step, origin, nodes.shape[0])
        j = find_cell(col, step, origin, nodes.shape[1])
        t = (row - origin) / step - i
        u = (col - origin) / step - j
        wr, wc = cubic_weights(t), cubic_weights(u)
        sr, sc = cubic_slopes(t), cubic_slopes(u)
        a, b = -target[0], -target[1]
        a_row = b_row = a_col = b_col = 0.0
        for m in range(4):
            for n in range(4):
                first = nodes[i - 1 + m, j - 1 + n, 0]
                second = nodes[i - 1 + m, j - 1 + n, 1]
                a += wr[m] * wc[n] * first
                b += wr[m] * wc[n] * second
                a_row += sr[m] * wc[n] * first
                b_row += sr[m] * wc[n] * second
                a_col += wr[m] * sc[n] * first
                b_col += wr[m] * sc[n] * second
        determinant = a_row * b_col - a_col * b_row
        d_row = step * (a * b_col - a_col * b) / determinant
        d_col = step * (a_row * b - a * b_row) / determinant
        row -= d_row
        col -= d_col
        if abs(d_row) + abs(d_col) < 1e-10:
            return row, col
    return np.nan, np.nan


@kernel
def invert_points(
    nodes: NodeGrid,
    step: int,
    origin: int,
    values: NDArray[np.float64],
    start: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Fill ``out`` (points, 2) with the positions of ``values``, begun at ``start``."""
    for point in range(values.shape[0]):
        row, col = start[point, 0], start[point, 1]
        if np.isfinite(row) and np.isfinite(col):
            target = (values[point, 0], values[point, 1])
            row, col = invert_at(nodes, step, origin, target, row, col)
            out[point, 0] = row
            out[point, 1] = col
        else:
            out[point, 0] = np.nan
            out[point, 1] = np.nan
