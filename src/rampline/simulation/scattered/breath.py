"""Dragon's breath: light of stars just outside a detector, thrown into it.

Type I: the inner wall of the mask before the detectors scatters a star within a few
arcseconds of an edge into a plume that enters at the point of the edge next to the star:
at 1.9 arcsec at most 1.5 % of the light on long-wavelength detectors, 0.4 % on short ones,
reaching 250 and 450 pixels inward. Type II: a knife edge sends stars about 12 arcsec outside
B1 (towards -V2) or A2 (+V2) through the row of detectors: a narrow streak along the
outer detector and, behind it, a glint 6 arcsec wide with 2 % of the light, 10 arcsec of it
on the outer detector and 45 on the inner one, where the shadow of the mask cuts a gap.
The strip is turned by 3 degrees. Assumed: the fall-off with the star's distance, the
pattern of rays, the streak's share of the light, the gap's place, a third of the
strength on the lower row of module A.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from ...params import StepParams
from ..instrument import N_FULL
from ..streams import stream
from .view import Array, Cause, Stars, Strength, View, Window, smooth, whole, window

_BEST_ARCSEC: Final = 1.9
_SPREAD_ARCSEC: Final = 0.7
_FARTHEST_ARCSEC: Final = 4.0
_SHARE: Final = {"LONG": 0.015, "SHORT": 0.004}
_DEPTH_PX: Final = {"LONG": 230.0, "SHORT": 450.0}
_HALF_WIDTH_PX: Final = {"LONG": 40.0, "SHORT": 80.0}
_RAYS: Final = 7
_KNOT: Final = 0.25
"""Share of a plume's light in its compact knot near the edge."""
_KNOT_PX: Final = 1.4

_KNIFE_ARCSEC: Final = 12.0
_KNIFE_SPREAD_ARCSEC: Final = 1.8
_KNIFE_RANGE: Final = (8.0, 15.0)
_GLINT: Final = 0.02
_STREAK: Final = 0.002
_SLOPE: Final = np.tan(np.radians(3.0))
_GLINT_SIGMA_ARCSEC: Final = 2.5
_STREAK_SIGMA_ARCSEC: Final = 0.25
_GAP_ARCSEC: Final = (6.0, 10.0)
"""The shadow, from where the inner detector begins."""
_ROWS: Final = {
    # V2 of the outer edge, V2 where the inner detector begins, sense of inward, strength
    "NRCA2": (151.5, 84.0, -1.0, 1.0),
    "NRCA4": (151.5, 84.0, -1.0, 1.0),
    "NRCA1": (152.9, 84.0, -1.0, 0.3),
    "NRCA3": (152.9, 84.0, -1.0, 0.3),
    "NRCB1": (-154.0, -86.2, 1.0, 1.0),
    "NRCB3": (-154.0, -86.2, 1.0, 1.0),
}
_ROW_V3: Final = {"NRCA1": (-560.0, -495.0), "NRCA3": (-560.0, -495.0)}
_UPPER_V3: Final = (-490.0, -427.0)
_FAINTEST_MJY_SR: Final = 1.0e-5
"""Peaks below this are left out."""


class Breath1Params(StepParams):
    """Dragon's breath of type I."""

    enabled: bool = False
    """Whether there is any."""
    strength: Strength = 1.0
    """Light over the usual share of the star's."""


class Breath2Params(StepParams):
    """Dragon's breath of type II."""

    enabled: bool = False
    """Whether there is any."""
    strength: Strength = 1.0
    """Light over the usual share of the star's."""


def breath_1(
    view: View, params: Breath1Params, stars: Stars
) -> tuple[Array | None, list[Cause]]:
    """Return the plumes of type I, (rows, cols) DN/s, and their stars."""
    channel = view.detector.channel
    share = params.strength * _SHARE[channel] * edge_weight(view, stars)
    light = share * stars.rate
    spread_px = 0.3 * _DEPTH_PX[channel] * _HALF_WIDTH_PX[channel]
    limit = _FAINTEST_MJY_SR * view.dn_s_per_mjy_sr * spread_px
    return _add_up(
        view, "BREATH1", light, limit, lambda star: _plume(view, stars, star)
    )


def edge_weight(view: View, stars: Stars) -> Array:
    """Return how well each star lights the mask: 1 at 1.9 arcsec outside, (n,).

    The distance is that to the edge of the whole detector.
    """
    full = view.camera.full
    off_row, off_col = _outside(stars.row), _outside(stars.col)
    distance = np.hypot(off_row * full.y_scale_arcsec, off_col * full.x_scale_arcsec)
    weight = np.exp(-0.5 * ((distance - _BEST_ARCSEC) / _SPREAD_ARCSEC) ** 2)
    near = (distance > 0.0) & (distance < _FARTHEST_ARCSEC)
    return np.asarray(np.where(near, weight, 0.0))


def _outside(place: Array) -> Array:
    """Return by how many pixels places are beyond the first or last row or column."""
    last = N_FULL - 0.5
    return np.asarray(np.maximum(-0.5 - place, 0.0) + np.maximum(place - last, 0.0))


def _add_up(
    view: View,
    kind: str,
    light: Array,
    limit: float,
    shape: Callable[[int], tuple[Window, Array] | None],
) -> tuple[Array | None, list[Cause]]:
    """Add the shapes of all stars whose light is above a limit."""
    image = np.zeros(view.shape)
    causes = []
    for star in np.flatnonzero(light > limit):
        found = shape(int(star))
        if found is None:
            continue
        where, unit = found
        added = light[star] * unit
        image[where.place] += added
        causes.append(Cause(kind, int(star), float(added.sum())))
    return (image, causes) if causes else (None, [])


def _plume(view: View, stars: Stars, star: int) -> tuple[Window, Array] | None:
    """Return the light per pixel of a plume of unit total light."""
    channel = view.detector.channel
    depth, half = _DEPTH_PX[channel], _HALF_WIDTH_PX[channel]
    row, col = stars.row[star], stars.col[star]
    foot = np.clip(row, -0.5, N_FULL - 0.5), np.clip(col, -0.5, N_FULL - 0.5)
    inward = np.array([foot[0] - row, foot[1] - col])
    inward /= np.hypot(*inward)
    reach = 1.1 * depth + half
    where = window(
        view, (foot[0] - reach, foot[0] + reach), (foot[1] - reach, foot[1] + reach)
    )
    if where is None:
        return None
    d_row, d_col = where.row - foot[0], where.col - foot[1]
    depth_px = d_row * inward[0] + d_col * inward[1]
    side_px = d_row * inward[1] - d_col * inward[0]
    # The rays turn as the star moves along the edge: twenty pixels make a new pattern.
    along = float(foot[0] * abs(inward[1]) + foot[1] * abs(inward[0])) / 20.0
    draw = stream(0, "breath", view.detector.number, max(round(along), 0))
    rays = draw.normal(0.0, 0.8, _RAYS), draw.gamma(1.2, 1.0, _RAYS)
    t, s = np.meshgrid(np.linspace(0.0, 1.1, 111), np.linspace(-4.0, 4.0, 401))
    norm = float(_rays(t, s, rays).sum()) * 0.01 * depth * 0.02 * half
    plume = _rays(depth_px / depth, side_px / half, rays) / norm
    off2 = (depth_px - 0.10 * depth) ** 2 + side_px**2
    knot = np.exp(-0.5 * off2 / _KNOT_PX**2) / (2.0 * np.pi * _KNOT_PX**2)
    return where, (1.0 - _KNOT) * plume + _KNOT * knot


def _rays(t: Array, s: Array, rays: tuple[Array, Array]) -> Array:
    """Return a fan of rays: t runs inward, s sideways, in units of the plume's size."""
    total = np.exp(-0.5 * (s / (0.25 + 0.5 * t)) ** 2)
    width = 0.04 + 0.16 * t
    for centre, bright in zip(*rays, strict=True):
        off = s - centre * (0.15 + 0.8 * t)
        total = total + bright * np.exp(-0.5 * (off / width) ** 2)
    deep = np.maximum(t, 0.0)
    rise = 1.0 - np.exp(-deep / 0.08)
    fall = np.exp(-deep / 0.35) * np.clip((1.08 - t) / 0.2, 0.0, 1.0)
    return np.asarray(np.where(t > 0.0, rise * fall * total, 0.0))


def breath_2(
    view: View, params: Breath2Params, stars: Stars
) -> tuple[Array | None, list[Cause]]:
    """Return the strips of type II, (rows, cols) DN/s, and their stars."""
    if view.detector.name not in _ROWS:
        return None, []
    light = params.strength * knife_weight(view.detector.name, stars) * stars.rate
    scale = view.camera.full.x_scale_arcsec
    spread_px = 55.0 * 6.0 / scale**2 / _GLINT
    limit = _FAINTEST_MJY_SR * view.dn_s_per_mjy_sr * spread_px
    where = whole(view)

    def strip(star: int) -> tuple[Window, Array]:
        place = float(stars.v2[star]), float(stars.v3[star])
        return where, _strip(view, where, place)

    return _add_up(view, "BREATH2", light, limit, strip)


def knife_weight(detector: str, stars: Stars) -> Array:
    """Return how well each star lights a detector's knife edge, (n,): at most 1.

    It must lie 8 to 15 arcsec beyond the outer edge of the row of detectors.
    """
    outer, _, inward, strength = _ROWS[detector]
    low, high = _ROW_V3.get(detector, _UPPER_V3)
    distance = (outer - stars.v2) * inward
    off = (distance - _KNIFE_ARCSEC) / _KNIFE_SPREAD_ARCSEC
    fits = (distance > _KNIFE_RANGE[0]) & (distance < _KNIFE_RANGE[1])
    fits &= (stars.v3 > low) & (stars.v3 < high)
    return np.asarray(np.where(fits, strength * np.exp(-0.5 * off * off), 0.0))


def _strip(view: View, where: Window, star: tuple[float, float]) -> Array:
    """Return the light per pixel of a strip, over that of the star."""
    outer, inner, inward, _ = _ROWS[view.detector.name]
    begins = abs(inner - outer)
    pixel_arcsec2 = view.camera.full.x_scale_arcsec * view.camera.full.y_scale_arcsec

    def light(v2: Array, v3: Array) -> Array:
        from_star = (v2 - star[0]) * inward
        across = v3 - star[1] - _SLOPE * from_star
        along = (v2 - outer) * inward
        glint = _GLINT * _glint(along, begins) * _normal(across, _GLINT_SIGMA_ARCSEC)
        ahead = np.clip((begins - 4.5 - along) / 2.0, 0.0, 1.0)
        streak = _STREAK * ahead / begins * _normal(across, _STREAK_SIGMA_ARCSEC)
        return np.asarray((glint + streak) * pixel_arcsec2)

    rows = _strip_rows(view, star, inward)
    image = np.zeros((where.row.size, where.col.size))
    part = window(view, *rows)
    if part is not None:
        image[part.place] = np.maximum(smooth(view, part, 3.0, light), 0.0)
    return image


def _strip_rows(
    view: View, star: tuple[float, float], inward: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the rows and columns that a strip may reach."""
    full = view.camera.full
    middle = full.v2_ref_arcsec
    centre_v3 = star[1] + _SLOPE * (middle - star[0]) * inward
    centre = full.y_ref + (centre_v3 - full.v3_ref_arcsec) / full.y_scale_arcsec
    reach = (4.0 * _GLINT_SIGMA_ARCSEC + 40.0 * _SLOPE) / full.y_scale_arcsec
    return (centre - reach, centre + reach), (0.0, N_FULL)


def _glint(along: Array, begins: float) -> Array:
    """Return the glint per arcsec along the row; its sum is 1 without the shadow.

    It begins 10 arcsec before the outer detector's inner end, which lies 4.5 arcsec
    before the inner detector begins, and ends 45 arcsec into that one.
    """
    start, end = begins - 14.5, begins + 45.0
    share = np.clip((along - start) / (end - start), 0.0, 1.0)
    shape = 2.0 * np.sin(np.pi * np.sqrt(share)) ** 2 / (end - start)
    shadow = [begins + edge for edge in _GAP_ARCSEC]
    inside = np.clip((along - shadow[0]) / 0.8, 0.0, 1.0)
    inside *= np.clip((shadow[1] - along) / 0.8, 0.0, 1.0)
    return np.asarray(shape * (1.0 - inside))


def _normal(off: Array, sigma: float) -> Array:
    return np.asarray(
        np.exp(-0.5 * (off / sigma) ** 2) / (np.sqrt(2.0 * np.pi) * sigma)
    )
