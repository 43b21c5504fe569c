"""The frame of a moving target: the sky turned until the target stands still.

Exposures are aligned by their stars. Then each is turned on the sphere so that its target,
which header cards MT_RA and MT_DEC place at the middle of the exposure, comes to lie where
the target was on average.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import Geometry
from ..exposure.header import SkyPlace
from .geometry import (
    combine_corrections,
    mean_direction,
    plane_to_sky,
    project,
    sky_vectors,
    tangent_frame,
)

_REACH_ARCSEC = 60.0
"""The turn is fitted within this distance of the reference point: half a detector's side."""


def mean_place(places: Sequence[SkyPlace]) -> SkyPlace:
    """Return the mean of the places of a target, one or more."""
    ra, dec = np.transpose(places)
    return SkyPlace(*mean_direction(sky_vectors(ra, dec)))


def follow_target(geometry: Geometry, target: SkyPlace, still: SkyPlace) -> Geometry:
    """Turn an exposure on the sky until its target lies where it is to stand still.

    Parameters
    ----------
    geometry : Geometry
        Aligned.
    target : SkyPlace
        Of the target, at the middle of the exposure.
    still : SkyPlace
        Where the target is to lie.

    Returns
    -------
    Geometry
        The turn, the shortest one, is part of the correction. This is an affine map; what
        of the turn is not affine is below 0.1 mas for motions of less than 10 arcmin.

    Notes
    -----
    The purpose is that of ``jwst``'s ``assign_mtwcs``. That adds the differences in right
    ascension and declination to those of every pixel, which near the poles bends and
    stretches the image; a turn does not.
    """
    pointing = geometry.pointing
    reference = pointing.ra_ref_deg, pointing.dec_ref_deg
    side = _REACH_ARCSEC * np.array([-1.0, 0.0, 1.0])
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    toward = sky_vectors(*plane_to_sky(plane, *reference))
    turned = toward @ _turn(sky_vectors(*target), sky_vectors(*still)).T
    moved = project(turned, tangent_frame(*reference))
    # about the middle, where the shift is the mean and the rest is linear
    shift = moved.mean(axis=0)
    linear = np.linalg.lstsq(plane, moved - shift, rcond=None)[0].T
    turn = np.column_stack([linear, shift])
    return replace(geometry, correction=combine_corrections(geometry.correction, turn))


def _turn(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shortest rotation of one unit vector to another, (3, 3)."""
    x, y, z = np.cross(start, end)
    across = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + across + across @ across / (1.0 + start @ end))
