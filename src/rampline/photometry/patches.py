"""Square cut-outs of equal size around sources, for sums over all sources at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Labels


def cut_patches(
    image: NDArray[Any],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    half: int,
) -> NDArray[np.float64]:
    """Cut squares of ``2 * half + 1`` pixels around integer positions.

    Parameters
    ----------
    image : (rows, cols)
        Of any numeric type.
    rows, cols : (sources,) int64, pixels
    half : int, pixels

    Returns
    -------
    (sources, 2 * half + 1, 2 * half + 1) float64
        0 outside the image and where the image is not finite.
    """
    offsets = np.arange(-half, half + 1)
    i = rows[:, None, None] + offsets[None, :, None]
    j = cols[:, None, None] + offsets[None, None, :]
    n_rows, n_cols = image.shape
    inside = (i >= 0) & (i < n_rows) & (j >= 0) & (j < n_cols)
    place = np.clip(i, 0, n_rows - 1), np.clip(j, 0, n_cols - 1)
    patches = image[place].astype(np.float64)
    return np.where(inside & np.isfinite(patches), patches, 0.0)


def cut_own(
    labels: Labels, rows: NDArray[np.int64], cols: NDArray[np.int64], half: int
) -> NDArray[np.bool_]:
    """Return where such squares show no other source.

    Parameters
    ----------
    labels : (rows, cols) int32
        0 on sky.
    rows, cols : (sources,) int64, pixels
        In the order of the labels 1, 2, ...
    half : int, pixels

    Returns
    -------
    (sources, 2 * half + 1, 2 * half + 1) bool
    """
    owner = cut_patches(labels, rows, cols, half)
    own = np.arange(1, len(rows) + 1)[:, None, None]
    return np.asarray((owner == 0) | (owner == own), np.bool_)
