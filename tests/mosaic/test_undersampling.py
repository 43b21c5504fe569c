"""Narrow stars through cubics: shares against noiseless dithers of an Airy image."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates, uniform_filter1d
from scipy.special import j1

from rampline.mosaic.blot import cubic_at, linear_at
from rampline.mosaic.median import median_of_layers
from rampline.mosaic.outliers import OutlierParams, flag_outliers
from rampline.mosaic.undersampling import (
    InterpolationErrors,
    contrast_of_dithers,
    interpolation_errors,
    interpolation_share,
    share_on_fine_grid,
)

FINE, SIZE = 15, 14


def image_of_star(fwhm):
    """An Airy image of a pupil with an obscuration of 0.2, seen through pixels; peak 1."""
    line = np.arange(-9 * FINE, 9 * FINE + 1) / FINE
    x = np.maximum(np.pi * np.hypot(line[:, None], line) / (fwhm / 1.03), 1e-9)
    field = (2 * j1(x) / x - 0.04 * 2 * j1(0.2 * x) / (0.2 * x)) / 0.96
    seen = uniform_filter1d(uniform_filter1d(field**2, FINE, 0), FINE, 1)
    return seen / seen.max()


def expose(image, row, col):
    pixels = np.arange(SIZE)
    at = np.meshgrid(
        (pixels - row) * FINE + 9 * FINE,
        (pixels - col) * FINE + 9 * FINE,
        indexing="ij",
    )
    return map_coordinates(image, at, order=1).astype(np.float32)


def dithered(fwhm, ratio, n, rng):
    """Dithers of one star, and the cubic and linear blots of their median."""
    image = image_of_star(fwhm)
    shifts, star = rng.uniform(-0.5, 0.5, (n, 2)), SIZE / 2 + rng.uniform(-0.5, 0.5, 2)
    exposures = [expose(image, *(star + shift)) for shift in shifts]
    n_grid = int(SIZE / ratio)
    layers = np.full((n, n_grid, n_grid), np.nan, np.float32)
    for layer, exposure, shift in zip(layers, exposures, shifts, strict=True):
        for at in np.ndindex(layer.shape):
            row, col = np.array(at) * ratio + shift
            if min(row, col) >= 1 and max(row, col) < SIZE - 2:
                layer[at] = cubic_at(exposure, row, col)
    median = median_of_layers(layers, 0.0, contrast_of_dithers(fwhm))
    blots = np.full((n, 2, SIZE, SIZE), np.nan, np.float32)
    for pair, shift in zip(blots, shifts, strict=True):
        for row, col in np.ndindex(SIZE, SIZE):
            y, x = (row - shift[0]) / ratio, (col - shift[1]) / ratio
            if min(y, x) >= 1 and max(y, x) < n_grid - 2:
                pair[:, row, col] = cubic_at(median, y, x), linear_at(median, y, x)
    return exposures, blots


@pytest.mark.parametrize("fwhm", [0.8, 0.95, 1.2, 1.45, 1.8, 2.1])
@pytest.mark.parametrize("ratio", [0.97, 0.48])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_no_dither_of_a_star_is_an_outlier_whatever_its_width(fwhm, ratio, n):
    rng = np.random.default_rng(int(100 * fwhm) + n)
    errors = interpolation_errors(fwhm, ratio)
    err = np.full((SIZE, SIZE), 0.01, np.float32)
    for _ in range(8):
        exposures, blots = dithered(fwhm, ratio, n, rng)
        for exposure, (cubic, linear) in zip(exposures, blots, strict=True):
            pair = cubic, linear
            found = flag_outliers(exposure, err, pair, 0.0, errors, OutlierParams())
            assert not found[3:-3, 3:-3].any()


def test_the_narrowest_stars_would_be_eaten_without_their_share():
    rng = np.random.default_rng(5)
    err = np.full((SIZE, SIZE), 0.01, np.float32)
    eaten, none = 0, InterpolationErrors(peak=0.0, left=1.0, ring=0.0)
    for _ in range(30):
        for exposure, blots in zip(*dithered(0.8, 0.97, 5, rng), strict=True):
            pair = blots[0], blots[1]
            found = flag_outliers(exposure, err, pair, 0.0, none, OutlierParams())
            eaten += found[3:-3, 3:-3].any()
    assert eaten > 0


def test_shares_fall_with_width_and_pitch():
    widths = np.array([0.8, 1.0, 1.5, 2.5])
    assert np.all(np.diff([interpolation_share(w) for w in widths]) < 0)
    assert np.all(np.diff([contrast_of_dithers(w) for w in widths]) <= 0)
    assert contrast_of_dithers(2.5) == 2.0
    assert share_on_fine_grid(1.5) == 1.0
    assert share_on_fine_grid(0.1) == pytest.approx(2 / 3, abs=1e-3)


def test_a_hit_on_a_narrow_star_is_found_beyond_its_share():
    rng = np.random.default_rng(7)
    exposures, blots = dithered(0.95, 0.48, 5, rng)
    struck = exposures[0].copy()
    peak = np.unravel_index(np.argmax(struck), struck.shape)
    struck[peak] += 2.5
    err = np.full(struck.shape, 0.01, np.float32)
    errors = interpolation_errors(0.95, 0.48)
    pair = blots[0, 0], blots[0, 1]
    assert flag_outliers(struck, err, pair, 0.0, errors, OutlierParams())[peak]
