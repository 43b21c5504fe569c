"""Mask sources, so that the sky can be measured between them.

Two tiers, both on 4 x 4 pixel blocks of the image minus a smooth sky. Compact sources:
blocks above the scatter of blocks, or that contain a pixel above the scatter of pixels.
Diffuse light: the same after smoothing over 16 pixels, where the wings of galaxies and
bright stars exceed the noise farther out than in single blocks. The scatter is measured
from differences between blocks, which slowly varying light does not affect. Both masks
are grown.
"""

from typing import Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..numerics.jit import kernel
from ..numerics.selection import MAD_TO_SIGMA

BLOCK: Final = 4
"""Width of a block, pixels: two FWHM of the sharpest point-spread function."""
SMOOTHING_BLOCKS: Final = 4.0
"""Standard deviation of the smoothing for diffuse light, blocks."""
DECORRELATED: Final = 12
"""Blocks beyond which smoothed noise is uncorrelated: three standard deviations."""
PEAK_FACTOR: Final = 5.0 / 3.0
"""Threshold of pixels relative to that of blocks: they are 16 times as numerous."""


class Blocks(NamedTuple):
    """An image in blocks of 4 x 4 pixels."""

    mean: NDArray[np.float32]
    """(block_rows, block_cols) mean of the usable pixels; NaN where there are none."""
    peak: NDArray[np.float32]
    """(block_rows, block_cols) brightest usable pixel; NaN where there are none."""


def mask_sources(
    blocks: Blocks, pixel_scatter: float, thresholds: tuple[float, float], grow_px: int
) -> NDArray[np.bool_]:
    """Find the blocks affected by sources.

    Parameters
    ----------
    blocks : Blocks
        Of an image minus its sky.
    pixel_scatter : float
        Standard deviation of single pixels, in the same unit.
    thresholds : (float, float), sigma
        For compact sources and for diffuse light.
    grow_px : int, pixels
        Growth around compact sources; diffuse light is grown twice as far.

    Returns
    -------
    (block_rows, block_cols) bool
    """
    compact_sigma, diffuse_sigma = thresholds
    scatter = _scatter(blocks.mean, lag=1)
    smooth = _smooth(blocks.mean)
    with np.errstate(invalid="ignore"):
        compact = blocks.mean > compact_sigma * scatter
        compact |= blocks.peak > PEAK_FACTOR * compact_sigma * pixel_scatter
        diffuse = smooth > diffuse_sigma * _scatter(smooth, lag=DECORRELATED)
    return _grow(compact, grow_px // BLOCK) | _grow(diffuse, 2 * grow_px // BLOCK)


def average_blocks(values: NDArray[np.float32], usable: NDArray[np.bool_]) -> Blocks:
    """Return the means and peaks of blocks.

    Parameters
    ----------
    values : (rows, cols) float32
    usable : (rows, cols) bool
        NaN values are excluded as well.
    """
    shape = tuple(-(-n // BLOCK) for n in values.shape)
    mean = np.empty(shape, np.float32)
    peak = np.empty(shape, np.float32)
    _average_blocks(values, usable, BLOCK, mean, peak)
    return Blocks(mean, peak)


def spread_blocks(
    blocks: NDArray[np.bool_], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return a mask of blocks as a mask of pixels, (rows, cols) bool."""
    wide = np.repeat(np.repeat(blocks, BLOCK, axis=0), BLOCK, axis=1)
    return wide[: shape[0], : shape[1]]


def _scatter(values: NDArray[np.float32], lag: int) -> float:
    """Return the standard deviation from differences between blocks ``lag`` apart.

    Slowly varying light cancels, so it may fill the frame. inf if there are no blocks.
    """
    steps = [values[lag::2, ::2] - values[:-lag:2, ::2]]
    steps.append(values[::2, lag::2] - values[::2, :-lag:2])
    size = np.abs(np.concatenate([step.ravel() for step in steps]))
    size = size[np.isfinite(size)]
    return float(np.median(size)) * MAD_TO_SIGMA / 2**0.5 if size.size else np.inf


def _smooth(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the Gaussian mean of the finite values around each block."""
    finite = np.isfinite(values)
    filled = np.where(finite, values, np.float32(0))
    total = scipy.ndimage.gaussian_filter(filled, SMOOTHING_BLOCKS, truncate=2.5)
    if not finite.all():
        weight = finite.astype(np.float32)
        weight = scipy.ndimage.gaussian_filter(weight, SMOOTHING_BLOCKS, truncate=2.5)
        with np.errstate(invalid="ignore", divide="ignore"):
            total = np.where(weight > 0.1, total / weight, np.float32(np.nan))
    return np.asarray(total, np.float32)


def _grow(found: NDArray[np.bool_], blocks: int) -> NDArray[np.bool_]:
    """Grow the mask by ``blocks`` blocks to each side, as squares."""
    size = 2 * blocks + 1
    grown = scipy.ndimage.maximum_filter(found.view(np.uint8), size=size)
    return np.asarray(grown, np.uint8).view(np.bool_)


@kernel
def _average_blocks(
    values: NDArray[np.float32],
    usable: NDArray[np.bool_],
    size: int,
    mean: NDArray[np.float32],
    peak: NDArray[np.float32],
) -> None:
    """Fill the means and peaks of square blocks; the last ones may be narrower."""
    n_rows, n_cols = values.shape
    for i in range(mean.shape[0]):
        for j in range(mean.shape[1]):
            total, count, highest = 0.0, 0, -np.inf
            for row in range(i * size, min((i + 1) * size, n_rows)):
                for col in range(j * size, min((j + 1) * size, n_cols)):
                    value = values[row, col]
                    if usable[row, col] and not np.isnan(value):
                        total += value
                        count += 1
                        highest = max(highest, value)
            mean[i, j] = total / count if count > 0 else np.nan
            peak[i, j] = highest if count > 0 else np.nan
