import numpy as np
import pytest
from photutils.segmentation import SegmentationImage, SourceCatalog

from rampline.photometry.kron import (
    _measure_ellipses,
    _mirrored,
    _share,
    _sum_ellipse,
    measure_kron,
)
from rampline.photometry.labelled_image import LabelledImage
from rampline.photometry.shapes import measure_shapes

from ..twins import photometry as twin
from .scenes import gaussian_stars


def _blend(rng):
    rows, cols = [14.2, 15.0, 33.0], [15.3, 22.0, 34.4]
    stars = gaussian_stars((48, 50), rows, cols, [400, 250, 300], sigma=2.0)
    sky = (stars + rng.normal(0, 0.3, stars.shape)).astype(np.float32)
    labels = np.zeros(sky.shape, np.int32)
    high = stars > 0.5
    labels[high] = 1
    labels[:, 19:][high[:, 19:]] = 2
    labels[25:][high[25:]] = 3
    return LabelledImage(sky, np.full(sky.shape, 0.3, np.float32), labels)


def test_a_gaussian_has_the_known_radius_and_all_its_light():
    star = gaussian_stars((81, 81), [40], [40], [1000.0], sigma=4.0)
    labels = (star > 1e-3).astype(np.int32)
    axes = np.array([[4.0, 4.0, 0.0]])
    found = measure_kron(
        LabelledImage(star, np.ones_like(star), labels), np.full((1, 2), 40.0), axes
    )
    # mean radius of a Gaussian: sqrt(pi / 2), below the least of 1.4
    assert found.radius[0] == 1.4
    inside = 1 - np.exp(-0.5 * (2.5 * 1.4) ** 2)
    assert found.flux[0] == pytest.approx(1000 * inside, rel=1e-3)
    assert found.variance[0] == pytest.approx(found.area[0], rel=0.01)


def test_kernels_agree_with_their_twins(rng):
    image = _blend(rng)
    image[0][30, 36] = np.nan
    centres = np.array([[14.2, 15.3], [15.0, 22.0], [33.0, 34.4]])
    axes = np.array([[2.5, 2.0, 0.3], [2.2, 2.1, -0.5], [2.4, 1.9, 1.2]])
    found, slow = np.empty((4, 3)), np.empty((4, 3))
    _measure_ellipses(*image, centres, axes, found)
    twin.measure_ellipses(*image, centres, axes, slow)
    np.testing.assert_allclose(found, slow, rtol=1e-6)
    source, ellipse = (14.2, 15.3, 1), (2.5, 2.0, np.cos(0.3), np.sin(0.3), 3.0, 5)
    sums, slow_sums = np.empty(3), np.empty(3)
    _sum_ellipse(*image, source, ellipse, sums)
    twin.sum_ellipse(*image, source, ellipse, slow_sums)
    np.testing.assert_allclose(sums, slow_sums, rtol=1e-6)
    for dy, dx in rng.uniform(-9, 9, (50, 2)):
        assert _share(dy, dx, ellipse) == twin.share(dy, dx, ellipse)
    for i, j in rng.integers(0, 48, (50, 2)).tolist():
        expected = twin.mirrored(*image, source, (i, j))
        assert _mirrored(*image, source, (i, j)) == pytest.approx(expected)


def test_noise_about_nothing_has_no_kron_flux():
    sky = np.zeros((41, 41), np.float32)
    sky[20, 20], sky[20, 32] = -1.0, 1.02
    axes = np.array([[2.5, 2.5, 0.0]])
    labels = np.zeros(sky.shape, np.int32)
    err = np.ones_like(sky)
    found = measure_kron(
        LabelledImage(sky, err, labels), np.array([[20.0, 20.0]]), axes
    )
    assert np.isnan(found.flux[0])


def test_kron_fluxes_are_those_of_photutils(rng):
    image = _blend(rng)
    sky, err, labels = image
    shapes = measure_shapes(image, sky)
    theirs = SourceCatalog(sky, SegmentationImage(labels), error=err)
    np.testing.assert_allclose(shapes.kron.flux, theirs.kron_flux, rtol=2e-3)
    errors = np.sqrt(shapes.kron.variance)
    np.testing.assert_allclose(errors, theirs.kron_flux_err, rtol=2e-3)
    np.testing.assert_allclose(shapes.kron.radius, theirs.kron_radius.value, rtol=1e-6)
