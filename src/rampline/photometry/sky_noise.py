"""What the blank sky of a mosaic says about its noise.

The sizes of pixels and drops predict how noise is correlated between neighbours, but not
what grids turned against each other, coupled pixels, drifts within a row and sources too
faint to be seen add. Two measurements make up for it: the autocorrelation of blank pixels
at the lags that drizzle reaches, and the scatter of fluxes in blank apertures, measured
just as those of sources. Neither makes an error smaller than predicted.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..exposure.records import Labels, Plane
from .apertures import ApertureFluxes, measure_apertures

LEAST_PIXELS = 20_000
"""Blank pixels below which the autocorrelation is as predicted (an error of 1 %)."""
LEAST_APERTURES = 100
"""Blank apertures below which fluxes keep their errors (an error of 10 %)."""
MARGIN_PX = 4
"""Kept free around sources: their wings are no noise."""
MAD_TO_SIGMA = 1.4826


def measure_autocorrelation(
    image: tuple[Plane, Plane, Labels], predicted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Measure how the noise of blank pixels is correlated.

    Parameters
    ----------
    image : signal (rows, cols) with the sky off, its error, and labels (0 on sky)
    predicted : (k, k) float64
        1 in the centre; see `mosaic.correlation`.

    Returns
    -------
    (k, k) float64
        The larger of measured and predicted at each lag, 1 in the centre.
    """
    ratio, blank = _blank_ratio(image)
    if np.count_nonzero(blank) < LEAST_PIXELS:
        return predicted
    limit = 4.0 * MAD_TO_SIGMA * np.median(np.abs(ratio[blank]))
    blank &= np.abs(ratio) < limit
    ratio[~blank] = 0.0
    reach = predicted.shape[0] // 2
    measured = predicted.copy()
    variance = float(np.mean(ratio[blank] ** 2))
    for i in range(reach + 1):
        for j in range(-reach, reach + 1):
            if (i, j) > (0, 0):
                value = _mean_product(ratio, blank, i, j) / variance
                measured[reach + i, reach + j] = value
                measured[reach - i, reach - j] = value
    return np.maximum(measured, predicted)


def measure_excess(
    image: tuple[Plane, Plane, Labels],
    radii_px: NDArray[np.float64],
    annulus_px: tuple[float, float],
    autocorrelation: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Measure how much fluxes in blank apertures scatter beyond their errors.

    Parameters
    ----------
    image, radii_px, annulus_px, autocorrelation
        As `measure_apertures` takes them.

    Returns
    -------
    (radii,) float64
        Scatter over error, at least 1.
    """
    places = _blank_places(image, annulus_px[0])
    if len(places) < LEAST_APERTURES:
        return np.ones(len(radii_px))
    found = measure_apertures(image, places, radii_px, annulus_px, autocorrelation)
    pulls = found.flux / found.flux_err
    pulls = pulls[:, np.isfinite(pulls).all(axis=0)]
    if pulls.shape[1] < LEAST_APERTURES:
        return np.ones(len(radii_px))
    centre = np.median(pulls, axis=1, keepdims=True)
    scatter = MAD_TO_SIGMA * np.median(np.abs(pulls - centre), axis=1)
    return np.asarray(np.maximum(scatter, 1.0))


def add_excess(fluxes: ApertureFluxes, excess: NDArray[np.float64]) -> ApertureFluxes:
    """Raise the sky's part of the flux errors by what blank apertures showed.

    Parameters
    ----------
    fluxes : ApertureFluxes
    excess : (radii,) float64
        See `measure_excess`.

    Notes
    -----
    A source's own photons are not raised: the sky's part is at most the error of the
    faintest fifth of the sources.
    """
    if not np.isfinite(fluxes.flux_err).any(axis=1).all():
        return fluxes
    faint = np.nanpercentile(fluxes.flux_err, 20, axis=1, keepdims=True)
    sky = np.minimum(fluxes.flux_err, faint)
    extra = sky * np.sqrt(excess[:, None] ** 2 - 1.0)
    return fluxes._replace(flux_err=np.hypot(fluxes.flux_err, extra))


def _blank_ratio(
    image: tuple[Plane, Plane, Labels],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return signal over error, and where there are data but no sources."""
    signal, err, labels = image
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.asarray(signal / err, np.float32)
    near = ndimage.maximum_filter(labels > 0, 2 * MARGIN_PX + 1)
    return ratio, np.isfinite(ratio) & ~near


def _mean_product(
    ratio: NDArray[np.float32], blank: NDArray[np.bool_], rows: int, cols: int
) -> float:
    """Mean product of blank pixels at a distance."""
    n_rows, n_cols = ratio.shape
    one = slice(0, n_rows - rows), slice(max(-cols, 0), n_cols - max(cols, 0))
    other = slice(rows, n_rows), slice(max(cols, 0), n_cols - max(-cols, 0))
    count = int(np.count_nonzero(blank[one] & blank[other]))
    total = float(np.vdot(ratio[one], ratio[other]))
    return total / count if count else 0.0


def _blank_places(
    image: tuple[Plane, Plane, Labels], radius_px: float
) -> NDArray[np.float64]:
    """Return a lattice of places whose inner circle holds no source and has data."""
    _, blank = _blank_ratio(image)
    step = max(int(2 * radius_px) + 1, 3)
    clear = ndimage.minimum_filter(blank, step)
    rows, cols = np.nonzero(clear[::step, ::step])
    return np.stack([rows, cols], axis=1).astype(np.float64) * step
