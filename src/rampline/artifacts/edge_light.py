"""Dragon's breath, both types, and the ginkgo leaf: stars just outside a detector.

Type I: light of a star within a few arcseconds of an edge, most strongly at 1.9,
scatters off the inner wall of the mask in front of the detectors. Type II: a knife edge
meant to block a stray path sends 2 % of the light of a star some 12 arcseconds outside
the outer edge of a module across two short-wavelength detectors. Ginkgo leaf: a fan on
NRCALONG from stars far to its left, in a narrow range of V3; the limiting magnitude is
not well known. Source: JDox, NIRCam Scattered Light Artifacts, Dragon's Breath,
Dragon's Breath Type II. The zones are not fully mapped.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..params import Params, Unit
from .bits import DRAGONS_BREATH_1, DRAGONS_BREATH_2, GINKGO_LEAF
from .expected import Expected, box, surface_brightness, within_frame
from .frames import (
    SIDE,
    is_long,
    pixel_arcsec,
    pixel_to_telescope,
    telescope_to_pixel,
)

Vector = NDArray[np.float64]
SurfaceBrightness = Annotated[float, Field(ge=0), Unit("MJy/sr")]

POINTING_ARCSEC: Final = 0.5
"""Possible error of the pointing in a header, by which the zones are widened."""
WALL_REACH_ARCSEC: Final = 4.0
"""Stars farther from an edge than this cause no type I."""
WALL_PEAK_ARCSEC, WALL_WIDTH_ARCSEC = 1.9, 0.7
"""Distance at which type I is strongest, and how fast it falls off."""
WALL_FRACTION: Final = {False: 0.004, True: 0.015}
"""Maximum fraction of a star's light scattered by type I: short, long wavelengths."""
WALL_DEPTH_PX: Final = {False: 450, True: 250}
WALL_HALF_WIDTH_PX: Final = {False: 80, True: 40}
WALL_AREA_PX: Final = {False: 450 * 160, True: 225 * 80}
KNIFE_REACH_ARCSEC: Final = (8.0, 15.0)
"""Distance outside the module, along V2, of stars that may cause type II, seen at 10 to
12; the zones are not mapped, so the pixels decide."""
KNIFE_FRACTION: Final = 0.02
KNIFE_HALF_WIDTH_ARCSEC: Final = 4.0
KNIFE_AREA_ARCSEC2: Final = 6.0 * 55.0
KNIFE_SLOPE: Final = float(np.tan(np.radians(3.0)))
"""The strip is tilted by 3 degrees to V2, in an unknown direction."""
KNIFE_ROWS: Final = {
    "NRCB1": ("NRCB1", "NRCB3"),
    "NRCA2": ("NRCA2", "NRCA4"),
    "NRCA1": ("NRCA1",),
}
"""Outer detector beside which the star lies, and the detectors that its strip crosses."""
LEAF_V3_ARCSEC, LEAF_HALF_ARCSEC = -453.3, 4.0
LEAF_V2_ARCSEC: Final = (149.7, 210.0)
LEAF_FAINTEST_AB: Final = 13.0
LEAF_BOX: Final = ((0, 800), (1260, 2046))


class EdgeLightParams(Params):
    """Which stray light from stars beside a detector is reported."""

    least_brightness: SurfaceBrightness = 0.002
    """Minimum mean surface brightness for it to be listed, 1 to 2 % of a dark sky. For
    type I it is that of a star at the distance of strongest effect, because the falloff
    on either side is not well known."""


class NearStars(NamedTuple):
    """Stars around the field in the telescope's frame."""

    name: tuple[str, ...]
    v2_arcsec: Vector
    """(n,) arcsec."""
    v3_arcsec: Vector
    """(n,) arcsec."""
    ab_mag: Vector
    """(n,) in the exposure's filter."""


def expect_wall_light(
    stars: NearStars, detector: str, params: EdgeLightParams
) -> Sequence[Expected]:
    """Return the type I dragon's breath that stars cause on one detector.

    Returns
    -------
    sequence of Expected
        For each star a box extending inwards from the nearest point of the edge.
    """
    long, scale = is_long(detector), pixel_arcsec(detector)
    x, y = telescope_to_pixel(detector, stars.v2_arcsec, stars.v3_arcsec)
    foot_x, foot_y = np.clip(x, 0, SIDE - 1), np.clip(y, 0, SIDE - 1)
    away = np.hypot(x - foot_x, y - foot_y) * scale
    found = []
    for k in np.flatnonzero((away > 0) & (away < WALL_REACH_ARCSEC + POINTING_ARCSEC)):
        falloff = np.exp(-0.5 * ((away[k] - WALL_PEAK_ARCSEC) / WALL_WIDTH_ARCSEC) ** 2)
        area = WALL_AREA_PX[long] * scale**2
        share = WALL_FRACTION[long]
        at_most = surface_brightness(stars.ab_mag[k], share, area)
        if at_most >= params.least_brightness:
            inward = (foot_x[k] - x[k], foot_y[k] - y[k])
            found.append(
                Expected(
                    kind="dragons_breath_1",
                    bit=DRAGONS_BREATH_1,
                    detector=detector,
                    corners=wall_box((foot_x[k], foot_y[k]), inward, long=long),
                    strength=at_most * falloff,
                    cause=f"{stars.name[k]}, {away[k]:.1f} arcsec outside",
                )
            )
    return found


def wall_box(
    foot: tuple[float, float], inward: tuple[float, float], *, long: bool
) -> Vector:
    """Return the box of type I from a point of the edge into the field.

    Parameters
    ----------
    foot : (float, float), pixels
        x and y.
    inward : (float, float)
        Direction; the box is upright along the larger component.
    long : bool
        Whether the detector is of the long-wavelength channel.

    Returns
    -------
    (n, 2) float64, pixels
    """
    depth, half = WALL_DEPTH_PX[long], WALL_HALF_WIDTH_PX[long]
    axis = int(abs(inward[1]) > abs(inward[0]))
    sign = np.sign(inward[axis])
    ends = sorted((foot[axis], foot[axis] + sign * depth))
    across = (foot[1 - axis] - half, foot[1 - axis] + half)
    spans = ((ends[0], ends[1]), across) if axis == 0 else (across, (ends[0], ends[1]))
    return within_frame(box(*spans))


def expect_knife_light(
    stars: NearStars, detector: str, params: EdgeLightParams
) -> Sequence[Expected]:
    """Return the type II dragon's breath that stars cause on one detector.

    Returns
    -------
    sequence of Expected
        A wedge from the star inwards that contains the strip at either tilt.
    """
    found = []
    for outer, crossed in KNIFE_ROWS.items():
        if detector not in crossed:
            continue
        for k, edge in _beside(stars, outer):
            brightness = surface_brightness(
                stars.ab_mag[k], KNIFE_FRACTION, KNIFE_AREA_ARCSEC2
            )
            corners = _wedge(detector, stars.v2_arcsec[k], stars.v3_arcsec[k])
            if brightness < params.least_brightness or len(corners) == 0:
                continue
            found.append(
                Expected(
                    kind="dragons_breath_2",
                    bit=DRAGONS_BREATH_2,
                    detector=detector,
                    corners=corners,
                    strength=brightness,
                    cause=f"{stars.name[k]}, {edge:.1f} arcsec outside {outer}",
                )
            )
    return found


def _beside(stars: NearStars, outer: str) -> Iterator[tuple[int, float]]:
    """Yield the stars beside the outer edge of a detector and their distances, arcsec."""
    edge_x = 0 if "A" in outer[3] else SIDE - 1
    low, high = (pixel_to_telescope(outer, edge_x, y) for y in (0, SIDE - 1))
    away = np.abs(stars.v2_arcsec) - abs(float(low.v2 + high.v2) / 2)
    near, far = np.add(KNIFE_REACH_ARCSEC, (-POINTING_ARCSEC, POINTING_ARCSEC))
    same_side = np.sign(stars.v2_arcsec) == np.sign(low.v2)
    abreast = (stars.v3_arcsec >= low.v3) & (stars.v3_arcsec <= high.v3)
    for k in np.flatnonzero(same_side & abreast & (away >= near) & (away <= far)):
        yield int(k), float(away[k])


def _wedge(detector: str, v2: float, v3: float) -> Vector:
    """Return the part of a detector that a strip from a star may cross, (n, 2)."""
    across = pixel_to_telescope(detector, [0, SIDE - 1], [SIDE / 2, SIDE / 2]).v2
    near, far = sorted(across, key=lambda edge: abs(edge - v2))
    opening = [
        KNIFE_HALF_WIDTH_ARCSEC + KNIFE_SLOPE * abs(edge - v2) for edge in (near, far)
    ]
    v2s = np.array([near, far, far, near])
    v3s = v3 + np.array([-opening[0], -opening[1], opening[1], opening[0]])
    return within_frame(np.column_stack(telescope_to_pixel(detector, v2s, v3s)))


def expect_leaf(stars: NearStars, detector: str) -> Sequence[Expected]:
    """Return the ginkgo leaves that stars may cause, to be confirmed in the pixels.

    Returns
    -------
    sequence of Expected
        With unknown strength; only on NRCALONG.
    """
    if detector != "NRCALONG":
        return ()
    low, high = LEAF_V2_ARCSEC
    here = (stars.v2_arcsec > low) & (stars.v2_arcsec < high)
    height = np.abs(stars.v3_arcsec - LEAF_V3_ARCSEC)
    here &= height < LEAF_HALF_ARCSEC + POINTING_ARCSEC
    here &= stars.ab_mag < LEAF_FAINTEST_AB
    return [
        Expected(
            kind="ginkgo_leaf",
            bit=GINKGO_LEAF,
            detector=detector,
            corners=box(*LEAF_BOX),
            cause=f"{stars.name[k]}, {stars.v2_arcsec[k] - low:.0f} arcsec to the left",
        )
        for k in np.flatnonzero(here)
    ]
