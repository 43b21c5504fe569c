from dataclasses import replace
from math import atan, cos, radians

import pytest

from rampline.exposure.grid import Grid

GRID = Grid(
    ra_deg=110.8,
    dec_deg=-73.45,
    col_ref=49.5,
    row_ref=24.5,
    scale_arcsec=0.03,
    n_rows=50,
    n_cols=100,
)


def test_a_pixel_at_the_tangent_point_has_the_area_of_its_scale():
    assert GRID.pixel_area_sr == pytest.approx(radians(0.03 / 3600.0) ** 2, rel=1e-9)


def test_far_from_the_tangent_point_the_area_falls_with_the_cube_of_the_cosine():
    beside = 0.1 / radians(0.03 / 3600.0)
    far = replace(GRID, col_ref=GRID.col_ref - beside)
    ratio = far.pixel_area_sr / GRID.pixel_area_sr
    assert ratio == pytest.approx(cos(atan(0.1)) ** 3, rel=1e-9)
