from dataclasses import replace

import numpy as np
import pytest

from rampline.astrometry.geometry import (
    make_geometry,
    pixel_to_sky,
    sky_to_pixel,
    sky_vectors,
)
from rampline.astrometry.moving_target import follow_target, mean_place
from rampline.exposure.header import SkyPlace

from .fields import CORRECTION, POINTING, READOUT, random_pixels, sky_planes

MAS_PER_RAD = 206264806.0


def aligned(dec_deg=POINTING.dec_ref_deg):
    pointing = replace(POINTING, dec_ref_deg=dec_deg)
    return make_geometry(sky_planes(), pointing, READOUT, CORRECTION)


def rotation_of(start, end):
    """The shortest rotation, by its axis and angle (Rodrigues)."""
    axis = np.cross(start, end)
    angle = np.arctan2(np.linalg.norm(axis), start @ end)
    x, y, z = axis / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


@pytest.mark.parametrize("dec_deg", [-73.4, 0.0, 89.0])
def test_every_pixel_turns_as_the_target_does(rng, dec_deg):
    geometry = aligned(dec_deg)
    target = SkyPlace(*(float(a) for a in pixel_to_sky(geometry, 300.0, 900.0)))
    still = SkyPlace(
        target.ra_deg + 0.1 / np.cos(np.radians(dec_deg)), target.dec_deg - 0.1
    )
    followed = follow_target(geometry, target, still)
    rows, cols = random_pixels(rng, geometry.shape)
    before = sky_vectors(*pixel_to_sky(geometry, rows, cols))
    after = sky_vectors(*pixel_to_sky(followed, rows, cols))
    turn = rotation_of(sky_vectors(*target), sky_vectors(*still))
    assert np.abs(after - before @ turn.T).max() * MAS_PER_RAD < 0.1
    row, col = sky_to_pixel(followed, *still)
    assert (float(row), float(col)) == pytest.approx((300.0, 900.0), abs=1e-3)


def test_a_target_that_stands_still_changes_nothing():
    geometry, place = aligned(), SkyPlace(12.0, -40.0)
    followed = follow_target(geometry, place, place)
    np.testing.assert_allclose(followed.correction, CORRECTION, atol=1e-9)


def test_the_mean_place_lies_between_also_across_the_meridian():
    places = [SkyPlace(359.9, 10.0), SkyPlace(0.1, 10.2)]
    ra, dec = mean_place(places)
    assert (ra + 180) % 360 == pytest.approx(180.0, abs=1e-3)
    assert dec == pytest.approx(10.1, abs=1e-3)
    assert mean_place(places[:1]) == pytest.approx(places[0])
