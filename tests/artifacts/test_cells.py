import numpy as np
import pytest
from scipy import ndimage

from rampline.artifacts.cells import (
    _average_blocks,
    _expand,
    _trim_blocks,
    average_blocks,
    blur,
    expand,
    smooth,
    spread,
    trim_blocks,
)

from ..twins import artifacts as twins


@pytest.fixture
def image(rng):
    values = rng.normal(size=(23, 30)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[8:12, 4:8] = np.nan
    values[0, 0] = 1e6
    return values


@pytest.mark.parametrize(("width", "shape"), [(4, (5, 7)), (4, (6, 8)), (3, (7, 10))])
def test_the_means_equal_those_of_their_twin(image, width, shape):
    made = np.empty((2, 2, *shape), np.float32)
    for average, out in zip((_average_blocks, twins.average_blocks), made, strict=True):
        average(image, width, *out)
    assert np.allclose(made[0], made[1], rtol=1e-6)


def test_the_trimmed_means_equal_those_of_their_twin(image):
    made = np.empty((2, 11, 15), np.float32)
    for trim, out in zip((_trim_blocks, twins.trim_blocks), made, strict=True):
        trim(image, out)
    assert np.allclose(made[0], made[1], rtol=1e-6, equal_nan=True)
    assert abs(trim_blocks(image)[0, 0]) < 1e6 / 2


@pytest.mark.parametrize("shape", [(23, 30), (20, 28), (5, 3)])
def test_the_expansion_equals_that_of_its_twin(rng, shape):
    cells = rng.normal(size=(5, 7)).astype(np.float32)
    made = np.empty((2, *shape), np.float32)
    for widen, out in zip((_expand, twins.expand), made, strict=True):
        widen(cells, 4, out)
    assert np.allclose(made[0], made[1], atol=1e-6)
    assert np.array_equal(expand(cells, 4, shape), made[0])


def test_a_hot_pixel_does_not_reach_its_cell():
    image = np.ones((4, 4), np.float32)
    image[1, 1] = 1e5
    assert (trim_blocks(image) == 1.0).all()


def test_blocks_without_a_value_are_zero_and_unknown(image):
    mean, known = average_blocks(image, 4)
    assert mean[2, 1] == 0.0
    assert known[2, 1] == 0.0


def test_a_mask_of_cells_covers_their_pixels():
    found = np.array([[True, False], [False, True]])
    wide = spread(found, 3, (7, 6))
    assert wide[:3, :3].all()
    assert wide[6, 3:].all()
    assert not wide[:3, 3:].any()


@pytest.mark.parametrize("sigma", [6.0, 13.0, 39.0])
def test_wide_smoothing_equals_a_gaussian(rng, sigma):
    noise = rng.normal(size=(600, 580)).astype(np.float32)
    light = ndimage.gaussian_filter(noise, 2 * sigma)
    inner = slice(100, -100), slice(100, -100)
    for values, most in ((light, 0.05), (noise, 0.2)):
        whole = ndimage.gaussian_filter(values, sigma)[inner]
        assert np.std(blur(values, sigma)[inner] - whole) < most * np.std(whole)


def test_smoothing_leaves_out_what_is_unknown(rng):
    cells = np.ones((60, 60), np.float32)
    cells[rng.random(cells.shape) < 0.5] = np.nan
    cells[:, 40:] = np.nan
    made = smooth(cells, 2.0)
    assert np.allclose(made[:, :40], 1.0, atol=1e-6)
    assert np.isnan(made[:, 50:]).all()
