"""The ginkgo leaf: a fan of light on A5 from a star beside it, at one height.

A star left of the field (+V2), 24.5 arcsec below the top of the detector (V3 = -453.3),
throws a fan that opens from the detector's left edge at that height. Distance, strength
and size are not known; assumed here: up to 60 arcsec away, 1 % of the star's light, a
radius of 900 pixels.
"""

from typing import Final

import numpy as np

from ...params import StepParams
from .view import Array, Cause, Stars, Strength, View, window

_V3_ARCSEC: Final = -453.3
_V3_SPREAD_ARCSEC: Final = 2.0
_LEFT_ARCSEC: Final = 149.8
_REACH_ARCSEC: Final = 60.0
_SHARE: Final = 0.01
_ROW_PX: Final = 1660.0
_RADIUS_PX: Final = 900.0
_HALF_ANGLE: Final = np.radians(38.0)
_VEINS: Final = 34.0
_FAINTEST_MJY_SR: Final = 1.0e-5


class GinkgoParams(StepParams):
    """The ginkgo leaf of the long-wavelength detector of module A."""

    enabled: bool = False
    """Whether there is one."""
    strength: Strength = 1.0
    """Light over the assumed share of the star's."""


def leaf_weight(stars: Stars) -> Array:
    """Return how well each star makes a leaf: at most 1, (n,)."""
    beyond = stars.v2 - _LEFT_ARCSEC
    height = (stars.v3 - _V3_ARCSEC) / _V3_SPREAD_ARCSEC
    near = (beyond > 0.0) & (beyond < _REACH_ARCSEC) & (np.abs(height) < 2.0)
    nearness = 1.0 - beyond / _REACH_ARCSEC
    return np.asarray(np.where(near, nearness * np.exp(-0.5 * height**2), 0.0))


def ginkgo_leaf(
    view: View, params: GinkgoParams, stars: Stars
) -> tuple[Array | None, list[Cause]]:
    """Return the leaf, (rows, cols) DN/s, and its stars."""
    reach = (_ROW_PX - _RADIUS_PX, _ROW_PX + _RADIUS_PX), (0.0, 1.1 * _RADIUS_PX)
    where = window(view, *reach)
    if view.detector.name != "NRCALONG" or where is None:
        return None, []
    light = params.strength * _SHARE * leaf_weight(stars) * stars.rate
    area = _HALF_ANGLE * _RADIUS_PX**2
    limit = _FAINTEST_MJY_SR * view.dn_s_per_mjy_sr * area
    image = np.zeros(view.shape)
    causes = []
    for star in np.flatnonzero(light > limit):
        leaf = light[star] * _leaf(where.row - _ROW_PX, where.col)
        image[where.place] += leaf
        causes.append(Cause("GINKGO", int(star), float(leaf.sum())))
    return (image, causes) if causes else (None, [])


def _leaf(row: Array, col: Array) -> Array:
    """Return a leaf of unit light as (row, col) from its stem see it."""
    radius, angle = np.hypot(row, col), np.arctan2(row, col + 1.0)
    r, a = np.meshgrid(
        np.linspace(0.0, _RADIUS_PX, 301), np.linspace(-_HALF_ANGLE, _HALF_ANGLE, 301)
    )
    norm = float((_fan(r, a) * r).sum()) * (r[0, 1] - r[0, 0]) * (a[1, 0] - a[0, 0])
    return np.asarray(_fan(radius, angle) / norm)


def _fan(radius: Array, angle: Array) -> Array:
    """Return a fan: veins, a wavy outer edge and a cleft in its middle."""
    share = angle / _HALF_ANGLE
    cleft = 0.25 * np.exp(-((share / 0.06) ** 2))
    edge = _RADIUS_PX * (0.92 + 0.04 * np.cos(9.0 * angle) - cleft)
    inside = np.clip((edge - radius) / 60.0, 0.0, 1.0)
    inside = inside * np.clip((1.0 - np.abs(share)) / 0.12, 0.0, 1.0)
    veins = 0.8 + 0.2 * np.cos(_VEINS * angle) * np.clip(radius / 150.0, 0.0, 1.0)
    return np.asarray(inside * veins * (0.55 + 0.45 * radius / _RADIUS_PX))
