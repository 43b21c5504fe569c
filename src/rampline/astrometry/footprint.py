"""The outline of exposures on the sky, and the grid that holds them all.

An exposure's edges are bowed by a few pixels of distortion, so outlines that must cover
everything follow the edges; S_REGION has the four corners, as the archive defines it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from ..exposure.geometry import Geometry
from ..exposure.grid import Grid
from ..units import DEG_PER_ARCSEC
from .geometry import pixel_to_sky, project, sky_vectors, tangent_frame
from .pixel_map import plane_to_grid

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


def s_region(geometry: Geometry) -> str:
    """Return the S_REGION card of an exposure, as the JWST pipeline writes it."""
    corners = outline(geometry, points_per_edge=1)
    return "POLYGON ICRS  " + " ".join(f"{angle:.9f}" for angle in corners.ravel())


def grid_from_footprints(
    geometries: Sequence[Geometry],
    scale_arcsec: float,
    position_angle_deg: float = 0.0,
    margin_px: int = 8,
) -> Grid:
    """Return the smallest tangent grid that holds all exposures.

    Parameters
    ----------
    geometries : sequence of Geometry
        At least one.
    scale_arcsec : float, arcsec
    position_angle_deg : float, deg
        Of the row axis; 0 is north up.
    margin_px : int, pixels
        Left free at each side, so that a later alignment stays inside.

    Returns
    -------
    Grid
        Its tangent point is the middle of the box around all outlines, rounded to
        0.36 arcsec, at a pixel's centre.

    Raises
    ------
    ValueError
        If there are no geometries, or the outlines do not lie within one hemisphere.
    """
    if not geometries:
        raise ValueError("a grid needs at least one exposure")
    vertices = np.concatenate([outline(geometry) for geometry in geometries])
    vectors = sky_vectors(vertices[:, 0], vertices[:, 1])
    ra, dec = _middle(vectors)
    draft = Grid(
        ra_deg=ra,
        dec_deg=dec,
        col_ref=0.0,
        row_ref=0.0,
        scale_arcsec=scale_arcsec,
        position_angle_deg=position_angle_deg,
        n_rows=1,
        n_cols=1,
    )
    pixels = plane_to_grid(project(vectors, tangent_frame(ra, dec)), draft)
    if not np.isfinite(pixels).all():
        raise ValueError("the exposures do not lie on one side of the sky")
    low = np.floor(pixels.min(axis=0)) - margin_px
    high = np.ceil(pixels.max(axis=0)) + margin_px
    n_rows, n_cols = (int(n) for n in high - low + 1)
    return Grid(
        ra_deg=ra,
        dec_deg=dec,
        col_ref=float(-low[1]),
        row_ref=float(-low[0]),
        scale_arcsec=scale_arcsec,
        position_angle_deg=position_angle_deg,
        n_rows=n_rows,
        n_cols=n_cols,
    )


def _middle(vectors: NDArray[np.float64]) -> tuple[float, float]:
    """Return the middle of the box around points, north up, deg, rounded to 1e-4."""
    mean = vectors.mean(axis=0)
    ra = np.degrees(np.arctan2(mean[1], mean[0]))
    dec = np.degrees(np.arctan2(mean[2], np.hypot(mean[0], mean[1])))
    plane = project(vectors, tangent_frame(ra, dec)) * DEG_PER_ARCSEC
    xi, eta = (plane.min(axis=0) + plane.max(axis=0)) / 2
    lift = np.array([1.0, *np.radians([xi, eta])]) @ tangent_frame(ra, dec)
    ra = np.degrees(np.arctan2(lift[1], lift[0])) % 360
    dec = np.degrees(np.arctan2(lift[2], np.hypot(lift[0], lift[1])))
    return round(float(ra), 4) % 360.0, round(float(dec), 4)


def common_region(geometries: Sequence[Geometry]) -> str:
    """Return the S_REGION card of a mosaic: the convex outline of all its exposures."""
    corners = np.concatenate([outline(g, points_per_edge=1) for g in geometries])
    vectors = sky_vectors(corners[:, 0], corners[:, 1])
    plane = project(vectors, tangent_frame(*_middle(vectors)))
    # seen from inside the sphere east is left: from the right it goes round as JWST's do
    around = ConvexHull(plane).vertices
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
