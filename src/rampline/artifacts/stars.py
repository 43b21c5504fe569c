"""Stars that may affect an exposure: positions, and Vega magnitudes in J, H and K."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
AB_MINUS_VEGA: Final = (0.91, 1.39, 1.85)
"""For 2MASS J, H and K (Blanton and Roweis 2007)."""
WAVELENGTH_UM: Final = (1.235, 1.662, 2.159)
"""For 2MASS J, H and K (Cohen, Wheaton and Megeath 2003)."""


class StarTable(NamedTuple):
    """Stars with positions and Vega magnitudes."""

    name: tuple[str, ...]
    ra_deg: Vector
    """(n,) deg, ICRS."""
    dec_deg: Vector
    """(n,) deg, ICRS."""
    j_mag: Vector
    """(n,) Vega; NaN where unknown, as in the next two."""
    h_mag: Vector
    """(n,) Vega."""
    k_mag: Vector
    """(n,) Vega."""

    def take(self, chosen: NDArray[np.intp]) -> "StarTable":
        """Return the stars with these indices."""
        names = tuple(self.name[k] for k in chosen)
        return StarTable(names, *(column[chosen] for column in self[1:]))


def join_stars(tables: Sequence[StarTable]) -> StarTable:
    """Concatenate tables; a star in several tables is repeated.

    Parameters
    ----------
    tables : sequence of StarTable
        At least one.
    """
    names = tuple(name for table in tables for name in table.name)
    columns = [
        np.concatenate(parts) for parts in zip(*(t[1:] for t in tables), strict=True)
    ]
    return StarTable(names, *columns)


def filter_wavelength_um(filter_name: str) -> float:
    """Return the wavelength given by a filter's name, micrometres."""
    return int(filter_name[1:4]) / 100.0


def ab_magnitude(stars: StarTable, wavelength_um: float) -> Vector:
    """Return AB magnitudes at a wavelength.

    Parameters
    ----------
    stars : StarTable
    wavelength_um : float, micrometre

    Returns
    -------
    (n,) float64
        Interpolated in the logarithm of the wavelength between the bands; beyond K the
        Rayleigh-Jeans tail, 5 mag per decade, correct within 0.3 for all but the
        reddest stars; below J the magnitude in J. NaN where K is needed but unknown.
    """
    bands = (stars.j_mag, stars.h_mag, stars.k_mag)
    ab = np.stack(
        [mag + offset for mag, offset in zip(bands, AB_MINUS_VEGA, strict=True)]
    )
    ab = np.where(np.isfinite(ab), ab, ab[2])
    position = np.log10(wavelength_um)
    edges = np.log10(WAVELENGTH_UM)
    if position >= edges[2]:
        return np.asarray(ab[2] + 5.0 * (position - edges[2]))
    right = 1 if position < edges[1] else 2
    share = np.clip(
        (position - edges[right - 1]) / (edges[right] - edges[right - 1]), 0, 1
    )
    return np.asarray((1 - share) * ab[right - 1] + share * ab[right])
