"""The sources of an image, and reference stars, in the tangent plane of the whole field."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import Geometry
from ..exposure.header import Header
from .geometry import (
    pixel_to_plane,
    plane_to_sky,
    project,
    sky_vectors,
    v2v3_to_plane,
)
from .sources import PointSources

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSources:
    """The sources of one image in the field's tangent plane, by its header.

    Attributes
    ----------
    visit, exposure, detector : str
        Names; images with the same one share that part of the pointing error. ``detector``
        is `detector_name`.
    band : str
        Filter and pupil.
    position : (n, 2) float64, arcsec
    error : (n,) float64, arcsec
        Of the centroid on either axis.
    snr : (n,) float64
    is_star, is_compact : (n,) bool
    centre : (2,) float64, arcsec
        The image's reference point (RA_REF, DEC_REF).
    outline : (4, 2) float64, arcsec
        Corners, in order.
    jacobian : (2, 2) float64
        Derivative of the field plane with the image's own tangent plane.
    axes : (2, 2) float64
        Columns: the telescope's V2 and V3 directions in the field plane.
    """

    visit: str
    exposure: str
    detector: str
    band: str
    position: Points
    error: NDArray[np.float64]
    snr: NDArray[np.float64]
    is_star: NDArray[np.bool_]
    is_compact: NDArray[np.bool_]
    centre: Points
    outline: Points
    jacobian: NDArray[np.float64]
    axes: NDArray[np.float64]


class ReferencePositions(NamedTuple):
    """A reference catalogue in the field's tangent plane."""

    position: Points
    """(n, 2) arcsec"""
    error: NDArray[np.float64]
    """(n,) arcsec on either axis; NaN where unknown"""


def place_sources(
    sources: PointSources,
    geometry: Geometry,
    header: Header,
    frame: NDArray[np.float64],
) -> ImageSources:
    """Lay the sources of one image into the field's tangent plane.

    Parameters
    ----------
    sources : PointSources
    geometry : Geometry
        Usually as the header has it.
    header : Header
        For the names of visit, exposure, detector and filter.
    frame : (3, 3) float64
        Of the field's tangent plane (`geometry.tangent_frame`).
    """
    pointing = geometry.pointing

    def lay(plane: Points) -> Points:
        sky = plane_to_sky(plane, pointing.ra_ref_deg, pointing.dec_ref_deg)
        return project(sky_vectors(*sky), frame)

    def to_field(rows: Points, cols: Points) -> Points:
        return lay(pixel_to_plane(geometry, rows, cols))

    n_rows, n_cols = geometry.shape
    corner_rows = np.array([0, 0, n_rows, n_rows]) - 0.5
    corner_cols = np.array([0, n_cols, n_cols, 0]) - 0.5
    outline = to_field(corner_rows, corner_cols)
    scale = np.sqrt(_area(outline) / (n_rows * n_cols))
    probe = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    own = lay(probe)
    reference = [pointing.v2_ref_arcsec, pointing.v3_ref_arcsec]
    turned = v2v3_to_plane(probe + reference, pointing)
    jacobian = (own[1:] - own[0]).T
    return ImageSources(
        visit=f"{header.program}{header.observation}{header.visit}",
        exposure=header.root.rsplit("_", 1)[0],
        detector=detector_name(header),
        band=f"{header.filter} {header.pupil}",
        position=to_field(sources.rows, sources.cols),
        error=sources.error_px * scale,
        snr=sources.snr,
        is_star=sources.is_star,
        is_compact=sources.is_compact,
        centre=own[0],
        outline=outline,
        jacobian=jacobian,
        axes=jacobian @ (turned[1:] - turned[0]).T,
    )


def detector_name(header: Header) -> str:
    """Return the name under which images share what their distortion has wrong.

    Subarrays see a part of a detector: what bends the whole is another shape on them.
    """
    name = f"{header.detector} {header.filter} {header.pupil}"
    subarray = header.readout.subarray
    return name if subarray == "FULL" else f"{name} {subarray}"


def place_references(
    ra_deg: Points, dec_deg: Points, error_arcsec: Points, frame: NDArray[np.float64]
) -> ReferencePositions:
    """Lay reference stars into the field's tangent plane; far ones are left out.

    Parameters
    ----------
    ra_deg, dec_deg : (n,) float64, deg, ICRS
    error_arcsec : (n,) float64, arcsec
        NaN where unknown.
    frame : (3, 3) float64
    """
    position = project(sky_vectors(ra_deg, dec_deg), frame)
    ahead = np.isfinite(position).all(axis=1)
    return ReferencePositions(position[ahead], error_arcsec[ahead])


def _area(outline: Points) -> float:
    """Return the area of a polygon."""
    x, y = outline.T
    return float(abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2.0)
