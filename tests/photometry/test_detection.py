import numpy as np
import pytest

from rampline.photometry.detection import (
    DeblendingParams,
    Steps,
    detect_sources,
)
from rampline.photometry.point_source import PointSource

from .scenes import FWHM_PX, gaussian_stars

STAR = PointSource(lambda_d_px=2.3, native_px=1.0, drop_px=1.0, fwhm_px=FWHM_PX)


def _noisy(rng, stars, err=1.0):
    noise = rng.normal(0, err, stars.shape).astype(np.float32)
    return stars + noise, np.full(stars.shape, err, np.float32)


def test_stars_are_found_where_they_are_and_nowhere_else(rng):
    rows, cols = np.array([[30, 100, 160, 60], [40, 150, 60, 170]])
    stars = gaussian_stars((200, 200), rows, cols, [60, 60, 200, 1000])
    found = detect_sources(*_noisy(rng, stars), STAR, Steps())
    assert found.labels.max() == 4
    assert (found.labels[rows, cols] > 0).all()
    assert not found.is_blended.any()


def test_pure_noise_has_no_sources(rng):
    blank = np.zeros((800, 800), np.float32)
    found = detect_sources(*_noisy(rng, blank), STAR, Steps())
    # 5 sigma on some 1e5 independent places: 0.03 expected
    assert found.labels.max() == 0
    assert found.noise_scale == pytest.approx(1.0, abs=0.02)


def test_errors_that_are_too_small_do_not_make_sources(rng):
    sky, err = _noisy(rng, np.zeros((800, 800), np.float32))
    found = detect_sources(sky, err / 2, STAR, Steps())
    assert found.labels.max() == 0
    assert found.noise_scale == pytest.approx(2.0, abs=0.04)


def test_two_stars_that_touch_are_separated_unless_told_not_to(rng):
    stars = gaussian_stars((100, 100), [50, 50], [46, 54], [3000, 3000])
    sky, err = _noisy(rng, stars)
    found = detect_sources(sky, err, STAR, Steps())
    assert found.labels.max() == 2
    assert found.labels[50, 46] != found.labels[50, 54]
    assert found.is_blended.all()
    whole = Steps(deblending=DeblendingParams(enabled=False))
    assert detect_sources(sky, err, STAR, whole).labels.max() == 1


def test_a_diffuse_galaxy_is_one_source(rng):
    galaxy = gaussian_stars((301, 301), [150], [150], [500], sigma=6.0)
    found = detect_sources(*_noisy(rng, galaxy), STAR, Steps())
    # its brightest pixel has 2.2 sigma: only the wide filter sees it
    assert found.labels.max() == 1
    assert found.labels[150, 150] == 1


def test_a_cosmic_ray_is_no_source(rng):
    star = gaussian_stars((100, 100), [30], [30], [300])
    star[70, 60:64] += 100.0
    found = detect_sources(*_noisy(rng, star), STAR, Steps())
    assert found.labels.max() == 1
    assert found.labels[30, 30] == 1


def test_a_saturated_core_makes_one_source(rng):
    star = gaussian_stars((100, 100), [50], [50], [1e5], sigma=2.0)
    sky, err = _noisy(rng, star)
    sky[47:54, 47:54] = np.nan
    found = detect_sources(sky, err, STAR, Steps())
    assert found.labels.max() == 1
    assert not found.labels[47:54, 47:54].any()


def test_a_slope_of_the_background_is_followed(rng):
    stars = gaussian_stars((512, 512), [256], [300], [100])
    slope = np.linspace(0, 20, 512, dtype=np.float32)[:, None]
    sky, err = _noisy(rng, stars)
    found = detect_sources(sky + slope, err, STAR, Steps())
    assert found.labels.max() == 1


def test_pixels_without_data_belong_to_nobody(rng):
    sky, err = _noisy(rng, gaussian_stars((64, 64), [20], [20], [500]))
    sky[:, 40:] = np.nan
    found = detect_sources(sky, err, STAR, Steps())
    assert found.labels.max() == 1
    assert not found.labels[:, 40:].any()
    empty = np.full((64, 64), np.nan, np.float32)
    assert not detect_sources(empty, empty, STAR, Steps()).labels.any()
