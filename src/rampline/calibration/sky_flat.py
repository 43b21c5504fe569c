"""Correct a flat field with the sky: the mean of many exposures, sources masked.

The zodiacal light is uniform over a detector; where the mean of many flat-fielded
exposures of different fields is not, the flat is wrong. Single pixels are measured only
to a few per cent, areas of many pixels to one part in a thousand. Both parts are
therefore shrunk according to the fraction of their scatter that is noise, so that the
flat is left unchanged where the sky cannot constrain it. Structure common to two halves
of the exposures is attributed to the flat; the rest is noise, faint sources included.
Light fixed on the detector (wisps) must be subtracted beforehand.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.meshes import measure_mesh
from ..numerics.selection import robust_scatter
from ..params import Count, Params, Pixels, Sigma


class SkyFlatParams(Params):
    """How a flat is measured from the sky."""

    min_exposures: Count = 20
    """Minimum number of exposures."""
    cell: Pixels = 32
    """Width of the cells in which the smooth part is measured."""
    clip: Sigma = 4.0
    """Pixels of an exposure farther than this from its sky level are excluded."""


class SkyFlatSums(NamedTuple):
    """Running sums over two halves of the exposures, (2, rows, cols) float64 each.

    Attributes
    ----------
    weighted : sum of weight times (sky divided by its level)
    weight : sum of the inverse variances of (sky divided by its level)
    """

    weighted: NDArray[np.float64]
    weight: NDArray[np.float64]


class SkyFlat(NamedTuple):
    """The factor by which a flat must be multiplied.

    Attributes
    ----------
    response : (rows, cols) float32
        1 where it could not be measured.
    err : (rows, cols) float32
    smooth_rms, pixel_rms : float
        Scatter of the flat's errors between cells and within them, noise subtracted.
    """

    response: Plane
    err: Plane
    smooth_rms: float
    pixel_rms: float


def start_sky_flat(shape: tuple[int, int]) -> SkyFlatSums:
    """Return empty sums."""
    return SkyFlatSums(np.zeros((2, *shape)), np.zeros((2, *shape)))


def add_sky(
    sums: SkyFlatSums,
    exposure: tuple[Plane, Plane],
    is_sky: NDArray[np.bool_],
    number: int,
    params: SkyFlatParams,
) -> None:
    """Add one exposure.

    Parameters
    ----------
    sums : SkyFlatSums
        Owned by the caller; updated in place.
    exposure : sky and its error, (rows, cols) float32 each
        Flat-fielded, with the sky not subtracted.
    is_sky : (rows, cols) bool
        Usable pixels without sources.
    number : int
        Index of the exposure: even and odd ones form the two halves.
    params : SkyFlatParams

    Raises
    ------
    ValueError
        If the exposure has no sky pixels, or its sky level is not positive.
    """
    sky, err = exposure
    known = is_sky & np.isfinite(sky) & (err > 0)
    level = float(np.median(sky[known])) if known.any() else 0.0
    if not level > 0:
        raise ValueError("shows no sky: was it subtracted?")
    with np.errstate(invalid="ignore"):
        known &= np.abs(sky - level) < params.clip * err
    weight = np.zeros(sky.shape)
    np.divide(level, err, out=weight, where=known)
    np.square(weight, out=weight)
    sums.weight[number % 2] += weight
    sums.weighted[number % 2] += np.where(
        known, weight * (sky / np.float32(level)), 0.0
    )


def finish_sky_flat(sums: SkyFlatSums, params: SkyFlatParams) -> SkyFlat:
    """Compute the correction of a flat from the sums.

    Notes
    -----
    Each deviation is multiplied by t2 / (t2 + s2), with s2 the variance of the noise
    and t2 the covariance of the halves: the linear estimate with the smallest error.
    """
    known = np.asarray((sums.weight > 0).all(axis=0), np.bool_)
    shape = known.shape[0], known.shape[1]
    if not known.any():
        ones = np.ones(shape, np.float32)
        return SkyFlat(ones, 0 * ones, 0.0, 0.0)
    halves = np.divide(
        sums.weighted, sums.weight, out=np.ones((2, *shape)), where=known
    ).astype(np.float32)
    meshes = [measure_mesh(half, known, params.cell) for half in halves]
    filled = meshes[0].n_used > 0
    levels = np.where(filled, [mesh.level for mesh in meshes], 1.0)
    halves /= np.median(levels[:, filled], axis=1)[:, None, None]
    levels /= np.median(levels[:, filled], axis=1)[:, None, None]
    smooth, cell_noise = _split(levels, 1.0 / np.maximum(meshes[0].n_used, 1), filled)
    share = np.where(filled, smooth / (smooth + cell_noise), 0.0)
    surface = _spread((levels.mean(axis=0) - 1.0) * share, shape, params.cell)
    left = np.where(known, halves - surface, 1.0)
    rough, noise = _split(left, 1.0 / np.where(known, sums.weight.sum(0), 1.0), known)
    kept = np.where(known, rough / (rough + noise), 0.0)
    variance = np.where(known, kept * noise, rough)
    variance += _spread(
        np.where(filled, share * cell_noise, smooth), shape, params.cell
    )
    mean = left.mean(axis=0) - 1.0
    return SkyFlat(
        response=(1.0 + surface + kept * mean).astype(np.float32),
        err=np.sqrt(np.maximum(variance, 0.0)).astype(np.float32),
        smooth_rms=float(np.sqrt(smooth)),
        pixel_rms=float(np.sqrt(rough)),
    )


def _split(
    halves: NDArray[np.floating[Any]],
    predicted: NDArray[np.float64],
    known: NDArray[np.bool_],
) -> tuple[float, NDArray[np.float64]]:
    """Return the variance common to both halves, and the noise variance of their mean.

    The noise scales with ``predicted``; the common variance is at least 1e-12.
    """
    first, second = halves[:, known]
    together = robust_scatter(first + second) ** 2 / 4.0
    apart = robust_scatter(first - second) ** 2 / 4.0
    noise = apart * predicted / float(np.median(predicted[known]))
    return max(together - apart, 1e-12), noise


def _spread(
    cells: NDArray[np.float64], shape: tuple[int, int], size: int
) -> NDArray[np.float64]:
    """Interpolate the values of cells linearly to all pixels."""
    at = [(np.arange(n) + 0.5) / size - 0.5 for n in shape]
    places = np.stack(np.meshgrid(*at, indexing="ij"))
    return np.asarray(
        scipy.ndimage.map_coordinates(cells, places, order=1, mode="nearest")
    )
