import numpy as np
import pytest

from rampline.artifacts.edge_light import (
    EdgeLightParams,
    NearStars,
    expect_knife_light,
    expect_leaf,
    expect_wall_light,
)
from rampline.artifacts.frames import SIDE, pixel_to_telescope

PARAMS = EdgeLightParams()


def beside(detector, x, y, mag):
    v2, v3 = pixel_to_telescope(detector, [x], [y])
    return NearStars(("it",), v2, v3, np.array([mag]))


def at(v2, v3, mag=12.0):
    return NearStars(("it",), np.array([v2]), np.array([v3]), np.array([mag]))


@pytest.mark.parametrize(
    ("detector", "away_px", "mag", "brightness"),
    [
        ("NRCBLONG", 30, 14.0, 0.08),
        ("NRCBLONG", 30, 16.0, 0.013),
        ("NRCA2", 61, 12.0, 0.14),
    ],
)
def test_light_off_the_wall_has_the_brightness_of_the_facts(
    detector, away_px, mag, brightness
):
    (found,) = expect_wall_light(
        beside(detector, 1000, -away_px, mag), detector, PARAMS
    )
    assert found.strength == pytest.approx(brightness, rel=0.05)


@pytest.mark.parametrize(
    ("x", "y", "touched"),
    [(1000, -30, (1000, 0)), (1000, SIDE + 30, (1000, SIDE - 1)), (-30, 900, (0, 900))],
)
def test_the_box_begins_at_the_edge_nearest_to_the_star(x, y, touched):
    (found,) = expect_wall_light(beside("NRCALONG", x, y, 14.0), "NRCALONG", PARAMS)
    low, high = found.corners.min(axis=0), found.corners.max(axis=0)
    assert (low <= touched).all()
    assert (high >= touched).all()
    assert sorted(high - low) == pytest.approx([80, 250], abs=1)


@pytest.mark.parametrize(("away_px", "mag"), [(-5, 12.0), (75, 12.0), (30, 19.0)])
def test_stars_inside_far_outside_or_faint_give_none(away_px, mag):
    stars = beside("NRCBLONG", 1000, -away_px, mag)
    assert not expect_wall_light(stars, "NRCBLONG", PARAMS)


def test_the_knife_edge_sends_light_across_both_detectors():
    stars = at(-166.0, -450.0)
    (near,) = expect_knife_light(stars, "NRCB1", PARAMS)
    (far,) = expect_knife_light(stars, "NRCB3", PARAMS)
    assert near.strength == pytest.approx(0.15, rel=0.02)
    x, y = near.corners.T
    assert x.min() < 1
    assert x.max() == SIDE - 0.5
    # it opens towards the far side: the tilt may be either way
    assert np.ptp(far.corners[:, 1]) > np.ptp(y) > 0
    # 6 arcsec outside or 20, or beyond its rows: none
    for v2, v3 in ((-160.0, -450.0), (-176.0, -450.0), (-166.0, -400.0)):
        assert not expect_knife_light(at(v2, v3), "NRCB1", PARAMS)
    assert not expect_knife_light(stars, "NRCB4", PARAMS)
    assert expect_knife_light(at(163.0, -450.0), "NRCA4", PARAMS)


def test_a_ginkgo_leaf_needs_a_bright_star_at_its_height():
    assert expect_leaf(at(170.0, -453.0), "NRCALONG")
    assert not expect_leaf(at(170.0, -460.0), "NRCALONG")
    assert not expect_leaf(at(170.0, -453.0, 14.0), "NRCALONG")
    assert not expect_leaf(at(170.0, -453.0), "NRCBLONG")
