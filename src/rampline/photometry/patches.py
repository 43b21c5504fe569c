"""Square cut-outs around sources, all of one size, so that sums run over all at once."""

import numpy as np
from numpy.typing import NDArray


def cut_patches(
    image: NDArray[np.float32],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    half: int,
) -> NDArray[np.float64]:
    """Cut squares of ``2 * half + 1`` pixels around integer positions.

    Parameters
    ----------
    image : (rows, cols) float32
    rows, cols : (sources,) int64, pixels
    half : int, pixels

    Returns
    -------
    (sources, 2 * half + 1, 2 * half + 1) float64
        0 outside the image and where the image is not finite.
    """
    padded = np.pad(np.where(np.isfinite(image), image, 0), half + 1)
    offsets = np.arange(-half, half + 1) + half + 1
    inside_rows = np.clip(rows, -1, image.shape[0])
    inside_cols = np.clip(cols, -1, image.shape[1])
    i = inside_rows[:, None, None] + offsets[None, :, None]
    j = inside_cols[:, None, None] + offsets[None, None, :]
    top, left = padded.shape[0] - 1, padded.shape[1] - 1
    patches = padded[np.clip(i, 0, top), np.clip(j, 0, left)]
    return np.asarray(patches, np.float64)
