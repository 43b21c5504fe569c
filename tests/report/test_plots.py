import re

import numpy as np

from rampline.report.plots import HEIGHT, WIDTH, counts_svg, scatter_svg


def _points(svg):
    found = re.findall(
        r'<circle cx="([\d.]+)" cy="([\d.]+)" r="4" fill="#\w+" fill-', svg
    )
    return np.array(found, float)


def test_points_keep_their_order_and_stay_inside(rng):
    x, y = rng.normal(size=(2, 30))
    drawn = _points(scatter_svg({"a": (x, y)}, "x", "y"))
    assert len(drawn) == 30
    assert (np.diff(drawn[np.argsort(x), 0]) >= 0).all()
    assert (np.diff(drawn[np.argsort(y), 1]) <= 0).all()
    assert np.ptp(drawn, axis=0).min() > 200
    assert (drawn >= 0).all()
    assert (drawn <= [WIDTH, HEIGHT]).all()


def test_unknown_points_and_no_points_are_drawn_as_nothing():
    assert len(_points(scatter_svg({"a": ([np.nan, 1.0], [0.0, 2.0])}, "x", "y"))) == 1
    assert len(_points(scatter_svg({}, "x", "y"))) == 0
    assert counts_svg({"a": [np.nan]}, "x", 0.5).endswith("</svg>")


def test_counts_stand_as_high_as_they_are():
    svg = counts_svg({"a": [20.1, 20.2, 20.3, 21.1]}, "mag", 0.5)
    line = re.search(r'points="([^"]+)"', svg)[1]
    heights = np.array([float(pair.split(",")[1]) for pair in line.split()])
    floor = heights.max()
    levels = sorted({round(floor - height, 1) for height in heights})
    assert len(levels) == 3
    assert abs(levels[2] / levels[1] - 3) < 0.01
