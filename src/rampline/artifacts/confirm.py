"""Is light that is expected at a place really there, and which pixels does it reach.

The mean surface brightness within the expected outline, of medians of blocks, which compact
sources do not reach, is compared with that within the same outline moved elsewhere in the
same exposure: what the sky, its slopes and left-over stripes do to such a region is measured,
not assumed. A star whose light got in brightens its own
place only; pixels that stand out there after smoothing are masked.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..exposure.records import Plane
from ..numerics.polygon import fill_polygon
from ..numerics.selection import robust_scatter
from ..params import PixelsFloat, Sigma, StepParams

LEAST_COPIES: Final = 6
"""Fewer places to compare with say nothing about a scatter."""
LEAST_KNOWN: Final = 0.3
"""Of the pixels of a place must show sky."""
MARGIN_PX: Final = 64
"""Of sky around the outline, to tell what stands out."""
BLOCK: Final = 16
"""Pixels of a block; every second row and column tells its median."""
STEPS: Final = 8
"""Copies along each axis at most, to either side."""


class ConfirmParams(StepParams):
    """When expected light is believed, and what of it is masked."""

    least_excess: Sigma = 3.0
    """Of the mean within the outline over the scatter of its copies."""
    mask_threshold: Sigma = 2.0
    """Smoothed pixels within the outline that stand this far out are masked."""
    smoothing: PixelsFloat = 3.0
    """Standard deviation of the Gaussian."""


class Confirmed(NamedTuple):
    """What was found at an expected place."""

    is_there: bool
    excess: float
    """Mean brightness above that of the copies, in the unit of the image; NaN if unknown."""
    excess_err: float
    """Scatter of the copies."""
    mask: NDArray[np.bool_]
    """(rows, cols): pixels to be masked; empty unless it is there."""


def confirm_light(
    residual: Plane,
    is_source: NDArray[np.bool_],
    corners: NDArray[np.float64],
    params: ConfirmParams,
) -> Confirmed:
    """Look for light at an expected place.

    Parameters
    ----------
    residual : (rows, cols) float32
        Image less its sky; NaN on bad pixels.
    is_source : (rows, cols) bool
        Pixels that sources reach. Strong light is taken for a source itself: where they
        cover most of the outline, the median of all its pixels counts.
    corners : (n, 2) float64, pixels
        x and y of the outline.
    params : ConfirmParams

    Returns
    -------
    Confirmed
    """
    shape = (residual.shape[0], residual.shape[1])
    nowhere = np.zeros(shape, np.bool_)
    whole = fill_polygon(corners, shape)
    if not whole.any():
        return Confirmed(False, np.nan, np.nan, nowhere)
    covered = _block_means(whole.astype(np.float32)) > 0.5
    if not covered.any():
        return Confirmed(False, np.nan, np.nan, nowhere)
    first, inside = _cut_out(covered)
    between = np.where(is_source, np.float32(np.nan), residual)
    sky = _block_medians(between)
    here = _mean(sky, inside, first)
    if not np.isfinite(here):
        between = np.where(whole, residual, between)
        sky = np.where(covered, _block_medians(between), sky)
        here = _mean(sky, inside, first)
    copies = np.array(
        [_mean(sky, inside, at) for at in _copies(first, inside, covered.shape)]
    )
    copies = copies[np.isfinite(copies)]
    if not np.isfinite(here) or len(copies) < LEAST_COPIES:
        return Confirmed(False, np.nan, np.nan, nowhere)
    level = float(np.median(copies))
    scatter = robust_scatter(copies)
    excess = here - level
    # the scatter itself is uncertain: with n copies by 1 / sqrt(n)
    limit = params.least_excess * (1.0 + 1.0 / np.sqrt(len(copies)))
    if not excess > limit * scatter:
        return Confirmed(False, excess, scatter, nowhere)
    return Confirmed(True, excess, scatter, _reached(between, whole, level, params))


Corner = tuple[int, int]


def _cut_out(whole: NDArray[np.bool_]) -> tuple[Corner, NDArray[np.bool_]]:
    """Return the first row and column of a shape, and the shape in its own box."""
    rows, cols = (np.flatnonzero(whole.any(axis=axis)) for axis in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
    return (int(rows[0]), int(cols[0])), whole[box]


def _mean(values: Plane, inside: NDArray[np.bool_], first: Corner) -> float:
    """Return the mean of the known blocks of a place; NaN where too few are known."""
    box = tuple(slice(k, k + n) for k, n in zip(first, inside.shape, strict=True))
    here = values[box][inside]
    known = here[np.isfinite(here)]
    if known.size < max(1.0, LEAST_KNOWN * here.size):
        return np.nan
    return float(known.mean(dtype=np.float64))


def _in_blocks(values: Plane) -> Plane:
    """Return the pixels of each block, (block_rows, block_cols, pixels), NaN beyond the frame."""
    beyond = [(0, -n % BLOCK) for n in values.shape]
    padded = np.pad(values, beyond, constant_values=np.nan)[::2, ::2]
    side = BLOCK // 2
    rows, cols = (n // side for n in padded.shape)
    parts = padded.reshape(rows, side, cols, side).swapaxes(1, 2)
    return parts.reshape(rows, cols, side * side)


def _block_means(values: Plane) -> Plane:
    """Return means of blocks of known pixels."""
    return np.asarray(np.nan_to_num(_in_blocks(values)).mean(axis=2), np.float32)


def _block_medians(values: Plane) -> Plane:
    """Return medians of blocks; NaN where few pixels are known."""
    ordered = np.sort(_in_blocks(values), axis=2)
    count = np.isfinite(ordered).sum(axis=2)
    middle = np.maximum(count - 1, 0) // 2
    median = np.take_along_axis(ordered, middle[:, :, None], axis=2)[:, :, 0]
    enough = count >= LEAST_KNOWN * ordered.shape[2]
    return np.asarray(np.where(enough, median, np.nan), np.float32)


def _copies(
    first: Corner, inside: NDArray[np.bool_], shape: tuple[int, int]
) -> Iterator[Corner]:
    """Yield where the same shape may lie elsewhere along its rows and its columns."""
    for axis in (0, 1):
        size = inside.shape[axis]
        apart = shape[axis] // (2 * STEPS)
        # copies of large places overlap each other, but none the place itself
        step = apart if size <= apart else max(1, size // 8)
        for k in range(STEPS):
            away = max(size, apart, 1) + k * step
            for at in (first[axis] - away, first[axis] + away):
                if at >= 0 and at + size <= shape[axis]:
                    yield (at, first[1]) if axis == 0 else (first[0], at)


def _reached(
    residual: Plane, inside: NDArray[np.bool_], level: float, params: ConfirmParams
) -> NDArray[np.bool_]:
    """Return the pixels within the outline that stand out once smoothed."""
    (row, col), cut = _cut_out(inside)
    box = tuple(
        slice(max(0, k - MARGIN_PX), k + n + MARGIN_PX)
        for k, n in zip((row, col), cut.shape, strict=True)
    )
    near, values = inside[box], residual[box]
    finite = np.isfinite(values)
    filled = np.where(finite, values - np.float32(level), np.float32(0))
    weight = ndimage.gaussian_filter(finite.astype(np.float32), params.smoothing)
    smooth = ndimage.gaussian_filter(filled, params.smoothing)
    smooth /= np.maximum(weight, np.float32(0.1))
    around = smooth[~near & finite]
    low, middle = np.percentile(around, (15.87, 50.0))
    found = near & (smooth > middle + params.mask_threshold * (middle - low))
    labels, n_labels = ndimage.label(found)
    sizes = np.bincount(labels.ravel(), minlength=n_labels + 1)
    sizes[0] = 0
    # single peaks of the smoothed noise are as large as the Gaussian
    large = sizes >= 4 * np.pi * params.smoothing**2
    reached = np.zeros(residual.shape, np.bool_)
    reached[box] = large[labels]
    return reached
