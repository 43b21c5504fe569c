"""What cubics make of stars that are sampled too coarsely.

A star as wide as a pixel has another peak in each dither: all of it on one pixel, or the same
on four. Cubics through such dithers, their median and the cubic back onto the pixels miss
the peaks by a share that grows as the image gets narrower. The shares here are the largest
that were met when Airy images of a pupil with a central obscuration of 0.2, integrated over
pixels, of widths from 0.8 to 2.3 pixels went that way at random places in the pixel, two to
nine dithers each; exponentials follow them within a tenth.
"""

import numpy as np

LEAST_CONTRAST = 2.0
"""What misplaced stars of any width differ by on their flanks."""


def interpolation_share(fwhm_px: float) -> float:
    """Return by how much interpolation misses the peak of a star.

    Parameters
    ----------
    fwhm_px : float, pixels
        Of the diffraction image, in pixels of the exposures.

    Returns
    -------
    float
        Share of the largest difference to the four neighbours in the blot, where the median
        is taken on pixels as large as the exposures'. On the flanks, where a neighbour is
        brighter, half of it is enough.
    """
    return float(7.6 * np.exp(-1.35 * fwhm_px))


def share_on_fine_grid(scale_ratio: float) -> float:
    """Return what is left of interpolation's errors where the median's grid is fine.

    Parameters
    ----------
    scale_ratio : float
        Pixel of the median's grid over pixel of the exposures.

    Returns
    -------
    float
        At most 1. The error of the cubic back onto the exposure falls with the fourth power
        of the pitch; that of the cubic through the exposure, the larger one, stays.
    """
    return (2.0 + min(1.0, scale_ratio) ** 4) / 3.0


def contrast_of_dithers(fwhm_px: float) -> float:
    """Return how many times brighter one dither may show a star than another.

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
