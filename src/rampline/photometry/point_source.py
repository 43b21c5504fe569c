"""The image of a star on a mosaic, from the sizes of the telescope and of the pixels.

The diffraction image of a circular mirror is convolved with up to four squares: the
detector's pixel, its drizzle drop, the mosaic's pixel, and, for sums over apertures whose
border pixels are weighted by their overlap, the mosaic's pixel once more. The transfer
functions are multiplied in Fourier space and a Hankel transform gives the profile. The gaps
and aberrations of the real mirror move light into the wings, so only ratios and widths are
taken from this model.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import scipy
from numpy.typing import NDArray

Values = NDArray[np.float64]

LAMBDA_D_PER_FWHM: Final = 1.0 / 1.029
"""The FWHM of the diffraction image of a circular mirror is 1.029 lambda / D."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSource:
    """The image of a star on a mosaic.

    Attributes
    ----------
    lambda_d_px : float, pixels of the mosaic
        Wavelength over the telescope's diameter.
    native_px : float, pixels of the mosaic
        Side of the exposures' pixels.
    drop_px : float, pixels of the mosaic
        Side of the drizzle drops.
    fwhm_px : float, pixels of the mosaic
        Full width of the image at half maximum.
    """

    lambda_d_px: float
    native_px: float
    drop_px: float
    fwhm_px: float

    @property
    def boxes_px(self) -> tuple[float, float, float]:
        """Sides of the squares that broaden the image of a star on the mosaic."""
        return self.native_px, self.drop_px, 1.0


def predict_point_source(
    diffraction_fwhm_arcsec: float,
    native_arcsec: float,
    pixfrac: float,
    scale_arcsec: float,
) -> PointSource:
    """Predict the image of a star on a mosaic.

    Parameters
    ----------
    diffraction_fwhm_arcsec : float, arcsec
        FWHM of the telescope's diffraction image, without pixels.
    native_arcsec, scale_arcsec : float, arcsec
        Side of the exposures' and of the mosaic's pixels.
    pixfrac : float
        Side of the drizzle drop over that of the exposures' pixel.
    """
    lambda_d_px = diffraction_fwhm_arcsec * LAMBDA_D_PER_FWHM / scale_arcsec
    native_px = native_arcsec / scale_arcsec
    drop_px = pixfrac * native_px
    radius = np.linspace(0.0, 4.0 * (lambda_d_px + native_px), 400)
    profile = radial_profile(radius, lambda_d_px, (native_px, drop_px, 1.0))
    half = int(np.argmax(profile < 0.5 * profile[0]))
    part = (profile[half - 1] - 0.5 * profile[0]) / (profile[half - 1] - profile[half])
    fwhm_px = 2.0 * (radius[half - 1] + part * (radius[half] - radius[half - 1]))
    return PointSource(
        lambda_d_px=lambda_d_px,
        native_px=native_px,
        drop_px=drop_px,
        fwhm_px=float(fwhm_px),
    )


def radial_profile(
    radius_px: Values, lambda_d_px: float, boxes_px: tuple[float, ...]
) -> Values:
    """Return the surface brightness of a star of flux 1 at the given radii.

    Parameters
    ----------
    radius_px : (n,) float64, pixels
    lambda_d_px : float, pixels
    boxes_px : tuple of float, pixels
        Sides of the squares that the diffraction image is convolved with, averaged over
        all directions.
    """
    frequency, step, transfer = _transfer(lambda_d_px, boxes_px)
    kernel = scipy.special.j0(2 * np.pi * np.outer(radius_px, frequency))
    return np.asarray(2 * np.pi * kernel @ (transfer * frequency * step))


def encircled_energy(
    radius_px: Values, lambda_d_px: float, boxes_px: tuple[float, ...]
) -> Values:
    """Return the fraction of a star's light within the given radii.

    Parameters
    ----------
    radius_px : (n,) float64, pixels
    lambda_d_px, boxes_px
        As in `radial_profile`.
    """
    frequency, step, transfer = _transfer(lambda_d_px, boxes_px)
    kernel = scipy.special.j1(2 * np.pi * np.outer(radius_px, frequency))
    return np.asarray(2 * np.pi * radius_px * (kernel @ (transfer * step)))


def _transfer(
    lambda_d_px: float, boxes_px: tuple[float, ...]
) -> tuple[Values, Values, Values]:
    """Return frequencies (1 / pixel), quadrature weights and the transfer function.

    The transfer function is that of a circular mirror (Goodman, Fourier Optics, equation
    6-31) times those of the squares, averaged over directions.
    """
    node, weight = _quadrature()
    nu, step = (node + 1.0) / 2.0, weight / 2.0
    mirror = 2.0 / np.pi * (np.arccos(nu) - nu * np.sqrt(1.0 - nu**2))
    frequency = nu / lambda_d_px
    angle = (np.arange(16) + 0.5) * np.pi / 32
    along, across = (
        np.outer(frequency, np.cos(angle)),
        np.outer(frequency, np.sin(angle)),
    )
    squares = np.ones_like(along)
    for side in boxes_px:
        squares *= np.sinc(along * side) * np.sinc(across * side)
    return frequency, step / lambda_d_px, mirror * squares.mean(axis=1)


@cache
def _quadrature() -> tuple[Values, Values]:
    """Return Gauss-Legendre nodes and weights; cached because they are slow to compute."""
    return np.polynomial.legendre.leggauss(240)


def narrowing_factor(
    star: PointSource, radius_px: float, annulus_px: tuple[float, float]
) -> float:
    """Return the factor on an aperture correction for the mosaic's pixel size.

    Parameters
    ----------
    star : PointSource
    radius_px : float, pixels
        Radius of the aperture.
    annulus_px : (float, float), pixels
        Inner and outer radius of the sky annulus.

    Returns
    -------
    float
        The fraction of a star's light in the aperture, minus the sky annulus, on a mosaic
        of the exposures' own pixel size with full drops, over the fraction on this mosaic;
        1 if pixel size and drops are the same.

    Notes
    -----
    APCORR files hold corrections for exposures resampled at their own pixel scale with full
    drops, the default of `jwst`; for other scales `jwst` converts only the radii. Smaller
    pixels broaden the image less, so these corrections are slightly too large there.
    """
    native = (star.native_px,) * 4
    ours = (*star.boxes_px, 1.0)
    shares = [
        _net_share(star, radius_px, annulus_px, boxes) for boxes in (native, ours)
    ]
    return shares[0] / shares[1]


def _net_share(
    star: PointSource,
    radius_px: float,
    annulus_px: tuple[float, float],
    boxes_px: tuple[float, ...],
) -> float:
    radii = np.array([radius_px, *annulus_px])
    disk, inner, outer = encircled_energy(radii, star.lambda_d_px, boxes_px)
    per_area = (outer - inner) / (radii[2] ** 2 - radii[1] ** 2)
    return float(disk - per_area * radius_px**2)
