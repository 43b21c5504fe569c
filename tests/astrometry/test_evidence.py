import numpy as np
import pytest

from rampline.astrometry.evidence import is_inside, overlapping, scatter

SQUARE = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 2.0], [2.0, 0.0]])


@pytest.mark.parametrize("corners", [SQUARE, SQUARE[::-1], np.roll(SQUARE, 1, axis=0)])
def test_inside_is_inside_whatever_the_order_of_the_corners(corners):
    points = np.array([[1.0, 1.0], [3.0, 1.0], [1.0, -0.1], [0.0, 0.0]])
    assert is_inside(points, corners).tolist() == [True, False, False, True]


def moved(x, y):
    return SQUARE + np.array([x, y])


def _overlaps(one, other):
    return overlapping(one, np.stack([other, other + 9.0]))[0]


def test_squares_overlap_only_where_they_share_area():
    assert _overlaps(SQUARE, moved(1.9, 1.9))
    assert not _overlaps(SQUARE, moved(2.0, 0.0))
    assert not _overlaps(SQUARE, moved(0.0, 5.0))
    diamond = np.array([[3.5, 1.0], [5.5, 3.0], [3.5, 5.0], [1.5, 3.0]])
    assert not _overlaps(SQUARE, diamond)
    assert _overlaps(SQUARE, diamond - 1.0)


def test_scatter_is_that_of_one_axis(rng):
    assert scatter(rng.normal(0, 3, (20000, 2))) == pytest.approx(3, rel=0.02)
    assert np.isnan(scatter(np.empty((0, 2))))
