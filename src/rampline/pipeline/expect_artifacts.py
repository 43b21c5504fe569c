"""Predict the artifacts of an exposure from its pointing and a table of stars."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..artifacts.claws import BandMagnitudes, ClawParams, expect_claws
from ..artifacts.edge_light import (
    EdgeLightParams,
    NearStars,
    expect_knife_light,
    expect_leaf,
    expect_wall_light,
)
from ..artifacts.expected import Expected
from ..artifacts.far_stars import expect_stripes
from ..artifacts.frames import is_long
from ..artifacts.stars import StarTable, ab_magnitude, filter_wavelength_um
from ..artifacts.tadpoles import TadpoleParams, expect_tadpoles, place_sources
from ..artifacts.wisps import expect_wisps
from ..astrometry.geometry import plane_to_v2v3, sky_to_plane
from ..exposure.header import Header, Pointing
from ..params import Params

GRISMS = ("GRISMR", "GRISMC")


class ExpectParams(Params):
    """Which artifacts are predicted."""

    claws: ClawParams = ClawParams()
    """Light of stars ten degrees away."""
    edges: EdgeLightParams = EdgeLightParams()
    """Light of stars beside a detector."""
    tadpoles: TadpoleParams = TadpoleParams()
    """Images of bright sources on grism exposures."""


def expect_artifacts(
    header: Header, stars: StarTable, params: ExpectParams
) -> Sequence[Expected]:
    """Predict the artifacts that an exposure may show.

    Parameters
    ----------
    header : Header
    stars : StarTable
        Around the field, as far away as stray light comes from. The light of stars that
        are not in the table is not predicted.
    params : ExpectParams

    Returns
    -------
    sequence of Expected
        Corners in pixels of this exposure, from the first pixel of its subarray.
    """
    stars = stars.take(np.flatnonzero(_in_front(header.pointing, stars)))
    telescope = _telescope_arcsec(header.pointing, stars)
    v2, v3 = telescope.T
    mags = (stars.j_mag, stars.h_mag, stars.k_mag)
    far = BandMagnitudes(stars.name, v2 / 3600.0, v3 / 3600.0, *mags)
    wavelength_um = filter_wavelength_um(header.filter)
    ab_mag = ab_magnitude(stars, wavelength_um)
    near = NearStars(stars.name, v2, v3, ab_mag)
    detector = header.detector
    if header.pupil in GRISMS:
        x, y = place_sources(v2, v3)
        optics = (header.filter, header.pupil)
        found = list(expect_tadpoles((x, y, ab_mag), detector, optics, params.tadpoles))
    else:
        found = [
            *expect_wisps(detector, header.filter),
            *expect_wall_light(near, detector, params.edges),
            *expect_leaf(near, detector),
            *expect_stripes(far, detector),
        ]
        if not is_long(detector):
            found += expect_claws(far, detector, header.filter, params.claws)
            found += expect_knife_light(near, detector, params.edges)
    placed = (_in_subarray(item, header) for item in found)
    return [item for item in placed if item is not None]


def _in_front(pointing: Pointing, stars: StarTable) -> NDArray[np.bool_]:
    """Return which stars lie on the hemisphere that the telescope faces."""
    plane = sky_to_plane(stars.ra_deg, stars.dec_deg, pointing)
    return np.asarray(np.isfinite(plane[..., 0]))


def _telescope_arcsec(pointing: Pointing, stars: StarTable) -> NDArray[np.float64]:
    """Return V2 and V3 of stars, (n, 2), arcsec."""
    plane = sky_to_plane(stars.ra_deg, stars.dec_deg, pointing)
    return plane_to_v2v3(plane, pointing)


def _in_subarray(item: Expected, header: Header) -> Expected | None:
    """Return an artifact in the pixels of a subarray; None where it lies outside."""
    readout = header.readout
    if len(item.corners) == 0:
        return item
    corners = item.corners - (readout.col_start, readout.row_start)
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = (readout.n_cols, readout.n_rows)
    if (high < -0.5).any() or (low > np.subtract(size, 0.5)).any():
        return None
    return replace(item, corners=corners)
