import numpy as np
import pytest
from photutils.aperture import CircularAperture

from rampline.photometry.apertures import correlated_noise_factor, measure_apertures
from rampline.photometry.labelled_image import LabelledImage

ALONE = np.ones((1, 1))


def _measure(sky, positions, radii=(3.0,), err=None, labels=None, noise=ALONE):
    err = np.full(sky.shape, 1.0, np.float32) if err is None else err
    labels = np.zeros(sky.shape, np.int32) if labels is None else labels
    radii = np.array(radii)
    return measure_apertures(
        LabelledImage(sky, err, labels),
        np.atleast_2d(positions),
        radii,
        (6.0, 9.0),
        noise,
    )


def test_a_flat_sky_has_no_flux():
    found = _measure(np.full((31, 31), 5.0, np.float32), (15.0, 15.0))
    np.testing.assert_allclose(found.flux, 0.0, atol=1e-4)
    np.testing.assert_allclose(found.sky, 5.0)


def test_one_bright_pixel_is_counted_whole():
    sky = np.zeros((31, 31), np.float32)
    sky[15, 15] = 100.0
    found = _measure(sky, (15.0, 15.0), radii=(1.0, 3.0))
    np.testing.assert_allclose(found.flux[:, 0], 100.0, rtol=1e-6)


def test_neighbours_do_not_raise_the_sky():
    sky = np.zeros((31, 31), np.float32)
    labels = np.zeros(sky.shape, np.int32)
    sky[20:24, 20:24], labels[20:24, 20:24] = 1e3, 2
    np.testing.assert_allclose(_measure(sky, (15.0, 15.0), labels=labels).sky, 0.0)


def test_the_error_is_that_of_the_sum_and_the_sky(rng):
    sky = rng.normal(0, 1, (31, 31)).astype(np.float32)
    found = _measure(sky, (15.0, 15.0))
    weights = CircularAperture((15.0, 15.0), 3.0).to_mask(method="exact").data
    expected = np.hypot(np.sqrt((weights**2).sum()), np.pi * 9.0 * found.sky_err)
    np.testing.assert_allclose(found.flux_err[0], expected, rtol=1e-3)


def test_pulls_have_a_width_of_one(rng):
    side, step = 700, 25
    sky = rng.normal(0, 1, (side, side)).astype(np.float32)
    grid = np.mgrid[20 : side - 20 : step, 20 : side - 20 : step].reshape(2, -1).T
    found = _measure(sky, grid.astype(float))
    pulls = found.flux[0] / found.flux_err[0]
    assert abs(pulls.std() - 1.0) < 3 / np.sqrt(2 * len(pulls))


def test_smoothed_noise_needs_and_gets_the_correlation(rng):
    # pairs of pixels along a row share their noise
    side = 900
    white = rng.normal(0, 1, (side, side + 1))
    sky = ((white[:, 1:] + white[:, :-1]) / np.sqrt(2)).astype(np.float32)
    noise = np.zeros((3, 3))
    noise[1] = 0.5, 1.0, 0.5
    grid = np.mgrid[20 : side - 20 : 25, 20 : side - 20 : 25].reshape(2, -1).T
    found = _measure(sky, grid.astype(float), noise=noise)
    pulls = found.flux[0] / found.flux_err[0]
    assert abs(pulls.std() - 1.0) < 3 / np.sqrt(2 * len(pulls))


@pytest.mark.parametrize("radius", [1.0, 4.0])
def test_a_fully_shared_noise_grows_with_the_area(radius):
    factor = correlated_noise_factor(np.ones((41, 41)), radius)
    assert factor**2 == pytest.approx(np.pi * radius**2, rel=0.01)


def test_without_sources_nothing_is_measured():
    found = _measure(np.zeros((9, 9), np.float32), np.empty((0, 2)))
    assert found.flux.shape == (1, 0)
