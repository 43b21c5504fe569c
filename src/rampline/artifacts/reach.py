"""Which pixels light reaches that is known to be at a place.

Means over cells of 4 pixels are smoothed over 3, 12 and 40 pixels. What stands out at the
finest scale is light first; the coarser scales then look at what that leaves, so that faint
wings are found without widening bright edges. Light is one piece with what stands out clearly
within the expected outline, and may reach a little beyond it; sources in front of it are
masked with it.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..exposure.records import Plane
from .stray_fit import BLOCK as CELL
from .stray_fit import average_blocks

SCALES: Final = (0.75, 3.0, 10.0)
"""Standard deviations of the Gaussians, cells."""
BEYOND: Final = 24
"""Cells beyond its outline as far as which light is followed: 3 arcsec of short wavelengths,
the uncertainty of where knife-edge light falls; in small subarrays an eighth of the side."""
SEED: Final = 2.0
"""Times the threshold: noise in so few places as an outline has does not reach it."""
LEAST_WEIGHT: Final = 0.05
"""Of known pixels under a Gaussian, for its mean to count."""
Cells = NDArray[np.float32]


class Noise(NamedTuple):
    """Sky beside all expected places."""

    cells: Cells
    """NaN at these places and where fewer than half of the pixels are known."""
    wide: Cells
    """Smoothed over the coarsest scale."""
    levels: tuple[tuple[float, float], ...]
    """Level and scatter at each scale."""


def measure_noise(cells: Cells) -> Noise:
    """Return the scatter of sky at each scale, sources only adding to it.

    Parameters
    ----------
    cells : (rows, cols) float32
        NaN at expected places.
    """
    layers = [smooth(cells, sigma) for sigma in SCALES]
    levels = []
    for layer in layers:
        known = layer[np.isfinite(layer)]
        low, middle = (
            np.percentile(known, (15.87, 50.0)) if known.size else (np.nan, np.nan)
        )
        levels.append((float(middle), float(middle - low)))
    return Noise(cells, layers[-1], tuple(levels))


def in_cells(values: Plane) -> Cells:
    """Return means of cells; NaN where fewer than half of the pixels are known."""
    mean, weight = average_blocks(values, CELL)
    return np.asarray(np.where(weight >= 0.5, mean, np.nan), np.float32)


def spread(found: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return cells as the pixels of a frame."""
    wide = found.repeat(CELL, axis=0).repeat(CELL, axis=1)
    beyond = [(0, n - k) for n, k in zip(shape, wide.shape, strict=True)]
    return np.pad(wide, beyond, mode="edge")


def smooth(cells: Cells, sigma: float) -> Cells:
    """Return the Gaussian mean of the known cells around each; NaN where few are."""
    finite = np.isfinite(cells)
    bare = np.where(finite, cells, np.float32(0))
    weight = ndimage.gaussian_filter(finite.astype(np.float32), sigma, truncate=3.0)
    total = ndimage.gaussian_filter(bare, sigma, truncate=3.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > LEAST_WEIGHT, total / weight, np.float32(np.nan))


def find_reach(
    cells: Cells,
    noise: Noise,
    inside: NDArray[np.bool_],
    threshold: float,
    n_scales: int = len(SCALES),
) -> NDArray[np.bool_]:
    """Return the cells that light reaches which is at a place.

    Parameters
    ----------
    cells : (rows, cols) float32
        NaN where fewer than half of the pixels are known.
    noise : Noise
    inside : (rows, cols) bool
        Cells of the place.
    threshold : float, sigma
        Of the smoothed noise.
    n_scales : int
        The finest ones only.

    Returns
    -------
    (rows, cols) bool
    """
    beyond = reach_beyond(inside.shape)
    rows, cols = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    box = (
        slice(max(0, rows[0] - beyond), rows[-1] + 1 + beyond),
        slice(max(0, cols[0] - beyond), cols[-1] + 1 + beyond),
    )
    own, within = cells[box], inside[box]
    near = widen(within, beyond)
    found = np.zeros(own.shape, np.bool_)
    scales = zip(SCALES[:n_scales], noise.levels, strict=False)
    for sigma, (level, scatter) in scales:
        left = _filled(np.where(found, np.float32(np.nan), own), sigma) - level
        bright = near & ((left > threshold * scatter) | found)
        seeds = within & ((left > SEED * threshold * scatter) | found)
        found |= ndimage.binary_propagation(seeds, mask=bright)
    reached = np.zeros(inside.shape, np.bool_)
    reached[box] = ndimage.binary_fill_holes(found)
    return reached


def reach_beyond(shape: tuple[int, ...]) -> int:
    """Return how far beyond its outline light is followed in a frame, cells."""
    return min(BEYOND, min(shape) // 8)


def widen(inside: NDArray[np.bool_], by: float) -> NDArray[np.bool_]:
    """Return cells and those around them."""
    if not inside.any():
        return inside
    away = ndimage.distance_transform_cdt(~inside, "chessboard")
    return np.asarray(away <= by)


def _filled(cells: Cells, sigma: float) -> Cells:
    """Return cells smoothed over a scale, unknown ones from the coarser scales."""
    smoothed = smooth(cells, sigma)
    for coarser in SCALES:
        if coarser > sigma:
            wide = smooth(cells, coarser)
            smoothed = np.where(np.isfinite(smoothed), smoothed, wide)
    return smoothed
