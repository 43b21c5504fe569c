"""Flux in circular apertures over the local sky, with honest errors.

Drizzling correlates neighbouring pixels: the error of a sum over an aperture is larger
than the root of the sum of squared errors by a factor that depends on the radius. The
factor follows from the noise's autocorrelation, which the mosaic's pixel sizes give.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..exposure.records import Labels, Plane


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
        Row and column of each source.
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
    from photutils.aperture import CircularAperture, aperture_photometry  # noqa: PLC0415

    sky_plane, err, labels = image
    n_sources = len(positions)
    if n_sources == 0:
        empty = np.empty((len(radii_px), 0))
        return ApertureFluxes(empty, empty.copy(), np.empty(0), np.empty(0))
    columns_rows = positions[:, ::-1]
    level, level_err = _annulus_levels(
        sky_plane, labels, positions, annulus_px, autocorrelation
    )
    flux = np.empty((len(radii_px), n_sources))
    flux_err = np.empty_like(flux)
    for k, radius in enumerate(radii_px):
        aperture = CircularAperture(columns_rows, radius)
        table = aperture_photometry(sky_plane, aperture, error=err)
        flux[k] = np.asarray(table["aperture_sum"]) - level * aperture.area
        factor = correlated_noise_factor(autocorrelation, radius)
        pixel_noise = np.asarray(table["aperture_sum_err"]) * factor
        flux_err[k] = np.hypot(pixel_noise, level_err * aperture.area)
    return ApertureFluxes(flux, flux_err, level, level_err)


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
        covariance in units of the pixel variance: `photutils` sums w times the variance.
    """
    weights = _disk(radius_px)
    pad = autocorrelation.shape[0] // 2
    padded = np.pad(weights, pad)
    smeared = ndimage.convolve(padded, autocorrelation, mode="constant")
    return float(np.sqrt((padded * smeared).sum() / weights.sum()))


def _disk(radius_px: float, fine: int = 20) -> NDArray[np.float64]:
    """Overlap of a centred disk with each pixel, by sub-pixel counting."""
    half = int(np.ceil(radius_px + 0.5))
    edge = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
    inside = (edge[:, None] ** 2 + edge**2 <= radius_px**2).astype(float)
    size = 2 * half + 1
    return np.asarray(inside.reshape(size, fine, size, fine).mean(axis=(1, 3)))


def _annulus_levels(
    sky_plane: Plane,
    labels: Labels,
    positions: NDArray[np.float64],
    annulus_px: tuple[float, float],
    autocorrelation: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Clipped median of each source's annulus, and its standard error."""
    inner, outer = annulus_px
    level = np.full(len(positions), np.nan)
    error = np.full(len(positions), np.nan)
    # pixels of an annulus are spread over all lags: their noise adds up like a large area
    inflation = np.sqrt(max(autocorrelation.sum(), 1.0))
    for k, (row, col) in enumerate(positions):
        patch, distance, other = _around(sky_plane, labels, (row, col), outer)
        values = patch[(distance >= inner) & (distance <= outer) & ~other]
        if values.size < 10:
            values = patch[(distance >= inner) & (distance <= outer)]
        values = _clipped(values[np.isfinite(values)])
        if values.size:
            level[k] = np.median(values)
            error[k] = np.sqrt(np.pi / 2 / values.size) * values.std() * inflation
    return level, error


def _around(
    image: Plane, labels: Labels, centre: tuple[float, float], reach: float
) -> tuple[Plane, NDArray[np.float64], NDArray[np.bool_]]:
    """Cut a square around a source: values, distances, and where any source is."""
    row, col = centre
    rows = np.arange(
        max(int(row - reach), 0), min(int(row + reach) + 2, image.shape[0])
    )
    cols = np.arange(
        max(int(col - reach), 0), min(int(col + reach) + 2, image.shape[1])
    )
    distance = np.hypot(rows[:, None] - row, cols - col)
    place = np.ix_(rows, cols)
    return image[place], distance, labels[place] > 0


def _clipped(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Clip at 3 standard deviations around the median until nothing changes."""
    while values.size:
        centre, spread = np.median(values), values.std()
        near = values[np.abs(values - centre) <= 3.0 * spread]
        if near.size == values.size:
            break
        values = near
    return values
