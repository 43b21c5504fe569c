"""Outlines of exposures on the sky."""

from dataclasses import replace

import numpy as np
import pytest

from rampline.astrometry.footprint import enclosing_cone, outline
from rampline.astrometry.geometry import make_geometry
from tests.astrometry.fields import POINTING, READOUT, bent_optics, sky_planes


@pytest.mark.parametrize("ra_deg", [0.0, 110.0, 359.999])
def test_a_cone_holds_its_field_on_both_sides_of_the_hour_circle_of_zero(ra_deg):
    planes = sky_planes(distortion=bent_optics())
    geometries = [
        make_geometry(
            planes,
            replace(POINTING, ra_ref_deg=(ra_deg + east) % 360.0, dec_ref_deg=-5.0),
            READOUT,
        )
        for east in (-0.01, 0.01)
    ]
    ra, dec, radius = enclosing_cone(geometries)
    assert (ra - ra_deg + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=0.002)
    assert dec == pytest.approx(-5.0, abs=0.002)
    corners = np.concatenate([outline(g, points_per_edge=1) for g in geometries])
    east = (corners[:, 0] - ra + 180.0) % 360.0 - 180.0
    distance = np.hypot(east * np.cos(np.radians(dec)), corners[:, 1] - dec)
    assert radius == pytest.approx(distance.max(), rel=1e-3)
