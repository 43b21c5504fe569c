from dataclasses import replace

import numpy as np
import pytest
from astropy.modeling.models import Identity

from rampline.astrometry.geometry import (
    combine_corrections,
    correct_plane,
    make_geometry,
    pixel_to_plane,
    pixel_to_sky,
    pixel_to_v2v3,
    plane_to_sky,
    sky_shift,
    sky_to_pixel,
    sky_to_plane,
    uncorrect_plane,
)

from .fields import (
    CORRECTION,
    POINTING,
    READOUT,
    SMALL,
    SUB640,
    offset_mas,
    random_pixels,
    sky_planes,
)

ON_AXIS = replace(
    POINTING,
    ra_ref_deg=30.0,
    dec_ref_deg=0.0,
    roll_ref_deg=0.0,
    v2_ref_arcsec=0.0,
    v3_ref_arcsec=0.0,
    va_scale=1.0,
)
PIXEL_IS_ARCSEC = {"distortion": Identity(2), "filter_offset_px": (0.0, 0.0)}


def test_without_roll_v2_is_east_and_v3_north():
    geometry = make_geometry(sky_planes(**PIXEL_IS_ARCSEC), ON_AXIS, SMALL)
    ra, dec = pixel_to_sky(geometry, [0.0, 36.0], [36.0, 0.0])
    np.testing.assert_allclose(ra, [30.01, 30.0], atol=1e-9)
    np.testing.assert_allclose(dec, [0.0, 0.01], atol=1e-9)


def test_a_roll_of_ninety_degrees_turns_v3_to_the_east():
    turned = replace(ON_AXIS, roll_ref_deg=90.0)
    geometry = make_geometry(sky_planes(**PIXEL_IS_ARCSEC), turned, SMALL)
    ra, dec = pixel_to_sky(geometry, [36.0], [0.0])
    np.testing.assert_allclose([ra[0], dec[0]], [30.01, 0.0], atol=1e-9)


def test_velocity_aberration_stretches_about_the_reference_point():
    faster = replace(POINTING, va_scale=1.0001)
    slower = replace(POINTING, va_scale=1.0)
    planes = sky_planes()
    at = [
        pixel_to_plane(make_geometry(planes, p, SMALL), 5, 7) for p in (faster, slower)
    ]
    np.testing.assert_allclose(at[0] / at[1], 1.0001, rtol=1e-7)


def test_a_subarray_looks_where_its_pixels_of_the_full_frame_look(rng):
    full = make_geometry(sky_planes(), POINTING, READOUT)
    part = make_geometry(sky_planes(), POINTING, SUB640)
    rows, cols = random_pixels(rng, part.shape)
    here = pixel_to_sky(part, rows, cols)
    there = pixel_to_sky(full, rows + SUB640.row_start, cols + SUB640.col_start)
    assert offset_mas(*here, *there) < 1e-4


def test_the_filter_offset_is_added_to_the_pixel():
    plain = make_geometry(sky_planes(filter_offset_px=(0.0, 0.0)), POINTING, READOUT)
    moved = make_geometry(sky_planes(filter_offset_px=(2.0, -3.0)), POINTING, READOUT)
    np.testing.assert_allclose(
        pixel_to_v2v3(moved, 100, 200), pixel_to_v2v3(plain, 97, 202), atol=1e-9
    )


def test_the_correction_moves_positions_in_the_tangent_plane(rng):
    plain = make_geometry(sky_planes(), POINTING, READOUT)
    moved = replace(plain, correction=CORRECTION)
    rows, cols = random_pixels(rng, plain.shape)
    expected = correct_plane(pixel_to_plane(plain, rows, cols), CORRECTION)
    np.testing.assert_allclose(pixel_to_plane(moved, rows, cols), expected, atol=1e-12)
    sky = plane_to_sky(expected, POINTING.ra_ref_deg, POINTING.dec_ref_deg)
    assert offset_mas(*pixel_to_sky(moved, rows, cols), *sky) < 1e-6


def test_corrections_combine_in_the_order_given(rng):
    other = np.array([[0.999, 2e-3, -0.4], [-1e-3, 1.001, 0.3]])
    plane = rng.normal(0, 60, (50, 2))
    both = combine_corrections(CORRECTION, other)
    one_by_one = correct_plane(correct_plane(plane, CORRECTION), other)
    np.testing.assert_allclose(correct_plane(plane, both), one_by_one, atol=1e-12)
    np.testing.assert_allclose(uncorrect_plane(one_by_one, both), plane, atol=1e-12)


@pytest.mark.parametrize("readout", [READOUT, SUB640, SMALL])
def test_the_sky_leads_back_to_the_pixel(rng, readout):
    geometry = make_geometry(sky_planes(), POINTING, readout, CORRECTION)
    rows, cols = random_pixels(rng, geometry.shape)
    found = sky_to_pixel(geometry, *pixel_to_sky(geometry, rows, cols))
    np.testing.assert_allclose(found, [rows, cols], atol=1e-6)


def test_the_far_side_of_the_sky_has_no_pixel():
    geometry = make_geometry(sky_planes(), POINTING, READOUT)
    rows, cols = sky_to_pixel(geometry, [290.83, 110.83], [73.45, 16.55])
    assert np.isnan(rows).all()
    assert np.isnan(cols).all()
    assert np.isnan(sky_to_plane(290.83, 73.45, POINTING)).all()


@pytest.mark.parametrize("dec", [89.999, -89.999, 0.0])
@pytest.mark.parametrize("ra", [0.001, 359.999, 180.0])
def test_poles_and_the_seam_at_zero_are_no_obstacle(rng, ra, dec):
    place = replace(POINTING, ra_ref_deg=ra, dec_ref_deg=dec)
    geometry = make_geometry(sky_planes(), place, READOUT)
    rows, cols = random_pixels(rng, geometry.shape)
    sky = pixel_to_sky(geometry, rows, cols)
    assert (sky[0] >= 0).all()
    assert (sky[0] < 360).all()
    np.testing.assert_allclose(sky_to_pixel(geometry, *sky), [rows, cols], atol=1e-6)


def test_the_shift_between_dithers_is_that_of_the_sky_to_a_hundredth():
    moved = replace(POINTING, ra_ref_deg=110.86, dec_ref_deg=-73.447)
    here, there = (
        make_geometry(sky_planes(), pointing, READOUT) for pointing in (POINTING, moved)
    )
    row, col = sky_to_pixel(there, *pixel_to_sky(here, [1023.5], [1023.5]))
    shift = sky_shift(POINTING, moved, 0.031)
    expected = [row[0] - 1023.5, col[0] - 1023.5]
    assert np.hypot(*expected) > 500.0
    np.testing.assert_allclose(shift, expected, atol=0.01 * np.hypot(*expected))


def test_the_far_side_of_the_sky_is_not_a_number_of_pixels_away():
    beyond = replace(POINTING, ra_ref_deg=290.83, dec_ref_deg=73.45)
    assert not np.isfinite(sky_shift(POINTING, beyond, 0.031)).any()
