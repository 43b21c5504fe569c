"""Point sources painted onto pixels with sub-pixel accuracy.

The effective PSF (optics.py) is turned once into coefficients of a cubic B-spline; the
light of a star on each pixel is then a weighted sum of sixteen coefficients, with the
same weights for all pixels of the star, since pixels are whole numbers of samples apart.
Faint stars get small stamps: what is cut off is below a chosen surface brightness.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import spline_filter

from ..numerics.jit import kernel
from .optics import PointSpread

_SMALLEST: Final = 12
"""Half width of the smallest stamp, pixels."""


def paint_stars(
    image: NDArray[np.float64],
    spread: PointSpread,
    positions: NDArray[np.float64],
    rates: NDArray[np.float64],
    faintest: float,
) -> None:
    """Add stars to an image, in place.

    Parameters
    ----------
    image : (rows, cols) float64, DN/s
        Added to.
    spread : PointSpread
    positions : (n, 2) float64, pixels
        Row and column, 0-based, pixel centres at integers.
    rates : (n,) float64, DN/s
        Total rate of each star; may be negative, where light is taken away.
    faintest : float, DN/s
        Light per pixel beyond the stamp stays below this.
    """
    if not len(rates):
        return
    knots = spline_filter(spread.values.astype(np.float64), order=3, mode="constant")
    halves = _half_widths(spread, rates, faintest)
    for (row, col), rate, half in zip(positions, rates, halves, strict=True):
        if _touches(image.shape, row, col, half):
            _add_star(image, knots, spread.oversample, (row, col, rate), half)


def _touches(shape: tuple[int, ...], row: float, col: float, half: int) -> bool:
    return bool(-half < row < shape[0] - 1 + half and -half < col < shape[1] - 1 + half)


def _half_widths(
    spread: PointSpread, rates: NDArray[np.float64], faintest: float
) -> NDArray[np.int64]:
    """Return how far each star's stamp reaches, pixels."""
    size = spread.values.shape[0]
    largest = (size // 2 - 2) // spread.oversample
    offset = np.abs(np.arange(size) - size // 2) // spread.oversample
    ring = np.maximum(offset[:, None], offset[None, :])
    # The brightest sample at or beyond each distance.
    peak = np.zeros(largest + 2)
    np.maximum.at(peak, np.minimum(ring, largest + 1), spread.values)
    beyond = np.maximum.accumulate(peak[::-1])[::-1][: largest + 1]
    reach = np.searchsorted(-beyond, -faintest / np.maximum(np.abs(rates), 1e-30))
    return np.clip(reach, _SMALLEST, largest).astype(np.int64)


@kernel
def _add_star(
    image: NDArray[np.float64],
    knots: NDArray[np.float64],
    oversample: int,
    star: tuple[float, float, float],
    half: int,
) -> None:
    """Add ``rate`` times the cubic spline of the PSF, centred on (row, col)."""
    row, col, rate = star
    n_rows, n_cols = image.shape
    centre = (knots.shape[0] - 1) // 2
    row_near, col_near = int(np.rint(row)), int(np.rint(col))
    # Where the nearest pixel's centre lies on the fine grid.
    fine_row = centre + (row_near - row) * oversample
    fine_col = centre + (col_near - col) * oversample
    base_row, base_col = int(np.floor(fine_row)), int(np.floor(fine_col))
    weight_row, weight_col = np.empty(4), np.empty(4)
    _spline_weights(fine_row - base_row, weight_row)
    _spline_weights(fine_col - base_col, weight_col)
    for i in range(max(0, row_near - half), min(n_rows, row_near + half + 1)):
        top = base_row + (i - row_near) * oversample - 1
        for j in range(max(0, col_near - half), min(n_cols, col_near + half + 1)):
            left = base_col + (j - col_near) * oversample - 1
            total = 0.0
            for a in range(4):
                line = 0.0
                for b in range(4):
                    line += weight_col[b] * knots[top + a, left + b]
                total += weight_row[a] * line
            image[i, j] += rate * total


@kernel
def _spline_weights(t: float, out: NDArray[np.float64]) -> None:
    """Fill the four weights of a cubic B-spline at a fraction t past the second knot."""
    s = 1.0 - t
    out[0] = s * s * s / 6.0
    out[1] = (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0
    out[2] = (4.0 - 6.0 * s * s + 3.0 * s * s * s) / 6.0
    out[3] = t * t * t / 6.0
