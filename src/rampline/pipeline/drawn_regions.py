"""Regions that a user has drawn, as masks of an exposure's pixels.

Every shape becomes a polygon. The corners of one on the sky are converted to pixels: near the
frame with the distortion; elsewhere with the linear map through the frame's corners, because
there it only matters on which side of the frame a corner lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..astrometry.geometry import (
    NODE_STEP,
    pixel_to_plane,
    plane_to_sky,
    sky_to_pixel,
    sky_to_plane,
)
from ..astrometry.point_spread import PIXEL_ARCSEC
from ..exposure.drawn import DrawnRegion
from ..exposure.geometry import Geometry
from ..exposure.header import Header
from ..numerics.polygon import fill_polygon

CORNERS: Final = 72
"""Of the polygon that approximates a circle: its area is 0.1 % too small."""
STEP_ARCSEC: Final = 2.0
"""Longest side on the sky: over it distortion bends a line by 0.01 pixels at most."""
Outline = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnMasks:
    """The pixels of one exposure that a user's regions cover.

    Attributes
    ----------
    each : tuple of (rows, cols) bool
        By region, in the order drawn.
    masked : (rows, cols) bool
        Within a region, and in none that forbids masking.
    forbidden : (rows, cols) bool
    """

    each: tuple[NDArray[np.bool_], ...]
    masked: NDArray[np.bool_]
    forbidden: NDArray[np.bool_]


def place_regions(
    regions: Sequence[DrawnRegion], geometry: Geometry | None, shape: tuple[int, int]
) -> DrawnMasks:
    """Find the pixels of an exposure that a user's regions cover.

    Parameters
    ----------
    regions : sequence of DrawnRegion
    geometry : Geometry or None
        Of the exposure; without one, regions on the sky cover nothing.
    shape : (int, int)
        Rows and columns of the exposure.

    Returns
    -------
    DrawnMasks
        A pixel is covered where its centre is.
    """
    each = tuple(_cover(region, geometry, shape) for region in regions)
    masked, forbidden = np.zeros((2, *shape), np.bool_)
    for region, mask in zip(regions, each, strict=True):
        which = forbidden if region.is_forbidden else masked
        which |= mask
    return DrawnMasks(each=each, masked=masked & ~forbidden, forbidden=forbidden)


def may_touch(region: DrawnRegion, header: Header) -> bool:
    """Return whether a region on the sky may reach an exposure, by its header alone.

    Generous: the exposure may lie anywhere within a detector's diagonal of the reference
    point.
    """
    outline, readout = outline_region(region), header.readout
    plane = sky_to_plane(outline[:, 0], outline[:, 1], header.pointing)
    diagonal_px = np.hypot(readout.n_rows, readout.n_cols)
    reach = 1.1 * PIXEL_ARCSEC[header.channel] * diagonal_px
    low, high = plane.min(axis=0), plane.max(axis=0)
    return bool((low < reach).all() and (high > -reach).all())


def outline_region(region: DrawnRegion) -> Outline:
    """Return a region's outline, (n, 2): x and y, or right ascension and declination."""
    centre = region.places[0]
    if region.shape == "polygon":
        return np.array(region.places)
    if region.shape == "box":
        unit = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    else:
        turn = np.arange(CORNERS) * (2.0 * np.pi / CORNERS)
        unit = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    along, across = (unit * np.broadcast_to(region.sizes, 2)).T
    angle = np.radians(region.angle_deg)
    x = along * np.cos(angle) - across * np.sin(angle)
    y = along * np.sin(angle) + across * np.cos(angle)
    if not region.on_sky:
        return np.stack([centre[0] + x, centre[1] + y], axis=1)
    # as seen on the sky: DS9 counts from west to north
    return np.stack(plane_to_sky(np.stack([-x, y], axis=1), *centre), axis=1)


def _cover(
    region: DrawnRegion, geometry: Geometry | None, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the pixels within one region."""
    outline = outline_region(region)
    if region.on_sky:
        if geometry is None:
            return np.zeros(shape, np.bool_)
        outline = _see_outline(outline, geometry)
    return fill_polygon(outline, shape)


def _see_outline(outline: Outline, geometry: Geometry) -> Outline:
    """Return x and y of an outline on the sky; empty where it is on the far hemisphere."""
    pointing, (n_rows, n_cols) = geometry.pointing, geometry.shape
    plane = sky_to_plane(outline[:, 0], outline[:, 1], pointing)
    if not np.isfinite(plane).all():
        return np.empty((0, 2))
    plane = _cut_sides(plane)
    rows, cols = np.array([0.0, 0.0, n_rows - 1.0]), np.array([0.0, n_cols - 1.0, 0.0])
    corners = np.column_stack([pixel_to_plane(geometry, rows, cols), np.ones(3)])
    linear = np.linalg.solve(corners, np.stack([cols, rows], axis=1))
    rough = np.column_stack([plane, np.ones(len(plane))]) @ linear
    beyond = np.maximum(-rough, rough - (n_cols - 1, n_rows - 1)).max(axis=1)
    near = beyond < NODE_STEP
    sky = plane_to_sky(plane[near], pointing.ra_ref_deg, pointing.dec_ref_deg)
    rough[near] = np.stack(sky_to_pixel(geometry, *sky)[::-1], axis=1)
    return rough


def _cut_sides(corners: Outline) -> Outline:
    """Return an outline with its longer sides divided."""
    pieces = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        n_parts = max(1, int(np.ceil(np.hypot(*(end - start)) / STEP_ARCSEC)))
        share = np.arange(n_parts)[:, None] / n_parts
        pieces.append(start + share * (end - start))
    return np.concatenate(pieces)
