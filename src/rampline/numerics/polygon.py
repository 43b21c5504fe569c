"""Which pixels lie within a polygon."""

import numpy as np
from numpy.typing import NDArray


def fill_polygon(
    corners: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the pixels whose centres lie within a polygon (even-odd rule).

    Parameters
    ----------
    corners : (n, 2) float64, pixels
        x and y, 0-based, pixel centres at integers; may lie outside the frame.
    shape : (int, int)
        Rows and columns of the frame.

    Returns
    -------
    (rows, cols) bool
    """
    inside = np.zeros(shape, np.bool_)
    if len(corners) < 3:
        return inside
    low = np.maximum(np.ceil(corners.min(axis=0)), 0).astype(int)
    high = np.minimum(
        np.floor(corners.max(axis=0)), (shape[1] - 1, shape[0] - 1)
    ).astype(int)
    x = np.arange(low[0], high[0] + 1.0)[None, :]
    y = np.arange(low[1], high[1] + 1.0)[:, None]
    if x.size == 0 or y.size == 0:
        return inside
    crossed = np.zeros((y.size, x.size), np.bool_)
    for (x0, y0), (x1, y1) in zip(np.roll(corners, 1, axis=0), corners, strict=True):
        # only the rows that a side crosses: a fine outline costs no more than a coarse one
        first, last = np.searchsorted(y[:, 0], sorted((y0, y1)))
        if first < last:
            at = x0 + (y[first:last] - y0) / (y1 - y0) * (x1 - x0)
            crossed[first:last] ^= x < at
    inside[low[1] : high[1] + 1, low[0] : high[0] + 1] = crossed
    return inside
