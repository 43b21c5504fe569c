import math

import numpy as np
import pytest

from rampline.report.legend import (
    ROWS,
    Legend,
    Shades,
    compass_arrows,
    legend_strip,
    round_length,
)


@pytest.mark.parametrize(
    ("longest", "length"), [(0.3, 0.2), (7.9, 5), (10, 10), (19.9, 10), (2.0, 2)]
)
def test_the_ruler_has_a_round_length(longest, length):
    assert round_length(longest) == pytest.approx(length)


def test_with_the_upward_axis_at_east_north_is_to_the_right():
    arrows = compass_arrows(90.0)
    assert arrows["N"] == pytest.approx((1.0, 0.0), abs=1e-12)
    assert arrows["E"] == pytest.approx((0.0, 1.0), abs=1e-12)
    assert compass_arrows(0.0)["E"] == pytest.approx((-1.0, 0.0), abs=1e-12)


def test_the_ruler_is_as_long_as_it_says():
    strip = legend_strip(Legend("", "", 0.1, math.nan), 500, None, 2.0)
    # the longest round length within 75 pixels of 0.05 arcsec
    line = strip[ROWS - 8] > 200
    assert np.count_nonzero(line) == pytest.approx(2 / 0.05, abs=2)


def test_what_is_not_known_is_not_drawn():
    assert not legend_strip(Legend(""), 300, None, 1.0).any()
    strip = legend_strip(Legend("", "DN/s"), 300, Shades(-1.0, 20.0, "asinh"), 1.0)
    assert strip.shape == (ROWS, 300)
    assert strip[: ROWS // 3].max() == 0
    assert strip[ROWS // 2 :].max() > 200
