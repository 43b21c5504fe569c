"""The sources of an exposure painted onto a canvas of pixels, larger than it or not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .galaxies import Profiles, paint_galaxies
from .geometry import Camera
from .optics import PointSpread
from .paint import paint_stars
from .picture import Picture, paint_picture
from .sources import Sources

Array = NDArray[np.float64]
_REACH_PX = 1024.0
"""Galaxies farther from the canvas than this are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """All that can be painted in one exposure.

    Attributes
    ----------
    camera : Camera
    spread : PointSpread
    sources : Sources
    position : (n, 2) float64, pixels
        Row and column of each source, 0-based.
    rate : (n,) float64, DN/s
    pictures : tuple of Picture
    dn_s_per_jy : float
    faintest : float, DN/s
        Stamps of stars end where they add less than this to a pixel.
    """

    camera: Camera
    spread: PointSpread
    sources: Sources
    position: Array
    rate: Array
    pictures: tuple[Picture, ...]
    dn_s_per_jy: float
    faintest: float


def paint(
    canvas: Array,
    palette: Palette,
    origin: tuple[int, int] = (0, 0),
    weights: tuple[Array, Array] | None = None,
) -> None:
    """Paint sources and pictures, in place.

    Parameters
    ----------
    canvas : (planes, rows, cols) float64, DN/s
        Added to.
    palette : Palette
    origin : (int, int), pixels
        Row and column of the canvas' first pixel.
    weights : ((n, planes) float64, (m, planes) float64), optional
        Factors of the sources and of the pictures in each plane; without them all are 1.
    """
    star, planes = palette.sources.is_star, canvas.shape[0]
    of_sources, of_pictures = weights or (
        np.ones((star.size, planes)),
        np.ones((len(palette.pictures), planes)),
    )
    position = palette.position - np.array(origin)
    rate = palette.rate[:, None] * of_sources
    for plane, rates in zip(canvas, rate[star].T, strict=True):
        paint_stars(plane, palette.spread, position[star], rates, palette.faintest)
    _paint_galaxies(canvas, palette, position, rate)
    place = palette.camera, palette.spread, origin
    for picture, factors in zip(palette.pictures, of_pictures, strict=True):
        for plane, factor in zip(canvas, factors, strict=True):
            paint_picture(plane, picture, place, factor * palette.dn_s_per_jy)


def _paint_galaxies(
    canvas: Array, palette: Palette, position: Array, rate: Array
) -> None:
    """Paint those that reach the canvas, the small ones first."""
    sources = palette.sources
    near = (
        ~sources.is_star
        & (position > -_REACH_PX).all(axis=1)
        & (position < np.array(canvas.shape[1:]) + _REACH_PX).all(axis=1)
    )
    if not near.any():
        return
    half_light, shape = _profiles(palette.camera, sources, palette.position, near)
    galaxies = Profiles(
        positions=position[near],
        rates=rate[near],
        index=sources.index[near],
        half_light_px=half_light,
        shape=shape,
    )
    paint_galaxies(canvas, palette.spread, galaxies)


def _profiles(
    camera: Camera, sources: Sources, position: Array, near: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Turn shapes on the sky into shapes on the detector, where galaxies truly lie."""
    place = position[near]
    jacobian = camera.jacobian_arcsec(place[:, 0], place[:, 1])
    angle = np.radians(sources.position_angle_deg[near])
    major = sources.half_light_arcsec[near]
    minor = major * sources.axis_ratio[near]
    # Columns: the half axes on the sky, (east, north).
    ellipse = np.empty((place.shape[0], 2, 2))
    ellipse[:, 0, 0], ellipse[:, 1, 0] = major * np.sin(angle), major * np.cos(angle)
    ellipse[:, 0, 1], ellipse[:, 1, 1] = minor * np.cos(angle), -minor * np.sin(angle)
    scale = np.sqrt(np.abs(np.linalg.det(jacobian)))
    return major / scale, np.asarray(np.linalg.solve(jacobian, ellipse), np.float64)
