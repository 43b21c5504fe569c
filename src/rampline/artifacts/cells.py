"""Images in cells: means over squares of pixels, as scattered light has no finer detail.

Smoothing is done on still larger cells where the Gaussian is much wider than a cell. White
noise smoothed so scatters as much as with all cells, and differs from that by a tenth of its
scatter, smooth light by far less.
"""

from typing import Any, Final

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.jit import kernel

LEAST_WEIGHT: Final = 0.05
"""Minimum weight of known cells under a Gaussian for its mean to be used."""
_WIDE: Final = 6.0
"""Standard deviation, cells, from which a Gaussian is applied to larger cells."""
_PER_SIGMA: Final = 3.0
"""Larger cells per standard deviation, at least."""
Cells = NDArray[np.float32]


def average_blocks(values: Plane, width: int) -> tuple[Cells, Cells]:
    """Return means of whole blocks, and the fraction of known pixels in each.

    Parameters
    ----------
    values : (rows, cols) float32
        NaN where unknown.
    width : int, pixels
        Of a block.

    Returns
    -------
    mean, known : (rows // width, cols // width) float32
        0 where nothing is known.
    """
    rows, cols = (n // width for n in values.shape)
    mean, known = np.empty((2, rows, cols), np.float32)
    _average_blocks(values, width, mean, known)
    return mean, known


def trim_blocks(values: Plane) -> Cells:
    """Return cells of 2 x 2 pixels: the mean without the extremes, against hot pixels.

    NaN where no pixel is known; an odd last row or column is omitted.
    """
    rows, cols = (n // 2 for n in values.shape)
    out = np.empty((rows, cols), np.float32)
    _trim_blocks(values, out)
    return out


def expand(cells: Cells, width: int, shape: tuple[int, ...]) -> Plane:
    """Interpolate cells linearly to pixels, the last ones repeated beyond the edges."""
    out = np.empty(shape, np.float32)
    _expand(cells, width, out)
    return out


def spread(found: NDArray[Any], width: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Expand flags of cells to the pixels of a frame."""
    wide = found.repeat(width, axis=0).repeat(width, axis=1)
    beyond = [(0, n - k) for n, k in zip(shape, wide.shape, strict=True)]
    return np.asarray(np.pad(wide, beyond, mode="edge"))


def smooth(cells: Cells, sigma: float, least: float = LEAST_WEIGHT) -> Cells:
    """Return the Gaussian mean of the known cells around each; NaN where few are known."""
    finite = np.isfinite(cells)
    weight = blur(finite.astype(np.float32), sigma)
    total = blur(np.where(finite, cells, np.float32(0)), sigma)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > least, total / weight, np.float32(np.nan))


def blur(cells: Cells, sigma: float) -> Cells:
    """Return cells, none of them unknown, smoothed with a Gaussian."""
    if sigma < _WIDE:
        return np.asarray(scipy.ndimage.gaussian_filter(cells, sigma, truncate=3.0))
    width = int(sigma / _PER_SIGMA)
    shape = tuple(-(-n // width) for n in cells.shape)
    mean, known = np.empty((2, *shape), np.float32)
    _average_blocks(cells, width, mean, known)
    # averaging and interpolation widen the Gaussian by a quarter of the width squared
    left = np.sqrt(sigma**2 - width**2 / 4.0) / width
    return expand(
        scipy.ndimage.gaussian_filter(mean, left, truncate=3.0), width, cells.shape
    )


@kernel
def _average_blocks(values: Plane, width: int, mean: Cells, known: Cells) -> None:
    """Fill means and known fractions; blocks may reach beyond the image."""
    n_rows, n_cols = values.shape
    total = np.empty(mean.shape[1], np.float64)
    count = np.empty(mean.shape[1], np.int64)
    for i in range(mean.shape[0]):
        total[:] = 0.0
        count[:] = 0
        for row in range(i * width, min((i + 1) * width, n_rows)):
            for j in range(mean.shape[1]):
                for col in range(j * width, min((j + 1) * width, n_cols)):
                    value = values[row, col]
                    is_known = not np.isnan(value)
                    total[j] += value if is_known else np.float32(0.0)
                    count[j] += is_known
        for j in range(mean.shape[1]):
            mean[i, j] = total[j] / max(count[j], 1)
            known[i, j] = count[j] / width**2


@kernel
def _trim_blocks(values: Plane, out: Cells) -> None:
    """Fill the trimmed means of 2 x 2 pixels."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total, count, low, high = 0.0, 0, np.inf, -np.inf
            for row in range(2 * i, 2 * i + 2):
                for col in range(2 * j, 2 * j + 2):
                    value = float(values[row, col])
                    if not np.isnan(value):
                        total += value
                        count += 1
                        low, high = min(low, value), max(high, value)
            if count == 4:
                out[i, j] = 0.5 * (total - low - high)
            else:
                out[i, j] = total / count if count > 0 else np.nan


@kernel
def _expand(cells: Cells, width: int, out: Plane) -> None:
    """Fill an image from its cells, linearly between their centres."""
    n_rows, n_cols = cells.shape
    line = np.empty(n_cols, np.float32)
    for row in range(out.shape[0]):
        y = min(max((row + 0.5) / width - 0.5, 0.0), n_rows - 1.0)
        i = min(int(y), max(n_rows - 2, 0))
        below, v = min(i + 1, n_rows - 1), np.float32(y - i)
        for j in range(n_cols):
            line[j] = cells[i, j] + v * (cells[below, j] - cells[i, j])
        for col in range(out.shape[1]):
            x = min(max((col + 0.5) / width - 0.5, 0.0), n_cols - 1.0)
            j = min(int(x), max(n_cols - 2, 0))
            u = np.float32(x - j)
            out[row, col] = line[j] + u * (line[min(j + 1, n_cols - 1)] - line[j])
