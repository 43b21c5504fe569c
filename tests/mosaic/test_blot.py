"""Blot: exact on polynomials, honest at edges, twin, the drizzle package."""

import numpy as np
import pytest

from rampline.mosaic.blot import (
    blot_mask,
    blot_plane,
    blot_rows,
    blot_straight,
    cubic_at,
    curve_blot,
    curve_rows,
    linear_at,
)
from rampline.mosaic.window import lattice_of
from rampline.numerics.nodes import interpolate_nodes

from ..twins import mosaic as twins
from .scenery import affine_map, turned_map


def test_whole_shifts_copy_the_mosaic(rng):
    plane = rng.normal(size=(12, 12)).astype(np.float32)
    for kind in ("cubic", "linear"):
        found = blot_plane(plane, affine_map((6, 6), shift=(3, 2)), kind)
        assert np.allclose(found, plane[3:9, 2:8], rtol=1e-6)


def test_a_cubic_surface_comes_back_from_a_cubic_blot():
    y, x = np.mgrid[:40, :40] / 10
    plane = (1 + y - 2 * x**3 + y**2 * x).astype(np.float32)
    pixel_map = turned_map((16, 16), 30, 1.1, (40, 40))
    m = pixel_map
    place = interpolate_nodes(m.nodes, m.step, m.origin, *np.indices(m.shape)) / 10
    v, u = place[..., 0], place[..., 1]
    truth = 1 + v - 2 * u**3 + v**2 * u
    assert blot_plane(plane, m, "cubic") == pytest.approx(truth, rel=1e-5)
    assert np.abs(blot_plane(plane, m, "linear") - truth).max() > 1e-3


def test_off_the_grid_and_next_to_a_hole_nothing_is_known():
    plane = np.ones((10, 10), np.float32)
    plane[5, 5] = np.nan
    found = blot_plane(plane, affine_map((10, 10), shift=(0.5, 0.5)))
    assert np.argwhere(np.isnan(found)).tolist() == [[4, 4], [4, 5], [5, 4], [5, 5]]
    found = blot_plane(plane, affine_map((10, 10), shift=(-3, 0)))
    assert np.isnan(found[:3]).all()


def test_a_mask_reaches_every_pixel_that_it_touches():
    mask = np.zeros((10, 10), np.bool_)
    mask[4, 4] = True
    found = blot_mask(mask, affine_map((10, 10), shift=(0.5, 0.0)))
    assert np.argwhere(found).tolist() == [[3, 4], [4, 4]]


@pytest.mark.parametrize("cubic", [True, False])
def test_the_kernel_does_as_its_twin(rng, cubic):
    plane = rng.normal(size=(30, 30)).astype(np.float32)
    plane[rng.random(plane.shape) < 0.03] = np.nan
    lattice = lattice_of(turned_map((24, 26), 25, 1.2, (30, 30), bend=0.5))
    fast, slow = np.empty((2, 12, 26), np.float32)
    blot_rows(plane, lattice, 9, cubic, fast)
    twins.blot_rows(plane, lattice, 9, cubic, slow)
    assert np.allclose(fast, slow, rtol=1e-5, atol=1e-6, equal_nan=True)
    assert np.isnan(fast).any()
    assert np.isfinite(fast).any()


def test_values_between_pixels_are_those_of_the_twins(rng):
    plane = rng.normal(size=(9, 9)).astype(np.float32)
    for row, col in rng.uniform(0, 8, (50, 2)):
        assert linear_at(plane, row, col) == pytest.approx(
            twins.linear_at(plane, row, col), abs=1e-6
        )
        assert cubic_at(plane, row, col) == pytest.approx(
            twins.cubic_at(plane, row, col), abs=1e-6, nan_ok=True
        )


@pytest.mark.parametrize(("ours", "theirs"), [("linear", "linear"), ("cubic", "poly3")])
def test_the_drizzle_package_blots_the_same(rng, ours, theirs):
    resample = pytest.importorskip("drizzle.resample")
    plane = rng.normal(size=(60, 60)).astype(np.float32)
    m = turned_map((40, 40), 20, 1.03, (60, 60))
    places = interpolate_nodes(m.nodes, m.step, m.origin, *np.indices(m.shape))[
        ..., ::-1
    ]
    peer = resample.blot_image(plane, places, interp=theirs)
    # the package holds positions in float32
    assert blot_plane(plane, m, ours) == pytest.approx(peer, abs=1e-4)


def test_blots_of_some_rows_are_those_of_the_whole_curved_where_asked(rng):
    plane = rng.normal(size=(40, 40)).astype(np.float32)
    plane[rng.random(plane.shape) < 0.02] = np.nan
    pixel_map = turned_map((30, 26), 25, 1.2, (40, 40), bend=0.5)
    rows, where = slice(4, 21), rng.random((17, 26)) < 0.3
    straight = blot_straight(plane, pixel_map, rows)
    curved = curve_blot(plane, pixel_map, rows, straight, where)
    linear, cubic = (blot_plane(plane, pixel_map, k)[rows] for k in ("linear", "cubic"))
    assert np.array_equal(straight, linear, equal_nan=True)
    assert np.array_equal(curved, np.where(where, cubic, linear), equal_nan=True)
    assert np.mean(curved[where] != straight[where]) > 0.5
    fast, slow = straight.copy(), straight.copy()
    curve_rows(plane, lattice_of(pixel_map), 4, where, fast)
    twins.curve_rows(plane, lattice_of(pixel_map), 4, where, slow)
    assert np.allclose(fast, slow, rtol=1e-5, atol=1e-6, equal_nan=True)
