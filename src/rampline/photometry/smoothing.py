"""Gaussian smoothing of float32 planes, a few rows at a time.

Both directions are smoothed row by row while the rows are in cache, so a plane is read once
and no temporary plane of its size is needed.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.jit import fast_kernel

REACH_SIGMA = 4.0
"""Radius, in standard deviations, at which the Gaussian is truncated."""


def gaussian_weights(sigma: float) -> NDArray[np.float32]:
    """Return a Gaussian of unit sum at integer pixels, truncated at 4 sigma."""
    half = int(REACH_SIGMA * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


@fast_kernel
def smooth_rows(
    image: Plane,
    weights: NDArray[np.float32],
    first: int,
    line: NDArray[np.float32],
    out: Plane,
) -> None:
    """Smooth as many rows as ``out`` has, from row ``first`` of ``image`` on.

    The image is zero-padded. ``line`` is scratch space, as long as a row plus the weights.
    """
    size, n_cols = weights.size, image.shape[1]
    half = size // 2
    line[:] = np.float32(0.0)
    middle = line[half : half + n_cols]
    for i in range(out.shape[0]):
        middle[:] = np.float32(0.0)
        for t in range(size):
            row = first + i + t - half
            if 0 <= row < image.shape[0]:
                weight = weights[t]
                for j in range(n_cols):
                    middle[j] += weight * image[row, j]
        out[i, :] = np.float32(0.0)
        for t in range(size):
            weight = weights[t]
            for j in range(n_cols):
                out[i, j] += weight * line[j + t]
