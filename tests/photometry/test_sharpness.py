import numpy as np
import pytest

from rampline.photometry.labelled_image import LabelledImage
from rampline.photometry.point_source import PointSource, predict_point_source
from rampline.photometry.sharpness import (
    SharpnessParams,
    expected_variances,
    find_too_sharp,
    measure_widths,
)

from .scenes import gaussian_stars

DEFAULT = SharpnessParams()
F200W = predict_point_source(0.065, 0.031, 1.0, 0.03)


def _image(sky, err=1.0):
    plane = np.full(sky.shape, err, np.float32)
    labels = np.zeros(sky.shape, np.int32)
    return LabelledImage(sky.astype(np.float32), plane, labels)


def _find(sky, places, params=DEFAULT, star=F200W):
    return find_too_sharp(_image(sky), np.array(places, float), star, 1.0, params)


def test_a_gaussian_has_half_its_variance_in_a_window_of_its_width():
    star = PointSource(lambda_d_px=2.0, native_px=1.0, drop_px=1.0, fwhm_px=2.3548 * 2)
    sky = gaussian_stars((41, 41), [20.3], [19.8], [1e4], sigma=2.0)
    found = measure_widths(_image(sky), np.array([[20.0, 20.0]]), star, 1.0)
    assert found.variance[0] == pytest.approx(2.0, rel=0.02)


def test_one_pixel_is_too_sharp_and_a_star_is_not():
    sky = gaussian_stars((64, 64), [40], [40], [500], sigma=F200W.fwhm_px / 2.3548)
    sky[20:22, 20:22] = 60.0
    np.testing.assert_array_equal(_find(sky, [(20, 20), (40, 40)]), [True, False])


def test_a_track_along_a_row_is_too_sharp():
    sky = np.zeros((64, 64))
    sky[30, 20:30] = 80.0
    assert _find(sky, [(30, 25)])[0]


def test_faint_detections_get_the_benefit_of_the_doubt():
    sky = np.zeros((32, 32))
    sky[16, 16] = 4.0
    assert not _find(sky, [(16, 16)])[0]


def _with_holes(sky, holes):
    image = _image(sky)
    for plane in image[:2]:
        plane[tuple(np.transpose(holes))] = np.nan
    return image


def test_one_pixel_beside_a_missing_one_is_too_sharp():
    sky = np.zeros((32, 32))
    sky[16:18, 14:16] = 100.0
    image = _with_holes(sky, [(18, 14), (13, 17), (16, 17)])
    places = np.array([[16.0, 15.0]])
    assert find_too_sharp(image, places, F200W, 1.0, DEFAULT)[0]


def test_a_star_keeps_its_width_whatever_pixel_is_missing():
    sigma = F200W.fwhm_px / 2.3548
    sky = gaussian_stars((32, 32), [16.2], [15.7], [1e4], sigma=sigma)
    places = np.array([[16.0, 16.0]])
    for hole in np.ndindex(5, 5):
        image = _with_holes(sky, [np.add(hole, 14)])
        assert not find_too_sharp(image, places, F200W, 1.0, DEFAULT)[0]
        width = measure_widths(image, places, F200W, 1.0).variance[0]
        assert width > 0.8 * sigma**2 / 2


def test_what_lacks_its_core_is_not_judged():
    sky = np.zeros((32, 32))
    sky[16, 14:18] = 100.0
    image = _with_holes(sky, [(i, j) for i in (15, 16, 17) for j in (14, 15, 16)])
    assert not find_too_sharp(image, np.array([[16.0, 15.0]]), F200W, 1.0, DEFAULT)[0]


def test_it_can_be_left_out():
    sky = np.zeros((32, 32))
    sky[16, 16] = 400.0
    assert not _find(sky, [(16, 16)], SharpnessParams(enabled=False))[0]
    assert _find(sky, np.empty((0, 2))).shape == (0,)


def test_where_stars_are_as_sharp_as_pixels_the_limits_meet():
    undersampled = predict_point_source(0.024, 0.031, 1.0, 0.03)
    pixel, star = expected_variances(undersampled)
    wide_pixel, wide_star = expected_variances(F200W)
    assert pixel < star < 1.5 * pixel
    assert wide_star > 2.5 * wide_pixel


def test_drizzled_stars_of_all_phases_are_kept(rng):
    """Stars sampled by coarse pixels of one exposure, seen on the mosaic's pixels."""
    from rampline.photometry.point_source import radial_profile

    for band in (0.0286, 0.065):
        star = predict_point_source(band, 0.031, 1.0, 0.031)
        lag = np.arange(-8, 9)
        for dy, dx in rng.uniform(-0.5, 0.5, (20, 2)):
            radius = np.hypot((lag - dy)[:, None], lag - dx)
            light = radial_profile(radius.ravel(), star.lambda_d_px, (1.0,))
            sky = 1e5 * light.reshape(radius.shape)
            # a shift of half a pixel against the mosaic: each drop falls on four pixels
            sky = (sky + np.roll(sky, 1, 0) + np.roll(sky, 1, 1)) / 3
            assert not _find(sky, [(8.5, 8.5)], star=star)[0]
