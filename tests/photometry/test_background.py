import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from rampline.photometry.background import (
    cell_weights,
    measure_background,
    subtract_background,
)

from .scenes import gaussian_stars


def _measure(sky, valid, cell):
    return measure_background(sky, valid, cell).band(slice(None))


def test_a_flat_sky_is_its_level():
    sky = np.full((130, 200), 3.0, np.float32)
    found = _measure(sky, np.ones(sky.shape, bool), 64)
    np.testing.assert_allclose(found, 3.0, rtol=1e-6)


def test_a_slope_is_followed_to_the_edge():
    sky = np.broadcast_to(np.linspace(0, 10, 512, dtype=np.float32), (256, 512)).copy()
    found = _measure(sky, np.ones(sky.shape, bool), 64)
    np.testing.assert_allclose(found, sky, atol=0.15)


def test_sources_hardly_move_it(rng):
    rows, cols = rng.uniform(0, 512, (2, 150))
    stars = gaussian_stars((512, 512), rows, cols, np.full(150, 300.0), sigma=2.0)
    sky = stars + rng.normal(1, 0.5, stars.shape).astype(np.float32)
    found = _measure(sky, np.ones(sky.shape, bool), 128)
    assert np.abs(found - 1).max() < 0.1


def test_cells_without_data_take_their_neighbours():
    sky = np.full((256, 256), 2.0, np.float32)
    sky[:, 128:] = np.nan
    found = _measure(sky, np.isfinite(sky), 64)
    np.testing.assert_allclose(found, 2.0, rtol=1e-6)


@pytest.mark.parametrize("shape", [(7, 300), (64, 64), (65, 129)])
def test_images_of_any_shape_get_a_background(shape):
    sky = np.ones(shape, np.float32)
    found = _measure(sky, np.ones(shape, bool), 64)
    np.testing.assert_allclose(found, 1.0, rtol=1e-6)


def test_without_data_it_is_zero():
    sky = np.full((20, 20), np.nan, np.float32)
    assert not _measure(sky, np.zeros(sky.shape, bool), 16).any()


def test_it_is_subtracted_row_by_row(rng):
    sky = rng.normal(2, 1, (300, 90)).astype(np.float32)
    sky[150:155, :40] = np.nan
    valid = np.isfinite(sky)
    expected = sky - _measure(sky, valid, 32)
    np.testing.assert_allclose(subtract_background(sky, valid, 32), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("n_cells", "size", "n_pixels"), [(2, 16, 20), (3, 8, 24), (9, 32, 270)]
)
def test_cells_are_joined_by_a_natural_spline(n_cells, size, n_pixels):
    weights = cell_weights(n_cells, size, n_pixels)
    first = np.arange(n_cells) * size
    centres = (first + np.minimum(first + size, n_pixels) - 1) / 2
    spline = CubicSpline(centres, np.eye(n_cells), bc_type="natural")
    pixels = np.arange(n_pixels)
    inside = np.clip(pixels, centres[0], centres[-1])
    expected = spline(inside) + spline(inside, 1) * (pixels - inside)[:, None]
    np.testing.assert_allclose(weights, expected, rtol=1e-6, atol=1e-7)
