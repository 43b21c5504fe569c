"""The outline of exposures on the sky, and the grid that holds them all.

An exposure's edges are bowed by a few pixels of distortion, so outlines that must cover
everything follow the edges; S_REGION has the four corners, as the archive defines it.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.geometry import Geometry
from ..exposure.grid import Grid
from ..units import DEG_PER_ARCSEC
from .geometry import (
    mean_direction,
    pixel_to_sky,
    plane_to_sky,
    project,
    sky_vectors,
    tangent_frame,
)
from .pixel_map import plane_to_grid
from .tessellation import MARGIN_ARCSEC, nearest_cell, tangent_point, whole_blocks

CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
"""Corners as fractions of (rows, cols), in the order of S_REGION."""


def outline(geometry: Geometry, points_per_edge: int = 16) -> NDArray[np.float64]:
    """Return the outline of an exposure on the sky.

    Parameters
    ----------
    geometry : Geometry
    points_per_edge : int
        1 gives the four corners.

    Returns
    -------
    (4 * points_per_edge, 2) float64, deg
        Right ascension and declination along the outer edges of the outermost pixels, from
        pixel (0, 0) up the first column, open at the end.
    """
    corners = np.array(CORNERS)
    fraction = np.arange(points_per_edge)[:, None] / points_per_edge
    edges = [
        start + fraction * (end - start)
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True)
    ]
    pixels = np.concatenate(edges) * geometry.shape - 0.5
    return np.stack(pixel_to_sky(geometry, pixels[:, 0], pixels[:, 1]), axis=-1)


def enclosing_cone(geometries: Sequence[Geometry]) -> tuple[float, float, float]:
    """Return centre and radius of a cone around the corners of all exposures.

    Parameters
    ----------
    geometries : sequence of Geometry
        At least one; all on one side of the sky.

    Returns
    -------
    ra, dec, radius : float, deg, ICRS
        The radius is the tangent of the opening angle: never too small.
    """
    corners = np.concatenate([outline(g, points_per_edge=1) for g in geometries])
    vectors = sky_vectors(corners[:, 0], corners[:, 1])
    ra, dec = mean_direction(vectors)
    plane = project(vectors, tangent_frame(ra, dec))
    return ra, dec, float(np.hypot(*plane.T).max()) * DEG_PER_ARCSEC


def s_region(geometry: Geometry) -> str:
    """Return the S_REGION card of an exposure, as the JWST pipeline writes it."""
    corners = outline(geometry, points_per_edge=1)
    return "POLYGON ICRS  " + " ".join(f"{angle:.9f}" for angle in corners.ravel())


def grid_from_footprints(
    geometries: Sequence[Geometry],
    scale_arcsec: float,
    position_angle_deg: float = 0.0,
    cell: str = "",
) -> Grid:
    """Return the smallest grid of the tessellation that holds all exposures.

    Parameters
    ----------
    geometries : sequence of Geometry
        At least one.
    scale_arcsec : float, arcsec
    position_angle_deg : float, deg
        Of the row axis; 0 is north up at the tangent point.
    cell : str
        Of `rampline.astrometry.tessellation`; empty: the nearest to the middle of the box
        around all outlines.

    Returns
    -------
    Grid
        With at least `MARGIN_ARCSEC` left free at each side.

    Raises
    ------
    ValueError
        If there are no geometries, the outlines do not lie within one hemisphere, or there
        is no such cell.
    """
    if not geometries:
        raise ValueError("a grid needs at least one exposure")
    vertices = np.concatenate([outline(geometry) for geometry in geometries])
    vectors = sky_vectors(vertices[:, 0], vertices[:, 1])
    cell = cell or nearest_cell(*_middle(vectors))
    ra, dec = tangent_point(cell)
    draft = Grid(
        ra_deg=ra,
        dec_deg=dec,
        # the tangent point is a corner of four pixels
        col_ref=-0.5,
        row_ref=-0.5,
        scale_arcsec=scale_arcsec,
        position_angle_deg=position_angle_deg,
        n_rows=1,
        n_cols=1,
        cell=cell,
    )
    places = plane_to_grid(project(vectors, tangent_frame(ra, dec)), draft) + 0.5
    if not np.isfinite(places).all():
        raise ValueError("the exposures do not lie on one side of the sky")
    margin = MARGIN_ARCSEC / scale_arcsec
    low = [whole_blocks(v - margin, scale_arcsec, floor) for v in places.min(axis=0)]
    high = [whole_blocks(v + margin, scale_arcsec, ceil) for v in places.max(axis=0)]
    return replace(
        draft,
        row_ref=-low[0] - 0.5,
        col_ref=-low[1] - 0.5,
        n_rows=high[0] - low[0],
        n_cols=high[1] - low[1],
    )


def _middle(vectors: NDArray[np.float64]) -> tuple[float, float]:
    """Return the middle of the box around points, north up, deg, rounded to 1e-4."""
    mean = mean_direction(vectors)
    plane = project(vectors, tangent_frame(*mean))
    middle = (plane.min(axis=0) + plane.max(axis=0)) / 2
    ra, dec = plane_to_sky(middle, *mean)
    return round(float(ra), 4) % 360.0, round(float(dec), 4)


def common_region(geometries: Sequence[Geometry]) -> str:
    """Return the S_REGION card of a mosaic: the convex outline of all its exposures."""
    corners = np.concatenate([outline(g, points_per_edge=1) for g in geometries])
    vectors = sky_vectors(corners[:, 0], corners[:, 1])
    plane = project(vectors, tangent_frame(*_middle(vectors)))
    # seen from inside the sphere east is left: from the right it goes round as JWST's do
    around = scipy.spatial.ConvexHull(plane).vertices
    numbers = " ".join(f"{angle:.9f}" for angle in corners[around].ravel())
    return f"POLYGON ICRS  {numbers}"


def pixel_scale(geometry: Geometry) -> float:
    """Return the mean size of an exposure's pixels, arcsec."""
    vertices = outline(geometry, points_per_edge=1)
    vectors = sky_vectors(vertices[:, 0], vertices[:, 1])
    x, y = project(vectors, tangent_frame(*_middle(vectors))).T
    area = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    n_rows, n_cols = geometry.shape
    return float(np.sqrt(area / (n_rows * n_cols)))
