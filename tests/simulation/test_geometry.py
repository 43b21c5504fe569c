import numpy as np
import pytest

from rampline.simulation.geometry import (
    attitude_from,
    camera,
    focal_to_sky,
    roll_at,
    sky_to_focal,
)
from rampline.simulation.siaf import load_apertures

NAMES = ["NRCB1_FULL", "NRCA3_FULL", "NRCB5_FULL", "NRCB1_SUB160", "NRCB5_SUB640"]


@pytest.fixture(scope="module")
def attitude():
    return attitude_from((-88.6, -491.6), (110.83, -73.45), 145.7)


def test_the_reference_point_lands_on_the_target(attitude):
    ra, dec = focal_to_sky(attitude, np.array(-88.6), np.array(-491.6))
    assert abs(ra - 110.83) < 1e-11
    assert abs(dec + 73.45) < 1e-11
    assert abs(roll_at(attitude, -88.6, -491.6) - 145.7) < 1e-10


def test_v3_points_along_the_roll_and_v2_to_its_east():
    attitude = attitude_from((0.0, 0.0), (0.0, 0.0), 90.0)
    ra, dec = focal_to_sky(attitude, np.array([0.0, 10.0]), np.array([10.0, 0.0]))
    # V3 at position angle 90 is east; V2 is then south.
    assert np.allclose(ra[0], 10 / 3600)
    assert abs(dec[0]) < 1e-12
    assert np.allclose(dec[1], -10 / 3600)


def test_the_attitude_is_a_rotation(attitude):
    assert np.allclose(attitude.matrix @ attitude.matrix.T, np.eye(3), atol=1e-14)
    assert np.isclose(np.linalg.det(attitude.matrix), 1.0)


def test_sky_and_focal_plane_are_inverse(attitude, rng):
    v2, v3 = rng.uniform(-120, 120, 100), rng.uniform(-610, -370, 100)
    back = sky_to_focal(attitude, *focal_to_sky(attitude, v2, v3))
    assert np.allclose(back, (v2, v3), atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_pixels_come_back_from_the_sky(attitude, rng, name):
    made = camera(name, attitude, 1.00004)
    row = rng.uniform(-20, made.used.n_rows + 20, 300)
    col = rng.uniform(-20, made.used.n_cols + 20, 300)
    back = made.sky_to_pixel(*made.pixel_to_sky(row, col))
    assert np.abs(np.array(back) - (row, col)).max() < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_focal_plane_and_attitude_are_those_of_pysiaf(attitude, rng, name):
    from pysiaf.utils import rotations

    made = camera(name, attitude)
    row = rng.uniform(0, made.used.n_rows, 50)
    col = rng.uniform(0, made.used.n_cols, 50)
    v2, v3 = made.pixel_to_focal(row, col)
    x, y = col + made.used.col_start + 1, row + made.used.row_start + 1
    full = load_apertures()[made.full.name]
    assert np.allclose(full.sci_to_tel(x, y), (v2, v3), atol=1e-9)
    other = rotations.attitude(-88.6, -491.6, 110.83, -73.45, 145.7)
    expected = rotations.pointing(other, v2, v3)
    assert np.allclose(focal_to_sky(attitude, v2, v3), expected, atol=1e-11)


def test_velocity_aberration_stretches_about_the_reference_point(attitude):
    still = camera("NRCB1_SUB640", attitude)
    moving = camera("NRCB1_SUB640", attitude, 1.0001)
    used = still.used
    row, col = np.array([used.y_ref - 1, 600.0]), np.array([used.x_ref - 1, 600.0])
    a, b = still.pixel_to_sky(row, col), moving.pixel_to_sky(row, col)
    distance = [
        np.hypot((r[1] - r[0]) * np.cos(np.radians(-73.45)), d[1] - d[0])
        for r, d in (a, b)
    ]
    # The subarray's own reference point lies within a thousandth of a pixel of the
    # full frame's polynomial there, so the fixed point is that good.
    assert abs(distance[1] / distance[0] - 1.0001) < 1e-6
    assert abs(a[0][0] - b[0][0]) < 1e-9


def test_the_jacobian_is_the_derivative_of_the_map(attitude):
    made = camera("NRCB5_FULL", attitude)
    place = np.array([300.0]), np.array([1500.0])
    jacobian = made.jacobian_arcsec(*place)[0]
    area = made.pixel_area_sr(*place)[0]
    assert np.isclose(np.sqrt(abs(np.linalg.det(jacobian))), 0.063, rtol=0.02)
    assert np.isclose(area, abs(np.linalg.det(jacobian)) / 206264.806**2, rtol=1e-6)


def test_all_detectors_have_the_areas_of_the_flight_tables(attitude):
    nominal = {"NRCA1": 2.24, "NRCB4": 2.31, "NRCA5": 9.21, "NRCB5": 9.24}
    for name, expected in nominal.items():
        made = camera(f"{name}_FULL", attitude)
        area = made.pixel_area_sr(np.array([1023.5]), np.array([1023.5]))[0]
        assert abs(area * 1e14 / expected - 1) < 0.03


@pytest.mark.parametrize("name", ["NRCB1_FULL", "NRCA5_FULL", "NRCB5_FULL"])
def test_places_far_from_the_detector_never_land_on_it(name, attitude, rng):
    """The polynomial folds back beyond ten detectors; such places have no pixel."""
    used = camera(name, attitude)
    off = rng.uniform(-3000, 3000, (2, 20000))
    far = (np.abs(off) > 100).any(axis=0)
    v2, v3 = off[0] + used.full.v2_ref_arcsec, off[1] + used.full.v3_ref_arcsec
    row, col = used.sky_to_pixel(*focal_to_sky(attitude, v2, v3))
    on = (row > -300) & (row < 2348) & (col > -300) & (col < 2348)
    assert not on[far].any()
    assert np.isfinite(row[np.hypot(*off) < 110]).all()
