"""The width of the diffraction image, from the filter's name and the telescope's size.

A filter's name holds its wavelength in hundredths of a micron, JWST is 6.5 m wide, and the
image of a star is 1.03 lambda/D wide (a pupil with a central obscuration of a few per
cent of the area: Born & Wolf 8.5). No width is tuned to data.
"""

import re
from dataclasses import dataclass

import numpy as np
import scipy

from ..units import ARCSEC_PER_RAD

TELESCOPE_M = 6.5
PIXEL_ARCSEC = {"SHORT": 0.031, "LONG": 0.063}
FWHM_PER_LAMBDA_D = 1.03
INNER_PX, OUTER_PX = 1.5, 3.5
"""Radii of the two apertures whose flux ratio is the concentration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSpread:
    """The image of a star.

    Attributes
    ----------
    fwhm_px : float, pixels
        Full width at half maximum of the diffraction image.
    concentration : float
        Flux within 1.5 pixels over flux within 3.5.
    """

    fwhm_px: float
    concentration: float


def predict_point_spread(filter_name: str, pupil: str, channel: str) -> PointSpread:
    """Predict width and concentration of a star's image.

    Parameters
    ----------
    filter_name, pupil : str
        The names of the two wheels; a filter in the pupil wheel counts.
    channel : str
        ``SHORT`` or ``LONG``.

    Raises
    ------
    ValueError
        If neither wheel holds a filter.
    """
    names = [name for name in (pupil, filter_name) if re.fullmatch(r"F\d{3}\w*", name)]
    if not names:
        raise ValueError(f"no filter in {filter_name}, {pupil}")
    wavelength_m = int(names[0][1:4]) * 1e-8
    width_px = wavelength_m / TELESCOPE_M * ARCSEC_PER_RAD / PIXEL_ARCSEC[channel]
    inner, outer = (
        _encircled_energy(radius, width_px) for radius in (INNER_PX, OUTER_PX)
    )
    return PointSpread(
        fwhm_px=FWHM_PER_LAMBDA_D * width_px, concentration=inner / outer
    )


def _encircled_energy(radius_px: float, width_px: float) -> float:
    """Return the fraction of an Airy image within a radius.

    Born & Wolf 8.5.2 (equation 18). The pixel spreads the image: a square of one pixel
    has a variance of 1/12 on either axis, taken off the radius squared.
    """
    v = np.pi * np.sqrt(radius_px**2 - 2.0 / 12.0) / width_px
    return float(1.0 - scipy.special.j0(v) ** 2 - scipy.special.j1(v) ** 2)
