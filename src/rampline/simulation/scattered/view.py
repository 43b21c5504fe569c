"""What the scattered light of one exposure depends on: the detector and the stars.

Places are in the science frame of the whole detector, 0-based (row, column), whatever
part of it is read out; columns grow against V2, rows with V3. Stars outside the field
are followed through the focal plane, where angles of many degrees are still exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.interpolate import RectBivariateSpline

from ...params import Unit
from ..geometry import Camera, focal_to_detector, sky_to_focal
from ..instrument import N_FULL, Detector, Passband
from ..sources import Sources

Array = NDArray[np.float64]
Strength = Annotated[float, Field(ge=0), Unit("1")]

AB_MINUS_VEGA: Final = {"J": 0.91, "H": 1.39, "K": 1.85}
"""Of the 2MASS bands (Blanton and Roweis 2007)."""
WAVELENGTH_UM: Final = {"J": 1.235, "H": 1.662, "K": 2.159}
"""Of the 2MASS bands (Cohen, Wheaton and Megeath 2003)."""
_NEAR_ARCSEC: Final = 400.0
"""Stars farther than this from a detector have no place in its frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One detector in one exposure.

    Attributes
    ----------
    detector : Detector
    band : Passband
    grism : str
        ``GRISMR``, ``GRISMC`` or nothing.
    camera : Camera
        The true one.
    shape : (int, int)
        Rows and columns that are read out.
    dn_s_per_mjy_sr : float
        Rate of a pixel at 1 MJy/sr.
    seed : int
    key : (int, int)
        Names the exposure, and the detector, in random streams.
    """

    detector: Detector
    band: Passband
    grism: str
    camera: Camera
    shape: tuple[int, int]
    dn_s_per_mjy_sr: float
    seed: int
    key: tuple[int, int]

    @property
    def start(self) -> tuple[int, int]:
        """Return the first row and column within the whole detector."""
        return self.camera.used.row_start, self.camera.used.col_start


@dataclass(frozen=True, slots=True, kw_only=True)
class Stars:
    """Point sources as one exposure has them, in and out of the field.

    Attributes
    ----------
    id : (n,) int64
        Number in the true catalogue, from 1; 0 for stars that are not in it.
    ra_deg, dec_deg : (n,) float64, deg
    v2, v3 : (n,) float64, arcsec
    row, col : (n,) float64, pixels
        In the frame of the whole detector; NaN where far from it.
    rate : (n,) float64, DN/s
        All the light of the star, were it on the detector.
    flux_jy : (n,) float64, Jy
        At 2 um.
    colour : (n,) float64
        Flux density goes as the wavelength to this power.
    """

    id: NDArray[np.int64]
    ra_deg: Array
    dec_deg: Array
    v2: Array
    v3: Array
    row: Array
    col: Array
    rate: Array
    flux_jy: Array
    colour: Array

    def vega_magnitude(self, band: str) -> Array:
        """Return magnitudes in J, H or K of 2MASS."""
        flux = self.flux_jy * (WAVELENGTH_UM[band] / 2.0) ** self.colour
        return np.asarray(8.90 - 2.5 * np.log10(flux) - AB_MINUS_VEGA[band])

    def label(self, star: int) -> tuple[int, int]:
        """Return what names a star in random streams: its place, to 0.1 arcsec."""
        ra, dec = self.ra_deg[star], self.dec_deg[star]
        return round(36000.0 * ra), round(36000.0 * (dec + 90.0))


@dataclass(frozen=True, slots=True)
class Cause:
    """A star that sends scattered light to a detector.

    Attributes
    ----------
    kind : str
        Name of the truth plane.
    star : int
        Place in `Stars`.
    rate : float, DN/s
        All the light that it adds to the pixels that are read out.
    """

    kind: str
    star: int
    rate: float


def see_stars(view: View, sources: Sources, rate: Array, n_listed: int) -> Stars:
    """Return the point sources as the detector has them.

    Parameters
    ----------
    view : View
    sources : Sources
    rate : (n,) float64, DN/s
        Of all sources.
    n_listed : int
        Sources from here on are not in the true catalogue.
    """
    camera = view.camera
    which = np.flatnonzero(sources.is_star)
    v2, v3 = sky_to_focal(
        camera.attitude, sources.ra_deg[which], sources.dec_deg[which]
    )
    full = camera.full
    row, col = np.full(which.size, np.nan), np.full(which.size, np.nan)
    is_near = np.hypot(v2 - full.v2_ref_arcsec, v3 - full.v3_ref_arcsec) < _NEAR_ARCSEC
    x, y = focal_to_detector(full, v2[is_near], v3[is_near])
    row[is_near], col[is_near] = y - 1.0, x - 1.0
    return Stars(
        id=np.where(which < n_listed, which + 1, 0),
        ra_deg=sources.ra_deg[which],
        dec_deg=sources.dec_deg[which],
        v2=v2,
        v3=v3,
        row=row,
        col=col,
        rate=rate[which],
        flux_jy=sources.flux_jy[which],
        colour=sources.colour[which],
    )


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of the pixels that are read out.

    Attributes
    ----------
    place : (slice, slice)
        Within the image that is read out.
    row : (m, 1) float64, pixels
    col : (1, n) float64, pixels
        In the frame of the whole detector.
    """

    place: tuple[slice, slice]
    row: Array
    col: Array


def window(
    view: View, rows: tuple[float, float], cols: tuple[float, float]
) -> Window | None:
    """Return the part of a rectangle that is read out, or None where there is none.

    Parameters
    ----------
    view : View
    rows, cols : (float, float), pixels
        First and last, in the frame of the whole detector.
    """
    place, axes = [], []
    for (low, high), start, n in zip((rows, cols), view.start, view.shape, strict=True):
        first = max(int(np.floor(low)), start)
        last = min(int(np.ceil(high)), start + n - 1)
        if first > last:
            return None
        place.append(slice(first - start, last - start + 1))
        axes.append(np.arange(first, last + 1, dtype=float))
    return Window((place[0], place[1]), axes[0][:, None], axes[1][None, :])


def whole(view: View) -> Window:
    """Return all pixels that are read out."""
    found = window(view, (0, N_FULL), (0, N_FULL))
    if found is None:
        raise ValueError("an exposure without pixels")
    return found


def smooth(
    view: View, where: Window, step_px: float, light: Callable[[Array, Array], Array]
) -> Array:
    """Evaluate a smooth function of the focal plane on a window's pixels.

    Parameters
    ----------
    view : View
    where : Window
    step_px : float
        Distance of the places where the function is evaluated; a cubic spline joins
        them.
    light : callable
        Takes V2 and V3 in arcsec.
    """
    rows, cols = (
        np.linspace(axis[0], axis[-1], max(5, round(np.ptp(axis) / step_px) + 1))
        for axis in (where.row.ravel(), where.col.ravel())
    )
    start = view.start
    grid = np.meshgrid(rows - start[0], cols - start[1], indexing="ij")
    values = light(*view.camera.pixel_to_focal(*grid))
    surface = RectBivariateSpline(rows, cols, values)
    return np.asarray(surface(where.row.ravel(), where.col.ravel()))
