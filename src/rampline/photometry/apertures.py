"""Flux in circular apertures over the local sky, with honest errors.

Drizzling correlates neighbouring pixels: the error of a sum over an aperture is larger
than the root of the sum of squared errors by a factor that depends on the radius. The
factor follows from the noise's autocorrelation, which the mosaic's pixel sizes give.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Labels, Plane
from .aperture_kernel import cover_disk, measure_rings, sum_circles

LEAST_RING = 10
"""Pixels of sky annulus free of other sources, below which these count too."""


class ApertureFluxes(NamedTuple):
    """Aperture photometry of all sources.

    Attributes
    ----------
    flux, flux_err : (radii, sources) float64, MJy/sr pixel
        Sum over the aperture, local sky subtracted; NaN where the aperture has bad pixels.
    sky, sky_err : (sources,) float64, MJy/sr
        Clipped median of the annulus and its standard error.
    """

    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]
    sky: NDArray[np.float64]
    sky_err: NDArray[np.float64]


def measure_apertures(
    image: tuple[Plane, Plane, Labels],
    positions: NDArray[np.float64],
    radii_px: NDArray[np.float64],
    annulus_px: tuple[float, float],
    autocorrelation: NDArray[np.float64],
) -> ApertureFluxes:
    """Measure the flux in circular apertures.

    Parameters
    ----------
    image : sky (rows, cols) MJy/sr, its error, and labels (0 on sky)
    positions : (sources, 2) float64, pixels
        Row and column of each source, in the order of the labels 1, 2, ...
    radii_px : (radii,) float64, pixels
    annulus_px : (float, float), pixels
        Inner and outer radius of the sky annulus.
    autocorrelation : (k, k) float64
        Of the noise between pixels, 1 in the centre; see `mosaic.noise`.

    Returns
    -------
    ApertureFluxes

    Notes
    -----
    Same apertures, exact pixel overlaps and clipped annulus median as `jwst`'s
    source_catalog. On purpose different: pixels of other sources do not enter the annulus,
    and the errors contain the correlation of the noise and the error of the sky level.
    """
    sky_plane, err, labels = image
    n_sources, n_radii = len(positions), len(radii_px)
    level, level_err = np.empty(n_sources), np.empty(n_sources)
    ring = (*annulus_px, LEAST_RING)
    measure_rings(sky_plane, labels, positions, ring, (level, level_err))
    # pixels of a ring are spread over all lags: their noise adds up like a large area's
    level_err *= np.sqrt(max(autocorrelation.sum(), 1.0))
    flux, variance = np.empty((n_radii, n_sources)), np.empty((n_radii, n_sources))
    radii = np.asarray(radii_px, np.float64)
    sum_circles(sky_plane, err, positions, radii, (flux, variance))
    area = np.pi * radii[:, None] ** 2
    factor = [correlated_noise_factor(autocorrelation, radius) for radius in radii]
    noise = np.sqrt(variance) * np.array(factor)[:, None]
    flux_err = np.hypot(noise, level_err * area)
    return ApertureFluxes(flux - level * area, flux_err, level, level_err)


def add_flux_error(
    fluxes: ApertureFluxes, relative: NDArray[np.float64]
) -> ApertureFluxes:
    """Add to the errors what the sampling of a star does to its aperture fluxes.

    Parameters
    ----------
    fluxes : ApertureFluxes
    relative : (radii, sources) float64
        Relative errors; see `sampling`.
    """
    return fluxes._replace(flux_err=np.hypot(fluxes.flux_err, relative * fluxes.flux))


def correlated_noise_factor(
    autocorrelation: NDArray[np.float64], radius_px: float
) -> float:
    """Return how much larger the error of an aperture's sum is than without correlation.

    Parameters
    ----------
    autocorrelation : (k, k) float64
        1 in the centre.
    radius_px : float, pixels

    Returns
    -------
    float
        Root of (w C w) over the sum of w, w the aperture's weights and C the noise
        covariance in units of the pixel variance; errors are summed as w times variance.
    """
    half = int(np.ceil(radius_px + 0.5))
    reach = autocorrelation.shape[0] // 2
    # room for the lags beyond the disk
    weights = np.zeros((2 * (half + 2 * reach) + 1,) * 2)
    cover_disk(radius_px, weights)
    size = 2 * (half + reach) + 1
    inner = weights[reach : reach + size, reach : reach + size]
    total = 0.0
    for (i, j), value in np.ndenumerate(autocorrelation):
        total += value * np.vdot(inner, weights[i : i + size, j : j + size])
    return float(np.sqrt(total / weights.sum()))


def noise_factors(
    autocorrelation: NDArray[np.float64], area_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return by how much correlation raises the errors of segments of some areas.

    Parameters
    ----------
    autocorrelation : (k, k) float64
    area_px : (sources,) float64, pixels
        NaN gives NaN.

    Returns
    -------
    (sources,) float64
        That of a round aperture of the same area; 1 without correlation.
    """
    radius = np.geomspace(0.6, 40.0, 12)
    alone = np.ones((1, 1))
    factor = [
        correlated_noise_factor(autocorrelation, r) / correlated_noise_factor(alone, r)
        for r in radius
    ]
    wanted = np.sqrt(np.maximum(area_px, 0.0) / np.pi)
    return np.asarray(np.interp(wanted, radius, factor))
