import numpy as np
import pytest
from matplotlib.path import Path

from rampline.numerics.polygon import fill_polygon


def test_a_box_holds_the_pixels_whose_centres_it_holds():
    box = np.array([(0.5, 0.5), (3.5, 0.5), (3.5, 2.5), (0.5, 2.5)])
    filled = fill_polygon(box, (5, 6))
    assert filled.sum() == 3 * 2
    assert filled[1:3, 1:4].all()


def test_what_lies_outside_is_cut_off():
    big = np.array([(-9.0, -9.0), (99.0, -9.0), (99.0, 99.0), (-9.0, 99.0)])
    assert fill_polygon(big, (4, 5)).all()
    assert not fill_polygon(big + 200.0, (4, 5)).any()
    assert not fill_polygon(big[:2], (4, 5)).any()


@pytest.mark.parametrize("n", [3, 5, 8])
def test_it_agrees_with_matplotlib_on_any_polygon(rng, n):
    angle = np.sort(rng.uniform(0, 2 * np.pi, n))
    radius = rng.uniform(5, 25, n)
    corners = 20.3 + np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    y, x = np.mgrid[:40, :40]
    path = Path(np.vstack([corners, corners[:1]]), closed=True)
    wanted = path.contains_points(np.column_stack([x.ravel(), y.ravel()]))
    assert np.array_equal(fill_polygon(corners, (40, 40)), wanted.reshape(40, 40))
