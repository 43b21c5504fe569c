"""The image of a star on a mosaic, from the telescope's size and the pixels' sizes.

The diffraction image of a round mirror is convolved with four squares at most: the
detector's pixel, the drop that drizzle makes of it, the mosaic's pixel, and, where light is
summed over an aperture whose border pixels count by their overlap, the mosaic's pixel once
more. All factors are products in Fourier space; a Hankel transform brings them back. The
real mirror's gaps and aberrations move light into the wings, so only ratios and widths are
taken from here.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0, j1

Values = NDArray[np.float64]

LAMBDA_D_PER_FWHM: Final = 1.0 / 1.029
"""The diffraction image of a round mirror is 1.029 lambda / D wide at half its height."""


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
        Side of the drops that drizzle makes of them.
    fwhm_px : float, pixels of the mosaic
        Full width of the image at half its height.
    """

    lambda_d_px: float
    native_px: float
    drop_px: float
    fwhm_px: float

    @property
    def boxes_px(self) -> tuple[float, float, float]:
        """Sides of the squares that spread the light of a star on the mosaic."""
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
        Width of the telescope's image, without pixels.
    native_arcsec, scale_arcsec : float, arcsec
        Side of the exposures' and of the mosaic's pixels.
    pixfrac : float
        Side of drizzle's drop over that of the exposures' pixel.

    Returns
    -------
    PointSource
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
    """Return the surface brightness of a star of flux 1 at some radii.

    Parameters
    ----------
    radius_px : (n,) float64, pixels
    lambda_d_px : float, pixels
    boxes_px : tuple of float, pixels
        Sides of the squares that the diffraction image is convolved with; the mean over all
        directions is taken.
    """
    frequency, step, transfer = _transfer(lambda_d_px, boxes_px)
    kernel = j0(2 * np.pi * np.outer(radius_px, frequency))
    return np.asarray(2 * np.pi * kernel @ (transfer * frequency * step))


def encircled_energy(
    radius_px: Values, lambda_d_px: float, boxes_px: tuple[float, ...]
) -> Values:
    """Return the share of a star's light within some radii.

    Parameters
    ----------
    radius_px : (n,) float64, pixels
    lambda_d_px, boxes_px
        As in `radial_profile`.
    """
    frequency, step, transfer = _transfer(lambda_d_px, boxes_px)
    kernel = j1(2 * np.pi * np.outer(radius_px, frequency))
    return np.asarray(2 * np.pi * radius_px * (kernel @ (transfer * step)))


def _transfer(
    lambda_d_px: float, boxes_px: tuple[float, ...]
) -> tuple[Values, Values, Values]:
    """Return frequencies (1 / pixel), quadrature weights and the transfer function.

    Of a round mirror (Goodman, Fourier Optics, equation 6-31) and squares, averaged over
    directions.
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
    """Return nodes and weights of Gauss and Legendre, which take longer than their use."""
    return np.polynomial.legendre.leggauss(240)


def narrowing_factor(
    star: PointSource, radius_px: float, annulus_px: tuple[float, float]
) -> float:
    """Return how an aperture correction changes with the mosaic's pixels.

    Parameters
    ----------
    star : PointSource
    radius_px : float, pixels
        Of the aperture.
    annulus_px : (float, float), pixels
        Inner and outer radius of the sky annulus.

    Returns
    -------
    float
        The share of a star's light in the aperture, less the sky annulus, on a mosaic of
        the exposures' own pixel size with full drops, over the share on this mosaic; 1
        where the two are the same.

    Notes
    -----
    APCORR files hold corrections for exposures resampled at their own pixel scale with full
    drops, as `jwst` does by default, and `jwst` takes the radii alone to other scales.
    Smaller pixels spread the light less, so the corrections are slightly too large there.
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
