import numpy as np
import pytest

from rampline.artifacts.tadpoles import TadpoleParams, expect_tadpoles

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
