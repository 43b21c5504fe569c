import numpy as np
import pytest

from rampline.artifacts.tadpoles import (
    TadpoleParams,
    expect_heads,
    expect_tadpoles,
    place_sources,
)

OPTICS = ("F322W2", "GRISMC")


def source(x, y, mag):
    return tuple(np.array([value]) for value in (x, y, mag))


def test_the_head_lies_where_the_facts_put_it():
    (found,) = expect_tadpoles(
        source(1000.0, 200.0, 17.0), "NRCBLONG", OPTICS, TadpoleParams()
    )
    assert found.corners.mean(axis=0).tolist() == [960.0, 1585.0]
    assert found.strength == pytest.approx(10.0)


def test_sources_below_the_detector_count():
    below = source(1000.0, -1000.0, 18.0)
    assert expect_tadpoles(below, "NRCBLONG", OPTICS, TadpoleParams())


@pytest.mark.parametrize(
    ("detector", "optics", "y", "mag"),
    [
        ("NRCALONG", OPTICS, 200.0, 17.0),
        ("NRCBLONG", ("F322W2", "GRISMR"), 200.0, 17.0),
        ("NRCBLONG", OPTICS, 1200.0, 17.0),
        ("NRCBLONG", OPTICS, 200.0, 23.0),
    ],
    ids=["other module", "other grism", "head above the frame", "faint"],
)
def test_others_give_none(detector, optics, y, mag):
    assert not expect_tadpoles(
        source(1000.0, y, mag), detector, optics, TadpoleParams()
    )


def test_where_the_offset_is_not_known_the_box_is_wider():
    known, guessed = (
        expect_tadpoles(
            source(1000.0, 200.0, 17.0), "NRCBLONG", (f, "GRISMC"), TadpoleParams()
        )
        for f in ("F444W", "F356W")
    )
    assert np.ptp(guessed[0].corners[:, 0]) > np.ptp(known[0].corners[:, 0])


@pytest.mark.parametrize("place", [(300.0, 1000.0), (1900.0, -600.0), (0.0, -1350.0)])
def test_sources_are_placed_as_the_siaf_does_even_far_below_the_detector(place):
    pysiaf = pytest.importorskip("pysiaf")
    aperture = pysiaf.Siaf("NIRCam")["NRCB5_FULL"]
    v2, v3 = aperture.sci_to_tel(place[0] + 1.0, place[1] + 1.0)
    found = place_sources(np.array([v2]), np.array([v3]))
    assert np.ravel(found) == pytest.approx(place, abs=0.7)


def test_sources_far_away_have_no_place():
    x, y = place_sources(np.array([-89.0, 3600.0]), np.array([-700.0, -490.0]))
    assert np.isnan(x).all()
    assert np.isnan(y).all()


def test_heads_come_brightest_first_and_those_without_a_magnitude_not_at_all():
    sources = (
        np.array([500.0, 900.0, 1300.0]),
        np.zeros(3),
        np.array([19.0, 16.0, np.nan]),
    )
    heads = expect_heads(sources, "NRCBLONG", OPTICS, TadpoleParams())
    assert [head.x for head in heads] == [860.0, 460.0]
