import numpy as np
import pytest

from rampline.artifacts.expected import box, surface_brightness, within_frame
from rampline.artifacts.frames import SIDE


def area(corners):
    x, y = corners.T
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


def test_a_box_across_a_corner_is_cut_to_the_frame():
    cut = within_frame(box((-100.5, 99.5), (SIDE - 50.5, SIDE + 100.0)))
    assert cut.min(axis=0).tolist() == [-0.5, SIDE - 50.5]
    assert area(cut) == pytest.approx(100 * 50)


def test_what_lies_inside_stays_and_what_lies_outside_goes():
    inside = box((10, 20), (30, 50))
    assert area(within_frame(inside)) == pytest.approx(200)
    assert len(within_frame(box((-30, -10), (5, 6)))) == 0


def test_light_spread_over_a_steradian_is_the_flux():
    # AB 8.9 is 1 Jy; 1e12 square arcseconds are 23.5 sr
    found = surface_brightness(8.9, 1.0, 206264.806**2)
    assert found == pytest.approx(1e-6, rel=1e-3)
