"""What the sky says about a flat field: many exposures between their sources, averaged.

The zodiacal light is even over a detector; where the mean of many flat-fielded exposures of
different fields is not, the flat is wrong. Single pixels are known to some per cent only,
areas of many pixels to a thousandth. Both parts are therefore shrunk by as much of their
scatter as is noise: what the sky cannot tell is left as the flat has it. What two halves of
the exposures have in common is the flat's; what they have not is noise, faint sources
included. Light that stands still on the detector (wisps) must be taken off before.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.meshes import measure_mesh
from ..numerics.selection import robust_scatter
from ..params import Count, Params, Pixels, Sigma


class SkyFlatParams(Params):
    """How a flat is measured on the sky."""

    min_exposures: Count = 20
    """Fewest exposures."""
    cell: Pixels = 32
    """Width of the cells that show the smooth part."""
    clip: Sigma = 4.0
    """Pixels of an exposure this far from its sky are left out."""


class SkyFlatSums(NamedTuple):
    """Running sums over the exposures of two halves, (2, rows, cols) float64 each.

    Attributes
    ----------
    weighted : sum of weight times sky over its level
    weight : sum of inverse variances of sky over its level
    """

    weighted: NDArray[np.float64]
    weight: NDArray[np.float64]


class SkyFlat(NamedTuple):
    """By what a flat must be multiplied.

    Attributes
    ----------
    response : (rows, cols) float32
        1 where nothing is known.
    err : (rows, cols) float32
    smooth_rms, pixel_rms : float
        Scatter of the flat's errors in cells and within them, noise taken off.
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
        Owned by the caller and written into.
    exposure : sky and its error, (rows, cols) float32 each
        Flat-fielded, the sky not subtracted.
    is_sky : (rows, cols) bool
        Usable pixels without sources.
    number : int
        Even and odd ones make the two halves.
    params : SkyFlatParams

    Raises
    ------
    ValueError
        If the exposure shows no sky, or none above zero.
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
    """Turn sums into the correction of a flat.

    Parameters
    ----------
    sums : SkyFlatSums
    params : SkyFlatParams

    Returns
    -------
    SkyFlat

    Notes
    -----
    With s2 the variance of the noise and t2 the covariance of the halves, t2 / (t2 + s2) of
    a deviation is taken: the linear estimate of least error.
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
    """Return what halves have in common, and the noise of their mean as predicted goes.

    Both are variances; what is in common is never quite zero.
    """
    first, second = halves[:, known]
    together = robust_scatter(first + second) ** 2 / 4.0
    apart = robust_scatter(first - second) ** 2 / 4.0
    noise = apart * predicted / float(np.median(predicted[known]))
    return max(together - apart, 1e-12), noise


def _spread(
    cells: NDArray[np.float64], shape: tuple[int, int], size: int
) -> NDArray[np.float64]:
    """Interpolate values of cells linearly at all pixels."""
    from scipy.ndimage import map_coordinates  # noqa: PLC0415 - 0.2 s, rarely wanted

    at = [(np.arange(n) + 0.5) / size - 0.5 for n in shape]
    places = np.stack(np.meshgrid(*at, indexing="ij"))
    return np.asarray(map_coordinates(cells, places, order=1, mode="nearest"))
