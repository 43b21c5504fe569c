"""The tessellation: every place has a cell, every cell one tangent point."""

from math import ceil, floor

import numpy as np
import pytest

from rampline.astrometry.geometry import sky_vectors
from rampline.astrometry.tessellation import (
    nearest_cell,
    tangent_point,
    whole_blocks,
)


def test_no_place_is_farther_from_its_tangent_point_than_half_a_diagonal(rng):
    ra, dec = rng.uniform(0, 360, 2000), np.degrees(np.arcsin(rng.uniform(-1, 1, 2000)))
    dec[:4] = -90.0, 90.0, 89.9, -89.7
    middles = [tangent_point(nearest_cell(a, d)) for a, d in zip(ra, dec, strict=True)]
    there = sky_vectors(*np.array(middles).T)
    cosine = np.sum(sky_vectors(ra, dec) * there, axis=1)
    assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 0.45


def test_the_middle_of_a_cell_is_in_it():
    for cell in ("000x000", "033x115", "180x719", "360x000"):
        assert nearest_cell(*tangent_point(cell)) == cell
    assert nearest_cell(359.9, 0.0) == nearest_cell(0.1, 0.0) == "180x000"


@pytest.mark.parametrize("name", ["", "33x115", "361x000", "000x001", "north"])
def test_a_cell_that_is_not_there_is_refused(name):
    with pytest.raises(ValueError, match="no cell"):
        tangent_point(name)


def test_edges_move_to_whole_blocks():
    assert whole_blocks(-41.0, 0.03, floor) == -80
    assert whole_blocks(-40.0, 0.03, floor) == -40
    assert whole_blocks(59.1, 0.02, ceil) == 60
    # 1.2 arcsec are 17.1 pixels of 0.07
    assert whole_blocks(18.0, 0.07, ceil) == 34
    assert whole_blocks(3.2, 5.0, ceil) == 4
