"""Where the pixels of an exposure land on a tangent grid.

The grid is FITS TAN: gnomonic coordinates about its tangent point (xi east, eta north),
turned by its position angle and divided by its scale; right is west where north is up.
The map is evaluated at the nodes of the exposure's geometry and interpolated from there.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exposure.geometry import Geometry, PixelMap
from ..exposure.grid import Grid
from ..exposure.header import Card, CardValue
from ..numerics.nodes import interpolate_nodes
from ..units import DEG_PER_ARCSEC
from .geometry import (
    geometry_vectors,
    plane_to_sky,
    project,
    sky_vectors,
    tangent_frame,
)


def map_to_grid(geometry: Geometry, grid: Grid) -> PixelMap:
    """Return where the pixels of an exposure land on a grid.

    Returns
    -------
    PixelMap
        NaN at nodes on the far side of the sky.
    """
    frame = tangent_frame(grid.ra_deg, grid.dec_deg)
    on_grid = project(geometry_vectors(geometry), frame)
    return PixelMap(
        nodes=np.ascontiguousarray(plane_to_grid(on_grid, grid)),
        step=geometry.step,
        origin=geometry.origin,
        shape=geometry.shape,
    )


def map_pixels(
    pixel_map: PixelMap, rows: ArrayLike, cols: ArrayLike
) -> NDArray[np.float64]:
    """Return row and column on the grid of pixels of the exposure, (..., 2)."""
    m = pixel_map
    return interpolate_nodes(m.nodes, m.step, m.origin, rows, cols)


def grid_to_sky(
    grid: Grid, rows: ArrayLike, cols: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascension and declination of pixels of the grid, deg."""
    row, col = np.broadcast_arrays(np.asarray(rows, float), np.asarray(cols, float))
    offset = np.stack([row - grid.row_ref, col - grid.col_ref], axis=-1)
    plane = offset @ _axes(grid) * grid.scale_arcsec
    return plane_to_sky(plane, grid.ra_deg, grid.dec_deg)


def sky_to_grid(
    grid: Grid, ra_deg: ArrayLike, dec_deg: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rows and columns of the grid of sky positions; NaN on the far side."""
    frame = tangent_frame(grid.ra_deg, grid.dec_deg)
    pixels = plane_to_grid(project(sky_vectors(ra_deg, dec_deg), frame), grid)
    return pixels[..., 0], pixels[..., 1]


def plane_to_grid(plane: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Return row and column, (..., 2), of (xi, eta), arcsec, about the tangent point."""
    turned = plane @ _axes(grid).T / grid.scale_arcsec
    return np.asarray(turned + np.array([grid.row_ref, grid.col_ref]))


def _axes(grid: Grid) -> NDArray[np.float64]:
    """Return (xi, eta) of one step along the rows' axis and the columns' axis, (2, 2)."""
    s = np.sin(np.radians(grid.position_angle_deg))
    c = np.cos(np.radians(grid.position_angle_deg))
    return np.array([[s, c], [-c, s]])


def grid_cards(grid: Grid) -> tuple[Card, ...]:
    """Return the FITS TAN cards of a grid, with PC and CDELT as JWST mosaics have them."""
    row, col = _axes(grid)
    scale = grid.scale_arcsec * DEG_PER_ARCSEC
    return (
        Card("WCSAXES", 2, "number of World Coordinate System axes"),
        Card("CRPIX1", grid.col_ref + 1.0, "axis 1 coordinate of the reference pixel"),
        Card("CRPIX2", grid.row_ref + 1.0, "axis 2 coordinate of the reference pixel"),
        Card("CRVAL1", grid.ra_deg, "first axis value at the reference pixel"),
        Card("CRVAL2", grid.dec_deg, "second axis value at the reference pixel"),
        Card("CTYPE1", "RA---TAN", "first axis coordinate type"),
        Card("CTYPE2", "DEC--TAN", "second axis coordinate type"),
        Card("CUNIT1", "deg", "first axis units"),
        Card("CUNIT2", "deg", "second axis units"),
        Card("CDELT1", scale, "first axis increment per pixel"),
        Card("CDELT2", scale, "second axis increment per pixel"),
        Card("PC1_1", float(col[0]), "linear transformation matrix element"),
        Card("PC1_2", float(row[0]), "linear transformation matrix element"),
        Card("PC2_1", float(col[1]), "linear transformation matrix element"),
        Card("PC2_2", float(row[1]), "linear transformation matrix element"),
        Card("RADESYS", "ICRS", "name of the coordinate reference frame"),
        *((Card("GRIDCELL", grid.cell, "tessellation's cell"),) if grid.cell else ()),
    )


def grid_from_cards(cards: Mapping[str, CardValue], n_rows: int, n_cols: int) -> Grid:
    """Return the grid that FITS TAN cards describe.

    Parameters
    ----------
    cards : mapping of keyword to value
        With CD, or with CDELT and (where turned) PC.
    n_rows, n_cols : int

    Raises
    ------
    ValueError
        If a card is missing, the projection is not TAN, the system is not ICRS or FK5, or
        pixels are not square, north-to-east left-handed and without skew to 1e-6.
    """
    types = (cards.get("CTYPE1"), cards.get("CTYPE2"))
    if types != ("RA---TAN", "DEC--TAN"):
        raise ValueError(f"the grid must be RA---TAN, DEC--TAN, not {types}")
    if cards.get("RADESYS", "ICRS") not in ("ICRS", "FK5"):
        raise ValueError(f"the grid must be ICRS, not {cards['RADESYS']}")
    matrix = _cd_matrix(cards)
    scale = np.sqrt(abs(np.linalg.det(matrix)))
    unit = matrix / scale
    angle = np.arctan2(unit[0, 1], unit[1, 1])
    s, c = np.sin(angle), np.cos(angle)
    if not np.allclose(unit, [[-c, s], [s, c]], atol=1e-6):
        raise ValueError("the grid's pixels must be square, without skew, east left")
    return Grid(
        ra_deg=_number(cards, "CRVAL1"),
        dec_deg=_number(cards, "CRVAL2"),
        col_ref=_number(cards, "CRPIX1") - 1.0,
        row_ref=_number(cards, "CRPIX2") - 1.0,
        scale_arcsec=_rounded(scale / DEG_PER_ARCSEC),
        position_angle_deg=_rounded(np.degrees(angle)),
        n_rows=n_rows,
        n_cols=n_cols,
        cell=str(cards.get("GRIDCELL", "")),
    )


def _cd_matrix(cards: Mapping[str, CardValue]) -> NDArray[np.float64]:
    """Return the matrix of pixels to degrees, (2, 2), rows xi and eta."""
    if "CD1_1" in cards:
        names = [["CD1_1", "CD1_2"], ["CD2_1", "CD2_2"]]
        return np.array([[_number(cards, n, 0.0) for n in row] for row in names])
    pc = [
        [_number(cards, "PC1_1", 1.0), _number(cards, "PC1_2", 0.0)],
        [_number(cards, "PC2_1", 0.0), _number(cards, "PC2_2", 1.0)],
    ]
    step = [[_number(cards, "CDELT1")], [_number(cards, "CDELT2")]]
    return np.asarray(np.array(pc) * np.array(step))


def _number(
    cards: Mapping[str, CardValue], keyword: str, absent: float | None = None
) -> float:
    value = cards.get(keyword, absent)
    if not isinstance(value, int | float):
        raise ValueError(f"the grid needs a number in {keyword}, not {value!r}")  # noqa: TRY004
    return float(value)


def _rounded(value: float) -> float:
    """Return a number without the last digits, which the cards' products spoil."""
    return float(f"{value:.12g}")
