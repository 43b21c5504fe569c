"""From pixels to the sky and back, without ``gwcs``.

Pixel -> (subarray offset, filter offset, distortion) -> V2, V3 -> differential velocity
aberration, a scale about (V2_REF, V3_REF) -> standard coordinates (xi east, eta north) in
the tangent plane at (RA_REF, DEC_REF), turned there by ROLL_REF -> alignment, an affine
map in that plane -> ICRS. This is the chain of the JWST pipeline's ``assign_wcs`` and the
plane in which ``tweakwcs`` corrects it. The distortion is evaluated at the nodes only.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exposure.geometry import Geometry
from ..exposure.header import Pointing
from ..exposure.planes import SkyPlanes
from ..exposure.timing import Readout
from ..numerics.nodes import count_nodes, interpolate_nodes, invert_nodes
from ..params import Params
from ..units import ARCSEC_PER_RAD

NODE_STEP = 32
"""Cubics from nodes 32 pixels apart are good to 1e-7 pixels for NIRCam's distortion."""

Vectors = NDArray[np.float64]


class GeometryParams(Params):
    """The geometry has no parameters: header and reference files determine it."""


def make_geometry(
    planes: SkyPlanes,
    pointing: Pointing,
    readout: Readout,
    correction: NDArray[np.float64] | None = None,
) -> Geometry:
    """Evaluate the distortion of one exposure at the nodes.

    Parameters
    ----------
    planes : SkyPlanes
        For the distortion, full-frame 0-based pixels (x, y) to V2 and V3 in arcsec, and the
        filter's offset in pixels, added to the pixel before the distortion.
    pointing : Pointing
    readout : Readout
        For the frame's size and the subarray's place.
    correction : (2, 3) float64, arcsec, or None
        Alignment, as in `Geometry`.
    """
    shape = (readout.n_rows, readout.n_cols)
    rows, cols = node_positions(shape)
    x = cols[None, :] + readout.col_start + planes.filter_offset_px[0]
    y = rows[:, None] + readout.row_start + planes.filter_offset_px[1]
    x, y = np.broadcast_arrays(x, y)
    v2, v3 = planes.distortion(x, y)
    geometry = Geometry(
        v2v3_arcsec=np.stack([v2, v3], axis=-1),
        step=NODE_STEP,
        origin=-NODE_STEP,
        shape=shape,
        pointing=pointing,
    )
    return geometry if correction is None else replace(geometry, correction=correction)


def node_positions(
    shape: tuple[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rows and the columns of the nodes of a frame, pixels."""
    rows, cols = (
        -NODE_STEP + NODE_STEP * np.arange(count_nodes(n, NODE_STEP, -NODE_STEP))
        for n in shape
    )
    return rows.astype(np.float64), cols.astype(np.float64)


def pixel_to_v2v3(geometry: Geometry, rows: ArrayLike, cols: ArrayLike) -> Vectors:
    """Return V2 and V3 of pixels, (..., 2), arcsec, before velocity aberration."""
    g = geometry
    return interpolate_nodes(g.v2v3_arcsec, g.step, g.origin, rows, cols)


def pixel_to_plane(geometry: Geometry, rows: ArrayLike, cols: ArrayLike) -> Vectors:
    """Return aligned standard coordinates of pixels, (..., 2): xi, eta, arcsec.

    The plane touches the sky at (RA_REF, DEC_REF); xi grows to the east, eta to the north.
    Alignments are fitted here.
    """
    v2v3 = pixel_to_v2v3(geometry, rows, cols)
    return correct_plane(v2v3_to_plane(v2v3, geometry.pointing), geometry.correction)


def pixel_to_sky(
    geometry: Geometry, rows: ArrayLike, cols: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where pixels look.

    Parameters
    ----------
    geometry : Geometry
    rows, cols : (...,) float, pixels
        0-based, pixel centres at integers; up to one node step beyond the frame.

    Returns
    -------
    ra, dec : (...,) float64, deg, ICRS
        Equal to the exposure's GWCS to better than 1e-3 mas.
    """
    plane = pixel_to_plane(geometry, rows, cols)
    pointing = geometry.pointing
    return plane_to_sky(plane, pointing.ra_ref_deg, pointing.dec_ref_deg)


def sky_to_pixel(
    geometry: Geometry, ra_deg: ArrayLike, dec_deg: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rows and columns of sky positions.

    Parameters
    ----------
    geometry : Geometry
    ra_deg, dec_deg : (...,) float, deg, ICRS

    Returns
    -------
    rows, cols : (...,) float64, pixels
        May lie outside the frame, where they soon lose their meaning; NaN for positions more
        than one frame away.
    """
    g = geometry
    plane = sky_to_plane(ra_deg, dec_deg, g.pointing)
    v2v3 = plane_to_v2v3(uncorrect_plane(plane, g.correction), g.pointing)
    found = invert_nodes(g.v2v3_arcsec, g.step, g.origin, v2v3)
    return found[..., 0], found[..., 1]


def correct_plane(plane: Vectors, correction: NDArray[np.float64]) -> Vectors:
    """Return standard coordinates moved by an alignment, (..., 2), arcsec."""
    return np.asarray(plane @ correction[:, :2].T + correction[:, 2])


def uncorrect_plane(plane: Vectors, correction: NDArray[np.float64]) -> Vectors:
    """Invert `correct_plane`."""
    shifted = plane - correction[:, 2]
    return np.asarray(shifted @ np.linalg.inv(correction[:, :2]).T)


def combine_corrections(
    first: NDArray[np.float64], then: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the (2, 3) alignment that does ``first`` and ``then`` one after the other."""
    linear = then[:, :2] @ first[:, :2]
    shift = then[:, :2] @ first[:, 2] + then[:, 2]
    return np.column_stack([linear, shift])


def v2v3_to_plane(v2v3: Vectors, pointing: Pointing) -> Vectors:
    """Return standard coordinates of V2, V3: aberrate, turn, project.

    Parameters
    ----------
    v2v3 : (..., 2) float64, arcsec
    pointing : Pointing

    Returns
    -------
    (..., 2) float64, arcsec
    """
    reference = np.array([pointing.v2_ref_arcsec, pointing.v3_ref_arcsec])
    aberrated = reference + pointing.va_scale * (v2v3 - reference)
    turned = _unit_vectors(aberrated / ARCSEC_PER_RAD) @ _to_axis(pointing).T
    return np.asarray(turned[..., 1:] / turned[..., :1] * ARCSEC_PER_RAD)


def plane_to_v2v3(plane: Vectors, pointing: Pointing) -> Vectors:
    """Invert `v2v3_to_plane`."""
    angles = _angles(_lift(plane) @ _to_axis(pointing)) * ARCSEC_PER_RAD
    reference = np.array([pointing.v2_ref_arcsec, pointing.v3_ref_arcsec])
    return np.asarray(reference + (angles - reference) / pointing.va_scale)


def plane_to_sky(
    plane: Vectors, ra_deg: float, dec_deg: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sky positions of gnomonic coordinates.

    Parameters
    ----------
    plane : (..., 2) float64, arcsec
        xi and eta.
    ra_deg, dec_deg : float, deg
        The tangent point.

    Returns
    -------
    ra, dec : (...,) float64, deg
        Right ascension from 0 to 360.
    """
    return _vectors_to_sky(_lift(plane) @ tangent_frame(ra_deg, dec_deg))


def geometry_vectors(geometry: Geometry) -> Vectors:
    """Return the directions of the nodes, (node_rows, node_cols, 3), ICRS, of any length."""
    pointing = geometry.pointing
    plane = v2v3_to_plane(geometry.v2v3_arcsec, pointing)
    lifted = _lift(correct_plane(plane, geometry.correction))
    frame = tangent_frame(pointing.ra_ref_deg, pointing.dec_ref_deg)
    return np.asarray(lifted @ frame)


def sky_to_plane(ra_deg: ArrayLike, dec_deg: ArrayLike, pointing: Pointing) -> Vectors:
    """Return standard coordinates about (RA_REF, DEC_REF), (..., 2), arcsec.

    NaN on the far side of the sky.
    """
    frame = tangent_frame(pointing.ra_ref_deg, pointing.dec_ref_deg)
    return project(sky_vectors(ra_deg, dec_deg), frame)


def sky_shift(
    pointing: Pointing, other: Pointing, pixel_arcsec: float
) -> tuple[float, float]:
    """Return how far a piece of sky is moved from one exposure to another of a detector.

    By the pointings and the nominal scale: good to 1 % of the shift.

    Parameters
    ----------
    pointing, other : Pointing
        Of the same aperture, not turned against each other.
    pixel_arcsec : float, arcsec

    Returns
    -------
    rows, cols : float, pixels
        To be added to a position in the first; NaN on the far side of the sky.
    """
    plane = sky_to_plane(pointing.ra_ref_deg, pointing.dec_ref_deg, other)
    reference = (other.v2_ref_arcsec, other.v3_ref_arcsec)
    v2, v3 = plane_to_v2v3(plane, other) - reference
    angle = np.radians(other.v3i_yang_deg)
    x = other.vparity * (v2 * np.cos(angle) - v3 * np.sin(angle))
    y = v2 * np.sin(angle) + v3 * np.cos(angle)
    return float(y / pixel_arcsec), float(x / pixel_arcsec)


def sky_vectors(ra_deg: ArrayLike, dec_deg: ArrayLike) -> Vectors:
    """Return ICRS unit vectors, (..., 3)."""
    ra, dec = np.broadcast_arrays(
        np.asarray(ra_deg, np.float64), np.asarray(dec_deg, np.float64)
    )
    return _unit_vectors(np.radians(np.stack([ra, dec], axis=-1)))


def mean_direction(vectors: Vectors) -> tuple[float, float]:
    """Return right ascension, from 0 to 360, and declination of a mean of vectors, deg.

    A mean of right ascensions would be wrong where the vectors lie on both sides of 0 h.

    Parameters
    ----------
    vectors : (n, 3) float64
        ICRS, of equal length.
    """
    ra, dec = _vectors_to_sky(vectors.mean(axis=0))
    return float(ra), float(dec)


def tangent_frame(ra_deg: float, dec_deg: float) -> NDArray[np.float64]:
    """Return the rows outward, east and north at a point of the sky, (3, 3)."""
    (sa, sd) = np.sin(np.radians([ra_deg, dec_deg]))
    (ca, cd) = np.cos(np.radians([ra_deg, dec_deg]))
    return np.array([[cd * ca, cd * sa, sd], [-sa, ca, 0.0], [-sd * ca, -sd * sa, cd]])


def project(vectors: Vectors, frame: NDArray[np.float64]) -> Vectors:
    """Return gnomonic coordinates of unit vectors in a tangent frame, (..., 2), arcsec.

    NaN on the far side, where the projection (FITS TAN) does not exist.
    """
    turned = vectors @ frame.T
    outward = np.where(turned[..., :1] > 0, turned[..., :1], np.nan)
    return np.asarray(turned[..., 1:] / outward * ARCSEC_PER_RAD)


def _to_axis(pointing: Pointing) -> NDArray[np.float64]:
    """Return the rotation of (V1, V2, V3) to outward, east, north at the reference point.

    East and north are the sky's: a roll of zero puts V3 north and V2 east.
    """
    v2 = pointing.v2_ref_arcsec / ARCSEC_PER_RAD
    v3 = pointing.v3_ref_arcsec / ARCSEC_PER_RAD
    roll_ref = np.radians(pointing.roll_ref_deg)
    s, c = np.sin(roll_ref), np.cos(roll_ref)
    roll = np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])
    return np.asarray(roll @ tangent_frame(*np.degrees([v2, v3])))


def _unit_vectors(angles: NDArray[np.float64]) -> Vectors:
    """Return (..., 3) unit vectors of (..., 2) longitudes and latitudes, rad."""
    lon, lat = angles[..., 0], angles[..., 1]
    flat = np.cos(lat)
    return np.stack([flat * np.cos(lon), flat * np.sin(lon), np.sin(lat)], axis=-1)


def _vectors_to_sky(
    vectors: Vectors,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascension, from 0 to 360, and declination, deg."""
    angles = np.degrees(_angles(vectors))
    return np.asarray(angles[..., 0] % 360.0), angles[..., 1]


def _angles(vectors: Vectors) -> NDArray[np.float64]:
    """Return (..., 2) longitudes and latitudes, rad, of vectors of any length."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))], axis=-1)


def _lift(plane: Vectors) -> Vectors:
    """Return (1, xi, eta) in radians for gnomonic coordinates in arcsec."""
    ones = np.ones((*plane.shape[:-1], 1))
    return np.concatenate([ones, plane / ARCSEC_PER_RAD], axis=-1)
