"""Find the pixels affected by stray light that is known to be present at a place.

Means over cells of 4 x 4 pixels are smoothed over 3, 12 and 40 pixels. Light is
detected first at the finest scale; the coarser scales then use the remaining cells, so
that faint wings are found without widening bright edges. The light must be connected to
clearly significant cells within the expected outline, and may extend a little beyond
it; sources superposed on it are masked with it.
"""

from typing import Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.records import Plane
from .cells import Cells, average_blocks, smooth
from .stray_fit import BLOCK as CELL

SCALES: Final = (0.75, 3.0, 10.0)
"""Standard deviations of the Gaussians, cells."""
BEYOND: Final = 24
"""Cells beyond its outline out to which light is followed: 3 arcsec at short
wavelengths, the uncertainty of the position of knife-edge light; in small subarrays an
eighth of the side."""
SEED: Final = 2.0
"""Times the threshold: not reached by noise in the few independent cells of an outline."""


class Noise(NamedTuple):
    """Sky outside all expected places."""

    cells: Cells
    """NaN at these places and where fewer than half of the pixels are known."""
    wide: Cells
    """Smoothed over the coarsest scale."""
    levels: tuple[tuple[float, float], ...]
    """Level and scatter at each scale."""


def measure_noise(cells: Cells) -> Noise:
    """Return the level and scatter of the sky at each scale, from its lower half.

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
    return np.where(weight >= 0.5, mean, np.float32(np.nan))


def find_reach(
    cells: Cells,
    noise: Noise,
    inside: NDArray[np.bool_],
    threshold: float,
    n_scales: int = len(SCALES),
) -> NDArray[np.bool_]:
    """Return the cells affected by the light at a place.

    Parameters
    ----------
    cells : (rows, cols) float32
        NaN where fewer than half of the pixels are known.
    noise : Noise
    inside : (rows, cols) bool
        Cells of the place.
    threshold : float, sigma
        In units of the smoothed noise.
    n_scales : int
        Number of scales used, the finest first.

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
        found |= scipy.ndimage.binary_propagation(seeds, mask=bright)
    reached = np.zeros(inside.shape, np.bool_)
    reached[box] = scipy.ndimage.binary_fill_holes(found)
    return reached


def reach_beyond(shape: tuple[int, ...]) -> int:
    """Return the distance beyond its outline to which light is followed, cells."""
    return min(BEYOND, min(shape) // 8)


def widen(inside: NDArray[np.bool_], by: float) -> NDArray[np.bool_]:
    """Return the cells and those within ``by`` cells of them."""
    if not inside.any():
        return inside
    away = scipy.ndimage.distance_transform_cdt(~inside, "chessboard")
    return np.asarray(away <= by)


def _filled(cells: Cells, sigma: float) -> Cells:
    """Return cells smoothed at a scale, unknown ones filled from the coarser scales."""
    smoothed = smooth(cells, sigma)
    for coarser in SCALES:
        if coarser > sigma:
            wide = smooth(cells, coarser)
            smoothed = np.where(np.isfinite(smoothed), smoothed, wide)
    return smoothed
