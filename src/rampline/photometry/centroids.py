"""Windowed centroids: nearly as precise as a PSF fit, without a model of the PSF.

The centroid within a Gaussian window as wide as the PSF; the window is moved to the
centroid until it converges. The window follows the source, so the result is unbiased;
pixels far out, which hold only noise, have no weight.
"""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from .labelled_image import LabelledImage
from .matched_filter import FWHM_PER_SIGMA
from .patches import cut_own, cut_patches

STEPS = 12


class Centroids(NamedTuple):
    """Windowed positions, one value per source.

    Attributes
    ----------
    row, col : float64, pixels
    row_err, col_err : float64, pixels
        1 sigma, including the correlation of the noise.
    """

    row: NDArray[np.float64]
    col: NDArray[np.float64]
    row_err: NDArray[np.float64]
    col_err: NDArray[np.float64]


def measure_centroids(
    image: LabelledImage,
    start: NDArray[np.float64],
    psf_fwhm_px: float,
    autocorrelation: NDArray[np.float64],
) -> Centroids:
    """Centre a Gaussian window on each source.

    Parameters
    ----------
    image : LabelledImage
        Background-subtracted. Pixels of other sources have no weight.
    start : (sources, 2) float64, pixels
        Row and column to start from, in the order of the labels 1, 2, ...
    psf_fwhm_px : float, pixels
    autocorrelation : (k, k) float64
        Autocorrelation of the noise, 1 in the centre.

    Returns
    -------
    Centroids
        The starting position, with NaN errors, where the window moved by more than the
        FWHM or contains no flux.

    Notes
    -----
    Bertin's XWIN_IMAGE and its error ERRX2WIN (SExtractor manual, section 'Windowed
    positional parameters'). The factor 2 of each step compensates for the pull of the
    window on a Gaussian source. In the errors the measured pull replaces it, because the
    wings of a diffraction image increase the pull.
    """
    half = int(np.ceil(2.0 * psf_fwhm_px)) + 1
    rows = np.rint(start[:, 0]).astype(np.int64)
    cols = np.rint(start[:, 1]).astype(np.int64)
    signal = cut_patches(image.signal, rows, cols, half)
    variance = cut_patches(image.err, rows, cols, half) ** 2
    own = cut_own(image.labels, rows, cols, half)
    steps = np.arange(-half, half + 1, dtype=np.float64)
    sigma = psf_fwhm_px / FWHM_PER_SIGMA
    y, x = start[:, 0] - rows, start[:, 1] - cols
    for _ in range(STEPS):
        window, dy, dx = _window(steps, y, x, sigma, own)
        flux = np.sum(window * signal, axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            y = y + 2.0 * np.sum(window * signal * dy, axis=(1, 2)) / flux
            x = x + 2.0 * np.sum(window * signal * dx, axis=(1, 2)) / flux
    window, dy, dx = _window(steps, y, x, sigma, own)
    flux = np.sum(window * signal, axis=(1, 2))
    correlation = _gradient_noise_factor(steps, sigma, autocorrelation)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = correlation * _gain(window * signal, (dy, dx), flux, sigma)
        y_err, x_err = (
            factor * np.sqrt(np.sum(window**2 * variance * d**2, axis=(1, 2))) / flux
            for d in (dy, dx)
        )
    moved = np.hypot(rows + y - start[:, 0], cols + x - start[:, 1])
    good = np.isfinite(moved) & (moved < psf_fwhm_px) & (flux > 0)
    return Centroids(
        np.where(good, rows + y, start[:, 0]),
        np.where(good, cols + x, start[:, 1]),
        np.where(good, y_err, np.nan),
        np.where(good, x_err, np.nan),
    )


def add_position_error(
    centroids: Centroids, error_px: NDArray[np.float64]
) -> Centroids:
    """Add the error due to the sampling of a star to its position.

    Parameters
    ----------
    centroids : Centroids
    error_px : (sources,) float64, pixels
        Error along either axis; see `sampling`.
    """
    return centroids._replace(
        row_err=np.hypot(centroids.row_err, error_px),
        col_err=np.hypot(centroids.col_err, error_px),
    )


def _window(
    steps: NDArray[np.float64],
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    sigma: float,
    own: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the window's weights and the distances from the current centre."""
    dy = steps[None, :, None] - y[:, None, None]
    dx = steps[None, None, :] - x[:, None, None]
    return np.exp(-0.5 * (dy**2 + dx**2) / sigma**2) * own, dy, dx


def _gain(
    light: NDArray[np.float64],
    offsets: tuple[NDArray[np.float64], NDArray[np.float64]],
    flux: NDArray[np.float64],
    sigma: float,
) -> NDArray[np.float64]:
    """Return the shift of a position per unit shift of its windowed mean.

    If the windowed variance is M, a shift of the window moves the mean by M / sigma**2 of
    the shift. The gain is 1 / (1 - M / sigma**2), which is 2 for a Gaussian as wide as the
    window. M is clipped so that its noise makes errors neither smaller than a star's nor
    infinite.
    """
    dy, dx = offsets
    variance = np.sum(light * (dy**2 + dx**2), axis=(1, 2)) / (2.0 * flux)
    return np.asarray(1.0 / (1.0 - np.clip(variance / sigma**2, 0.5, 0.85)))


def _gradient_noise_factor(
    steps: NDArray[np.float64], sigma: float, autocorrelation: NDArray[np.float64]
) -> float:
    """Return the factor by which correlation changes the noise of a centroid's numerator."""
    gauss = np.exp(-0.5 * (steps[:, None] ** 2 + steps**2) / sigma**2)
    weights = np.pad(gauss * steps, autocorrelation.shape[0] // 2)
    smeared = scipy.ndimage.convolve(weights, autocorrelation, mode="constant")
    return float(np.sqrt((weights * smeared).sum() / (weights**2).sum()))
