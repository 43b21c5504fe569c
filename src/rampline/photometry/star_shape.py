"""DAOFind's sharpness and roundness, and the nearest neighbour.

Stetson (1987, PASP 99, 191): sharpness is the height of the peak above its neighbours over
that of the best-fitting Gaussian; roundness compares the bilateral with the fourfold
symmetry of the image convolved with a Gaussian of zero sum.
"""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.records import Plane
from .matched_filter import FWHM_PER_SIGMA
from .patches import cut_patches


class StarShapes(NamedTuple):
    """Stetson's statistics, one value per source."""

    sharpness: NDArray[np.float64]
    roundness: NDArray[np.float64]


class Neighbours(NamedTuple):
    """The nearest other source.

    Attributes
    ----------
    nearest : (sources,) int64
        Index of the nearest source, -1 if there is no other.
    distance_px : (sources,) float64, pixels
    """

    nearest: NDArray[np.int64]
    distance_px: NDArray[np.float64]


def measure_star_shapes(
    sky: Plane, positions: NDArray[np.float64], psf_fwhm_px: float
) -> StarShapes:
    """Measure sharpness and roundness.

    Parameters
    ----------
    sky : (rows, cols) float32
    positions : (sources, 2) float64, pixels
    psf_fwhm_px : float, pixels

    Returns
    -------
    StarShapes
        As `jwst`'s source_catalog defines them.
    """
    sigma = psf_fwhm_px / FWHM_PER_SIGMA
    half = int(max(2.0, 1.5 * sigma))
    steps = np.arange(-half, half + 1)
    disk = np.hypot(steps[:, None], steps) <= max(2.0, 1.5 * sigma)
    kernel = _zero_sum_gaussian(steps, sigma, disk)
    rows = np.rint(positions[:, 0]).astype(np.int64)
    cols = np.rint(positions[:, 1]).astype(np.int64)
    wide = cut_patches(sky, rows, cols, 2 * half)
    values = wide[:, half : 3 * half + 1, half : 3 * half + 1] * disk
    response = np.empty_like(values)
    for i, j in np.ndindex(kernel.shape):
        size = 2 * half + 1
        part = wide[:, i : i + size, j : j + size]
        response[:, i, j] = (part * kernel).sum(axis=(1, 2))
    peak = values[:, half, half]
    around = (values.sum(axis=(1, 2)) - peak) / (disk.sum() - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        sharpness = (peak - around) / response[:, half, half]
    return StarShapes(sharpness, _roundness(response, half))


def find_neighbours(positions: NDArray[np.float64]) -> Neighbours:
    """Find the nearest other source of each source."""
    count = len(positions)
    if count < 2:
        return Neighbours(np.full(count, -1), np.full(count, np.nan))
    distance, index = scipy.spatial.KDTree(positions).query(positions, k=2)
    return Neighbours(index[:, 1].astype(np.int64), distance[:, 1])


def _zero_sum_gaussian(
    steps: NDArray[np.int64], sigma: float, disk: NDArray[np.bool_]
) -> NDArray[np.float64]:
    gauss = np.exp(-0.5 * (steps[:, None] ** 2 + steps**2) / sigma**2) * disk
    count = disk.sum()
    norm = (gauss**2).sum() - gauss.sum() ** 2 / count
    return np.asarray((gauss - gauss.sum() / count) / norm * disk)


def _roundness(response: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Return the ratio of twofold to fourfold symmetry of the response."""
    outer = response.copy()
    outer[:, half, half] = 0.0
    sides = (
        outer[:, :half, : half + 1].sum(axis=(1, 2))
        + outer[:, half + 1 :, half:].sum(axis=(1, 2))
        - outer[:, : half + 1, half + 1 :].sum(axis=(1, 2))
        - outer[:, half:, :half].sum(axis=(1, 2))
    )
    total = np.abs(outer).sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2.0 * sides / total)
