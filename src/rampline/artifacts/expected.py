"""Expected artifacts: the record that every prediction returns."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..units import AB_ZERO_JY, ARCSEC2_PER_SR, JY_PER_MJY
from .frames import SIDE


def _nowhere() -> NDArray[np.float64]:
    return np.empty((0, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One artifact that an exposure may show.

    Attributes
    ----------
    kind : str
        ``wisp``, ``claw``, ``dragons_breath_1``, ``dragons_breath_2``, ``ginkgo_leaf``,
        ``stripes``, ``tadpole``.
    bit : int
        Of the ``ARTIFACT`` plane, set where it is masked.
    detector : str
    corners : (n, 2) float64, pixels
        x and y of a polygon around the place, full detector, science orientation,
        0-based. Empty if the position on the detector is unknown.
    strength : float
        Mean within the polygon; NaN if unknown.
    unit : str
        Of the strength: ``MJy/sr`` or ``DN/s``.
    cause : str
        Description of the origin of the light.
    """

    kind: str
    bit: int
    detector: str
    corners: NDArray[np.float64] = field(default_factory=_nowhere)
    strength: float = np.nan
    unit: str = "MJy/sr"
    cause: str = ""


def box(x: tuple[float, float], y: tuple[float, float]) -> NDArray[np.float64]:
    """Return the corners of an upright box, (4, 2), pixels."""
    return np.array([(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])])


def within_frame(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a polygon clipped to the detector (Sutherland and Hodgman), (n, 2), pixels.

    Empty if it lies outside.
    """
    low, high = -0.5, SIDE - 0.5
    for axis in (0, 1):
        corners = _cut(corners, axis, low, 1.0)
        corners = _cut(corners, axis, high, -1.0)
    return corners


def surface_brightness(ab_mag: float, fraction: float, area_arcsec2: float) -> float:
    """Return the surface brightness, MJy/sr, of a share of a star's light spread evenly."""
    flux_jy = AB_ZERO_JY * 10.0 ** (-0.4 * ab_mag) * fraction
    return float(flux_jy / (area_arcsec2 / ARCSEC2_PER_SR) / JY_PER_MJY)


def _cut(
    corners: NDArray[np.float64], axis: int, limit: float, sign: float
) -> NDArray[np.float64]:
    """Return the part of a polygon on one side of a line."""
    kept = []
    for k in range(len(corners)):
        start, end = corners[k - 1], corners[k]
        before, after = (sign * (p[axis] - limit) for p in (start, end))
        if (before >= 0) != (after >= 0):
            kept.append(start + before / (before - after) * (end - start))
        if after >= 0:
            kept.append(end)
    return np.array(kept).reshape(-1, 2)
