import numpy as np
import pytest

from rampline.photometry.detection import DetectionParams, detect_sources

from .scenes import FWHM_PX, gaussian_stars


def _noisy(rng, stars, err=1.0):
    noise = rng.normal(0, err, stars.shape).astype(np.float32)
    return stars + noise, np.full(stars.shape, err, np.float32)


def test_stars_are_found_where_they_are_and_nowhere_else(rng):
    rows, cols = np.array([[30, 100, 160, 60], [40, 150, 60, 170]])
    stars = gaussian_stars((200, 200), rows, cols, [60, 60, 200, 1000])
    found = detect_sources(*_noisy(rng, stars), FWHM_PX, DetectionParams())
    assert found.labels.max() == 4
    assert (found.labels[rows, cols] > 0).all()


def test_pure_noise_has_no_sources(rng):
    blank = np.zeros((800, 800), np.float32)
    found = detect_sources(*_noisy(rng, blank), FWHM_PX, DetectionParams())
    # 5 sigma on some 3e4 independent places: 0.01 expected
    assert found.labels.max() == 0
    assert found.noise_scale == pytest.approx(1.0, abs=0.02)


def test_errors_that_are_too_small_do_not_make_sources(rng):
    sky, err = _noisy(rng, np.zeros((800, 800), np.float32))
    found = detect_sources(sky, err / 2, FWHM_PX, DetectionParams())
    assert found.labels.max() == 0
    assert found.noise_scale == pytest.approx(2.0, abs=0.04)


def test_two_stars_that_touch_are_separated(rng):
    stars = gaussian_stars((100, 100), [50, 50], [46, 54], [3000, 3000])
    found = detect_sources(*_noisy(rng, stars), FWHM_PX, DetectionParams())
    assert found.labels.max() == 2
    assert found.labels[50, 46] != found.labels[50, 54]


def test_a_speck_that_repeats_around_a_star_is_part_of_the_star(rng):
    angle = np.radians(20 + 60 * np.arange(6))
    rows, cols = 100 + 12 * np.sin(angle), 100 + 12 * np.cos(angle)
    specks = gaussian_stars((201, 201), rows, cols, [400] * 6)
    wings = gaussian_stars((201, 201), [100], [100], [4e5], sigma=4.0)
    sky, err = _noisy(rng, specks + wings)
    found = detect_sources(sky, err, FWHM_PX, DetectionParams())
    assert found.labels.max() == 1
    lone = gaussian_stars((201, 201), rows[:1], cols[:1], [6000])
    found = detect_sources(sky + lone, err, FWHM_PX, DetectionParams())
    assert found.labels.max() == 2


def test_a_slope_of_the_background_is_followed(rng):
    stars = gaussian_stars((512, 512), [256], [300], [100])
    slope = np.linspace(0, 20, 512, dtype=np.float32)[:, None]
    sky, err = _noisy(rng, stars)
    found = detect_sources(sky + slope, err, FWHM_PX, DetectionParams())
    assert found.labels.max() == 1


def test_pixels_without_data_belong_to_nobody(rng):
    sky, err = _noisy(rng, gaussian_stars((64, 64), [20], [20], [500]))
    sky[:, 40:] = np.nan
    found = detect_sources(sky, err, FWHM_PX, DetectionParams())
    assert found.labels.max() == 1
    assert not found.labels[:, 40:].any()
    empty = np.full((64, 64), np.nan, np.float32)
    assert not detect_sources(empty, empty, FWHM_PX, DetectionParams()).labels.any()
