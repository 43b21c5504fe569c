"""A list of sources: places, fluxes and shapes on the sky."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .instrument import Passband

Array = NDArray[np.float64]

REFERENCE_UM: Final = 2.0
"""Wavelength to which the magnitudes of a scene refer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Stars and galaxies, one row each.

    Attributes
    ----------
    ra_deg, dec_deg : (n,) float64, deg
    flux_jy : (n,) float64, Jy
        At 2 um.
    colour : (n,) float64
        Flux density goes as the wavelength to this power.
    half_light_arcsec : (n,) float64, arcsec
        Along the major axis; 0 for stars.
    index, axis_ratio : (n,) float64
        Sersic index, minor over major axis.
    position_angle_deg : (n,) float64, deg
        North through east.
    in_band : mapping of filter to (n,) float64, Jy
        Fluxes that a user's catalogue gives by filter.
    """

    ra_deg: Array
    dec_deg: Array
    flux_jy: Array
    colour: Array
    half_light_arcsec: Array
    index: Array
    axis_ratio: Array
    position_angle_deg: Array
    in_band: dict[str, Array]

    @property
    def is_star(self) -> NDArray[np.bool_]:
        """Tell which sources are points."""
        return np.asarray(self.half_light_arcsec == 0.0)

    def flux_in(self, band: Passband) -> Array:
        """Return fluxes in a filter, Jy."""
        power_law = self.flux_jy * (band.pivot_um / REFERENCE_UM) ** self.colour
        given = self.in_band.get(band.name)
        return power_law if given is None else np.where(given > 0, given, power_law)


def join_sources(parts: Sequence[Sources]) -> Sources:
    """Return all sources in one; fluxes by filter may be given by the first alone."""
    columns = [name for name in Sources.__dataclass_fields__ if name != "in_band"]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in columns
    }
    total = len(joined["ra_deg"])
    in_band = {}
    for name, values in parts[0].in_band.items():
        in_band[name] = np.concatenate([values, np.zeros(total - values.size)])
    return Sources(**joined, in_band=in_band)
