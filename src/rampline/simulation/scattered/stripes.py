"""Angled stripes: parallel bands over whole detectors, from an extreme star nearby.

Seen where a star such as Mira is a few degrees away; they run at 30 degrees to either side
of the detectors' columns and stay at their places on the sky through a visit. Levels
of 0.0007 to 0.004 MJy/sr (rms) were met. Here each star brighter than K = -1 within five
degrees adds two sets of bands, random in place and width, whose rms falls with the star's
distance. Assumed: 0.004 MJy/sr for K = -2 close by, and the law of its fall.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from ...params import StepParams
from ..streams import stream
from .view import Array, Cause, Stars, Strength, View, smooth, whole

_ANGLES_DEG: Final = (30.0, -30.0)
_FAINTEST_K: Final = -1.0
_FARTHEST_DEG: Final = 5.0
_RMS_MJY_SR: Final = 0.004
_FALL_DEG: Final = 2.5
_PERIOD_ARCSEC: Final = 600.0
"""After which a set of bands repeats; more than both modules are wide."""
_SAMPLES: Final = 6000
_BANDS: Final = 70


class StripeParams(StepParams):
    """Angled stripes."""

    enabled: bool = False
    """Whether there are any."""
    strength: Strength = 1.0
    """Their rms over the assumed one."""


def stripes(
    view: View, params: StripeParams, stars: Stars
) -> tuple[Array | None, list[Cause]]:
    """Return the stripes of an exposure, (rows, cols) MJy/sr, and their stars."""
    full = view.camera.full
    off = np.hypot(stars.v2 - full.v2_ref_arcsec, stars.v3 - full.v3_ref_arcsec)
    k_mag = stars.vega_magnitude("K")
    rms = _RMS_MJY_SR * 10 ** (-0.4 * (k_mag + 2.0))
    rms *= params.strength * np.exp(-((off / 3600.0 / _FALL_DEG) ** 2))
    near = (off < _FARTHEST_DEG * 3600.0) & (k_mag < _FAINTEST_K) & (rms > 0.0)
    where = whole(view)
    image = np.zeros(view.shape)
    causes = []
    for star in np.flatnonzero(near):
        own = _bands(view, stars, int(star))
        place = np.arange(_SAMPLES + 1) * (_PERIOD_ARCSEC / _SAMPLES)
        for bands, angle in zip(own, _ANGLES_DEG, strict=True):
            across = smooth(view, where, 64.0, _distance(stars, int(star), angle))
            image += rms[star] * np.interp(across % _PERIOD_ARCSEC, place, bands)
        causes.append(Cause("STRIPES", int(star), 0.0))
    return (image, causes) if causes else (None, [])


def _distance(
    stars: Stars, star: int, angle_deg: float
) -> Callable[[Array, Array], Array]:
    """Return the function that gives the distance from the star across the bands."""
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))

    def across(v2: Array, v3: Array) -> Array:
        # Bands run along (V2, V3) = (sin, cos): that many degrees from +V3 to +V2.
        return np.asarray((v2 - stars.v2[star]) * cos - (v3 - stars.v3[star]) * sin)

    return across


def _bands(view: View, stars: Stars, star: int) -> Array:
    """Return two periodic profiles of unit rms together, (2, samples + 1)."""
    draw = stream(view.seed, "stripes", *stars.label(int(star)))
    place = np.arange(_SAMPLES + 1) * (_PERIOD_ARCSEC / _SAMPLES)
    weights = draw.dirichlet((3.0, 3.0))
    profiles = []
    for weight in weights:
        centre = draw.uniform(0.0, _PERIOD_ARCSEC, _BANDS)
        width = np.exp(draw.normal(np.log(1.2), 0.6, _BANDS))
        bright = draw.gamma(1.0, 1.0, _BANDS)
        off = place[:, None] - centre
        off -= _PERIOD_ARCSEC * np.rint(off / _PERIOD_ARCSEC)
        profile = (bright * np.exp(-0.5 * (off / width) ** 2)).sum(axis=1)
        profiles.append(np.sqrt(weight) * profile / profile.std())
    return np.array(profiles)
