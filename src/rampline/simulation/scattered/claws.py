"""Claws: light of a star ten degrees off that comes in past the mask of the aft optics.

The rogue path lets light of a bright star at about (V2, V3) = (-1.4, +10.2) deg fall on
module A and of one at (+1.4, +9.9) deg on module B, unfocused, in arcs. Region, and how
much of the light gets through, are the polygons and intensity map of STScI's
`jwst_rogue_path_tool` (the map as a sum of four Gaussians per module, 2.6 % of the peak);
rate in DN/s per pixel: ``10**(0.4 (ZP - m + 2.5 log10 I - 17))`` with the star's J, H or
K and the zero points of that tool. It does not say whether a mean or a peak is meant:
here it is the ridge of the brightest arc on B1. Arcs: on B1 as drawn by hand in real
images (circles about a point below the first column, 190 rows apart), on A1 in the
corner where scattered light was marked; elsewhere assumed. They drift by 0.02 pixels per
pixel that the star moves.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.interpolate import PchipInterpolator

from ...params import StepParams
from ..instrument import Passband
from .view import Array, Cause, Stars, Strength, View, Window, window

_DIMMING_MAG: Final = 17.0
_INTENSITY: Final = {
    # amplitude, V2, V3, sigma_u, sigma_v (deg), angle (deg)
    "A": (
        (34.28, -1.206, 10.265, 0.414, 0.227, -0.7),
        (20.26, -1.959, 10.278, 0.316, 0.230, 4.5),
        (8.78, -1.552, 9.917, 0.356, 0.239, 8.0),
        (7.94, 0.353, 10.317, 0.249, 0.217, 34.5),
    ),
    "B": (
        (22.61, 1.564, 9.965, 0.457, 0.217, -0.7),
        (10.37, 1.169, 9.785, 0.472, 0.224, -18.6),
        (6.68, -0.193, 9.842, 0.344, 0.220, -48.5),
        (6.09, 2.170, 9.972, 0.273, 0.229, 7.8),
    ),
}
_POLYGON: Final = {
    # V2, V3 of the corners, deg
    "A": (
        (-2.641, 10.337), (-2.314, 10.620), (-0.479, 10.641), (-0.229, 10.365),
        (0.048, 10.655), (0.980, 10.637), (0.550, 9.894), (-0.396, 9.480),
        (-0.396, 9.964), (-1.089, 9.712), (-1.569, 9.316), (-2.627, 9.936),
    ),
    "B": (
        (-0.520, 10.323), (-0.035, 10.323), (0.283, 10.019), (0.491, 10.337),
        (2.805, 10.337), (2.833, 9.673), (1.586, 9.079), (0.519, 9.632),
        (0.519, 8.996), (0.408, 8.968), (-0.119, 9.217), (-0.701, 9.701),
    ),
}  # fmt: skip
_ZERO_POINTS: Final[dict[str, tuple[str, float, float]]] = {
    # 2MASS band, zero point of module A and of module B
    "F070W": ("J", 7.0, 8.0),
    "F090W": ("J", 8.0, 10.8491),
    "F115W": ("H", 9.3934, 9.8801),
    "F140M": ("H", 9.0, 9.5),
    "F150W": ("H", 10.2889, 11.8580),
    "F150W2": ("H", 10.4042, 12.5890),
    "F162M": ("H", 7.5, 8.5),
    "F164N": ("H", 5.5, 6.5),
    "F182M": ("H", 9.7436, 10.9),
    "F187N": ("H", 7.2, 8.3),
    "F200W": ("K", 10.8321, 12.0125),
    "F210M": ("K", 9.5981, 10.7),
    "F212N": ("K", 8.1523, 8.2),
}
_DRIFT: Final = 0.02
_LARGEST_DRIFT_PX: Final = 300.0
_SIGMA_PX: Final = 7.5
_HALO_PX: Final = 32.0


class ClawParams(StepParams):
    """Claws of A1, A3, B1, B2 and B4."""

    enabled: bool = False
    """Whether there are any."""
    strength: Strength = 1.0
    """Brightness over the predicted one."""


@dataclass(frozen=True, slots=True)
class _Family:
    """The arcs of one detector: circles about a common point.

    Attributes
    ----------
    level : float
        Ridge of the brightest arc over that on B1.
    centre : (float, float), pixels
        Row and column.
    radii : tuple of float, pixels
    shares : tuple of float
        Relative brightness of the arcs.
    angles : (float, float), deg
        Where they begin and end, from the columns' direction to the rows'.
    """

    level: float
    centre: tuple[float, float]
    radii: tuple[float, ...]
    shares: tuple[float, ...]
    angles: tuple[float, float]


_FAMILIES: Final = {
    "NRCA1": _Family(
        0.8, (-40.0, 2260.0), (640.0, 760.0, 905.0), (0.7, 1.0, 0.45), (100.0, 172.0)
    ),
    "NRCA3": _Family(
        0.6, (150.0, 2350.0), (620.0, 800.0, 930.0), (1.0, 0.6, 0.3), (105.0, 215.0)
    ),
    "NRCB1": _Family(
        1.0, (-350.0, 0.0), (695.0, 885.0, 1010.0, 1060.0), (1.0, 0.6, 0.3, 0.4),
        (22.0, 92.0),
    ),
    "NRCB2": _Family(
        0.7, (2380.0, -120.0), (640.0, 830.0, 960.0), (0.6, 1.0, 0.5), (-88.0, -18.0)
    ),
    "NRCB4": _Family(
        0.6, (820.0, -380.0), (640.0, 730.0, 905.0), (0.8, 1.0, 0.4), (-48.0, 40.0)
    ),
}  # fmt: skip


def intensity(module: str, v2_deg: Array, v3_deg: Array) -> Array:
    """Return how much light of a star a module gets, in the units of the tool's map.

    Parameters
    ----------
    module : str
        ``A`` or ``B``.
    v2_deg, v3_deg : (n,) float64, deg

    Returns
    -------
    (n,) float64
        0 outside the module's polygon.
    """
    total = np.zeros(np.shape(v2_deg))
    for amplitude, v2, v3, sigma_u, sigma_v, angle in _INTENSITY[module]:
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        u = cos * (v2_deg - v2) + sin * (v3_deg - v3)
        v = -sin * (v2_deg - v2) + cos * (v3_deg - v3)
        total += amplitude * np.exp(-0.5 * ((u / sigma_u) ** 2 + (v / sigma_v) ** 2))
    return np.asarray(np.where(_inside(_POLYGON[module], v2_deg, v3_deg), total, 0.0))


def _inside(polygon: tuple[tuple[float, float], ...], x: Array, y: Array) -> Array:
    """Tell which points lie in a polygon: an odd number of edges to their right."""
    odd = np.zeros(np.shape(x), bool)
    for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return odd


def claw_rates(view: View, stars: Stars) -> Array:
    """Return the rate that each star gives a pixel of the module, (n,) DN/s."""
    law = _zero_point(view.band, view.detector.module)
    if law is None:
        return np.zeros(stars.v2.size)
    band, zero_point = law
    share = intensity(view.detector.module, stars.v2 / 3600.0, stars.v3 / 3600.0)
    magnitude = stars.vega_magnitude(band) + _DIMMING_MAG
    return np.asarray(share * 10 ** (0.4 * (zero_point - magnitude)))


def _zero_point(band: Passband, module: str) -> tuple[str, float] | None:
    law = _ZERO_POINTS.get(band.name)
    if law is None:
        return None
    return law[0], law[1] if module == "A" else law[2]


def claws(
    view: View, params: ClawParams, stars: Stars
) -> tuple[Array | None, list[Cause]]:
    """Return the claws of an exposure, (rows, cols) DN/s, and their stars."""
    family = _FAMILIES.get(view.detector.name)
    if family is None or not params.strength:
        return None, []
    rates = params.strength * claw_rates(view, stars)
    image = np.zeros(view.shape)
    causes = []
    for star in np.flatnonzero(rates > 1e-7):
        where = _box(view, family)
        if where is None:
            break
        place = float(stars.v2[star]), float(stars.v3[star])
        claw = rates[star] * family.level * _arcs(family, where, place)
        image[where.place] += claw
        causes.append(Cause("CLAWS", int(star), float(claw.sum())))
    return (image, causes) if causes else (None, [])


def _box(view: View, family: _Family) -> Window | None:
    reach = max(family.radii) + _LARGEST_DRIFT_PX + 4.0 * _HALO_PX
    row, col = family.centre
    return window(view, (row - reach, row + reach), (col - reach, col + reach))


def _arcs(family: _Family, where: Window, star: tuple[float, float]) -> Array:
    """Return the arcs that a star at (V2, V3), arcsec, draws; the brightest is 1."""
    # Moving stars move the arcs a little, but never out of their corner.
    d_col, d_row = (
        _LARGEST_DRIFT_PX * np.sin(_DRIFT * pixels / _LARGEST_DRIFT_PX)
        for pixels in (-star[0] / 0.031, (star[1] - 36000.0) / 0.031)
    )
    row = where.row - family.centre[0] - d_row
    col = where.col - family.centre[1] - d_col
    radius = np.hypot(row, col)
    angle = np.degrees(np.arctan2(row, col)) % 360.0
    begin, end = (a % 360.0 for a in family.angles)
    share = ((angle - begin) % 360.0) / ((end - begin) % 360.0)
    along = PchipInterpolator((0.0, 0.15, 0.5, 0.8, 1.0), (0.0, 0.7, 1.0, 0.6, 0.0))
    envelope = np.where(share <= 1.0, along(np.minimum(share, 1.0)), 0.0)
    total = np.zeros(radius.shape)
    phase = star[0] / 900.0 + star[1] / 700.0
    for k, (own, bright) in enumerate(zip(family.radii, family.shares, strict=True)):
        # Which arc is brightest changes over a quarter of a degree of the star's place.
        light = bright * (0.75 + 0.25 * np.sin(phase + 2.0 * k))
        off = radius - own
        total += light * np.exp(-0.5 * (off / _SIGMA_PX) ** 2)
        # Inside each arc the light fades slowly.
        inner = np.where(off < 0.0, np.exp(-0.5 * (off / _HALO_PX) ** 2), 0.0)
        total += 0.25 * light * inner * (1.0 - np.exp(-0.5 * (off / _SIGMA_PX) ** 2))
    return np.asarray(envelope * total)
