"""Distances between detectors, against aberration of the directions to stars."""

from dataclasses import replace

import erfa
import numpy as np
import pytest

from rampline.astrometry.aberration import MIDDLE_ARCSEC, spread_detectors
from rampline.astrometry.geometry import (
    correct_plane,
    make_geometry,
    plane_to_sky,
    sky_vectors,
    v2v3_to_plane,
)

from .fields import POINTING, READOUT, sky_planes

REFERENCES = {"NRCA1": (120.577, -527.501), "NRCB1": (-122.428, -457.707)}
SUN_FAR_AWAY_AU = 1e12
V_OVER_C = 1e-4


def seen_from_a_moving_telescope(directions, velocity):
    """Return apparent directions (Lorentz; erfa without the bending by the Sun)."""
    slowness = np.sqrt(1.0 - velocity @ velocity)
    return erfa.ab(directions, velocity, SUN_FAR_AWAY_AU, slowness)


def separation_mas(a, b):
    return 2.06264806e8 * 2 * np.arcsin(np.linalg.norm(a - b) / 2)


def place_detectors(va_scale):
    """Return the geometries of two detectors as headers have them."""
    centre = replace(
        POINTING,
        v2_ref_arcsec=MIDDLE_ARCSEC[0],
        v3_ref_arcsec=MIDDLE_ARCSEC[1],
        va_scale=1.0,
    )
    geometries = []
    for v2, v3 in REFERENCES.values():
        plane = v2v3_to_plane(np.array([v2, v3]), centre)
        ra, dec = plane_to_sky(plane, centre.ra_ref_deg, centre.dec_ref_deg)
        pointing = replace(
            POINTING,
            ra_ref_deg=float(ra),
            dec_ref_deg=float(dec),
            v2_ref_arcsec=v2,
            v3_ref_arcsec=v3,
            va_scale=va_scale,
        )
        geometries.append(make_geometry(sky_planes(), pointing, READOUT))
    return geometries


@pytest.mark.parametrize("towards", [1.0, -1.0])
def test_true_distances_between_detectors_have_the_sign_of_the_velocity(towards):
    target = sky_vectors(POINTING.ra_ref_deg, POINTING.dec_ref_deg)
    velocity = towards * V_OVER_C * target
    gamma = 1.0 / np.sqrt(1.0 - V_OVER_C**2)
    geometries = place_detectors(gamma * (1.0 + velocity @ target))
    instrument = [
        sky_vectors(g.pointing.ra_ref_deg, g.pointing.dec_ref_deg) for g in geometries
    ]
    # what the instrument sees at its two places comes from places seen when at rest
    true = separation_mas(
        *(seen_from_a_moving_telescope(d, -velocity) for d in instrument)
    )

    def between(images):
        looks = []
        for image in images:
            reference = image.pointing.v2_ref_arcsec, image.pointing.v3_ref_arcsec
            plane = v2v3_to_plane(np.array(reference), image.pointing)
            plane = correct_plane(plane, image.correction)
            at = image.pointing.ra_ref_deg, image.pointing.dec_ref_deg
            looks.append(sky_vectors(*plane_to_sky(plane, *at)))
        return separation_mas(*looks)

    assert between(spread_detectors(g) for g in geometries) == pytest.approx(
        true, abs=0.01
    )
    assert true - between(geometries) == pytest.approx(towards * 25.3, abs=0.5)


def test_the_shift_is_made_once():
    one, _ = place_detectors(1.0001)
    spread = spread_detectors(one)
    assert not np.array_equal(spread.correction, one.correction)
    assert spread_detectors(spread) is spread
