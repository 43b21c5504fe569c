"""Errors of cubic interpolation at undersampled stars.

A star about as wide as a pixel has a different peak in each dither: centred on one
pixel, or shared equally by four. Interpolating such dithers with cubics, taking their
median and interpolating it back onto the pixels misses the peaks by a fraction that
grows as the image gets narrower. The fractions given here are the largest found for
pixel-integrated Airy images of a pupil with a central obscuration of 0.2, with widths
of 0.8 to 2.3 pixels, at random sub-pixel positions and with two to nine dithers;
exponentials reproduce them within 10 %.
"""

from typing import NamedTuple

import numpy as np

RING_WIDTHS, RING_SHARES = (1.4, 1.8), (0.015, 0.045)
"""Widths of the image, pixels, and the errors of interpolation in dark rings."""
LEAST_CONTRAST = 2.0
"""Ratio by which misaligned stars of any width may differ on their flanks."""


class InterpolationErrors(NamedTuple):
    """Errors of interpolation at a star.

    Attributes
    ----------
    peak : float
        See `interpolation_share`.
    left : float
        See `share_on_fine_grid`.
    ring : float
        See `ring_share`.
    """

    peak: float
    left: float
    ring: float


def interpolation_errors(fwhm_px: float, scale_ratio: float) -> InterpolationErrors:
    """Return all errors of interpolation for a width of the image and a grid's pixel.

    Parameters
    ----------
    fwhm_px : float, pixels
        Of the diffraction image, in pixels of the exposures.
    scale_ratio : float
        Pixel of the median's grid relative to the pixel of the exposures.
    """
    return InterpolationErrors(
        peak=interpolation_share(fwhm_px),
        left=share_on_fine_grid(scale_ratio),
        ring=ring_share(fwhm_px),
    )


def interpolation_share(fwhm_px: float) -> float:
    """Return the error of interpolation at the peak of a star.

    Parameters
    ----------
    fwhm_px : float, pixels
        Of the diffraction image, in pixels of the exposures.

    Returns
    -------
    float
        Fraction of the largest difference to the four neighbours in the blot, for a
        median on pixels as large as the exposures'. On the flanks, where a neighbour is
        brighter, half of it suffices.
    """
    return float(7.6 * np.exp(-1.35 * fwhm_px))


def share_on_fine_grid(scale_ratio: float) -> float:
    """Return the fraction of interpolation errors that remains on a finer median grid.

    Parameters
    ----------
    scale_ratio : float
        Pixel of the median's grid relative to the pixel of the exposures.

    Returns
    -------
    float
        At most 1. The error of interpolating back onto the exposure decreases with the
        fourth power of the pixel size; that of interpolating the exposure, the larger
        one, remains.
    """
    return (2.0 + min(1.0, scale_ratio) ** 4) / 3.0


def ring_share(fwhm_px: float) -> float:
    """Return the error of interpolation in the dark rings of a star.

    Parameters
    ----------
    fwhm_px : float, pixels
        Of the diffraction image, in pixels of the exposures.

    Returns
    -------
    float
        Over how much brighter the image is within two pixels, as far as cubics reach. The
        rings of images narrower than 1.4 pixels are steep enough themselves.
    """
    return float(np.interp(fwhm_px, RING_WIDTHS, RING_SHARES))


def contrast_of_dithers(fwhm_px: float) -> float:
    """Return the largest ratio of a star's brightness between two dithers.

    Parameters
    ----------
    fwhm_px : float, pixels
        Of the diffraction image, in pixels of the exposures.

    Returns
    -------
    float
        At least 2.
    """
    return float(max(LEAST_CONTRAST, 1.0 + np.exp(3.3 - 2.2 * fwhm_px)))
