import numpy as np
import pytest
from scipy import ndimage

from rampline.photometry.smoothing import gaussian_weights, smooth_rows

from ..twins import photometry as twin


@pytest.mark.parametrize(
    ("shape", "sigma"), [((30, 41), 1.3), ((4, 5), 2.0), ((1, 9), 0.3)]
)
def test_smoothing_agrees_with_the_twin_and_with_scipy(rng, shape, sigma):
    image = rng.normal(0, 1, shape).astype(np.float32)
    weights = gaussian_weights(sigma)
    line = np.empty(shape[1] + weights.size, np.float32)
    first = shape[0] // 3
    found, slow = np.empty((2, shape[0] - first, shape[1]), np.float32)
    smooth_rows(image, weights, first, line, found)
    twin.smooth_rows(image, weights, first, line, slow)
    np.testing.assert_allclose(found, slow, atol=1e-6)
    theirs = ndimage.gaussian_filter(image, sigma, mode="constant", truncate=4.0)
    np.testing.assert_allclose(found, theirs[first:], atol=1e-6)


def test_a_constant_stays_away_from_the_edge():
    weights = gaussian_weights(2.0)
    image = np.full((40, 40), 7.0, np.float32)
    out = np.empty((1, 40), np.float32)
    smooth_rows(image, weights, 20, np.empty(60, np.float32), out)
    np.testing.assert_allclose(out[0, 10:30], 7.0, rtol=1e-6)
    assert (out[0, [0, -1]] < 5).all()
