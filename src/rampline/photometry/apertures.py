"""Fluxes in circular apertures above the local sky, with errors for correlated noise.

Drizzling correlates neighbouring pixels: the error of a sum over an aperture is larger
than the root of the sum of squared errors by a factor that depends on the radius. The
factor is computed from the autocorrelation of the noise, which is predicted from the
pixel sizes of exposures and mosaic.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .aperture_kernel import cover_disk, measure_rings, sum_circles
from .labelled_image import LabelledImage

LEAST_RING = 10
"""With fewer source-free pixels in the sky annulus, pixels of other sources are used."""


class ApertureFluxes(NamedTuple):
    """Aperture photometry of all sources.

    Attributes
    ----------
    flux, flux_err : (radii, sources) float64, MJy/sr pixel
        Sum over the aperture, local sky subtracted; NaN if the aperture has bad pixels.
    sky, sky_err : (sources,) float64, MJy/sr
        Clipped median over the annulus and its standard error.
    """

    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]
    sky: NDArray[np.float64]
    sky_err: NDArray[np.float64]


def measure_apertures(
    image: LabelledImage,
    positions: NDArray[np.float64],
    radii_px: NDArray[np.float64],
    annulus_px: tuple[float, float],
    autocorrelation: NDArray[np.float64],
) -> ApertureFluxes:
    """Measure the flux in circular apertures.

    Parameters
    ----------
    image : LabelledImage
        With its sky.
    positions : (sources, 2) float64, pixels
        Row and column of each source, in the order of the labels 1, 2, ...
    radii_px : (radii,) float64, pixels
    annulus_px : (float, float), pixels
        Inner and outer radius of the sky annulus.
    autocorrelation : (k, k) float64
        Autocorrelation of the noise, 1 in the centre; see `mosaic.noise`.

    Notes
    -----
    Apertures, exact pixel overlaps and the clipped median of the annulus are those of
    `jwst`'s source_catalog. Two differences are deliberate: pixels of other sources are
    excluded from the annulus, and the errors include the correlation of the noise and the
    error of the sky level.
    """
    n_sources, n_radii = len(positions), len(radii_px)
    level, level_err = np.empty(n_sources), np.empty(n_sources)
    ring = (*annulus_px, LEAST_RING)
    measure_rings(image.signal, image.labels, positions, ring, (level, level_err))
    # The pixels of a ring sample all lags: their noise adds up as over a large area.
    level_err *= np.sqrt(max(autocorrelation.sum(), 1.0))
    flux, variance = np.empty((n_radii, n_sources)), np.empty((n_radii, n_sources))
    radii = np.asarray(radii_px, np.float64)
    sum_circles(image.signal, image.err, positions, radii, (flux, variance))
    area = np.pi * radii[:, None] ** 2
    factor = [correlated_noise_factor(autocorrelation, radius) for radius in radii]
    noise = np.sqrt(variance) * np.array(factor)[:, None]
    flux_err = np.hypot(noise, level_err * area)
    return ApertureFluxes(flux - level * area, flux_err, level, level_err)


def add_flux_error(
    fluxes: ApertureFluxes, relative: NDArray[np.float64]
) -> ApertureFluxes:
    """Add the error due to the sampling of a star to its aperture fluxes.

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
    """Return the factor by which correlation raises the error of an aperture sum.

    Parameters
    ----------
    autocorrelation : (k, k) float64
        1 in the centre.
    radius_px : float, pixels

    Returns
    -------
    float
        Root of (w C w) over the sum of w, where w are the weights of the aperture and C is
        the noise covariance in units of the pixel variance. The denominator is the sum of
        w because `sum_circles` sums w times variance.
    """
    half = int(np.ceil(radius_px + 0.5))
    reach = autocorrelation.shape[0] // 2
    # Padded for the lags that reach beyond the disk.
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
    """Return the factors by which correlation raises the errors of segments.

    Parameters
    ----------
    autocorrelation : (k, k) float64
    area_px : (sources,) float64, pixels
        Areas of the segments; NaN gives NaN.

    Returns
    -------
    (sources,) float64
        Factor for a round aperture of the same area; 1 without correlation.
    """
    radius = np.geomspace(0.6, 40.0, 12)
    alone = np.ones((1, 1))
    factor = [
        correlated_noise_factor(autocorrelation, r) / correlated_noise_factor(alone, r)
        for r in radius
    ]
    wanted = np.sqrt(np.maximum(area_px, 0.0) / np.pi)
    return np.asarray(np.interp(wanted, radius, factor))
