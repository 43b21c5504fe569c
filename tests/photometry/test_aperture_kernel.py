import numpy as np
import pytest
from photutils.aperture import CircularAperture, aperture_photometry

from rampline.photometry.aperture_kernel import (
    _gather_ring,
    circle_share,
    clipped_median,
    cover_disk,
    measure_rings,
    quadrant_area,
    sum_circles,
)

from ..twins import photometry as twin


@pytest.mark.parametrize(
    ("x", "y", "area"),
    [
        (2.0, 2.0, np.pi),
        (0.0, 2.0, np.pi / 2),
        (0.0, 0.0, np.pi / 4),
        (-1.0, 0.5, 0.0),
        (-0.9, -0.9, 0.0),
        (2.0, -1.0, 0.0),
    ],
)
def test_areas_of_a_circle_left_and_below(x, y, area):
    assert quadrant_area(x, y) == pytest.approx(area, abs=1e-12)


def test_areas_agree_with_counting(rng):
    for x, y in rng.uniform(-1.2, 1.2, (60, 2)):
        assert quadrant_area(x, y) == pytest.approx(twin.quadrant_area(x, y), abs=0.01)


def test_shares_agree_with_counting(rng):
    for dy, dx, radius in rng.uniform([-4, -4, 0.2], [4, 4, 4], (60, 3)):
        share = circle_share(dy, dx, radius)
        assert share == pytest.approx(twin.circle_share(dy, dx, radius), abs=0.005)


def test_disks_agree_with_counting():
    found, slow = np.empty((2, 9, 9))
    cover_disk(2.6, found)
    twin.cover_disk(2.6, slow)
    np.testing.assert_allclose(found, slow, atol=0.005)


@pytest.mark.parametrize("radius", [0.3, 0.5, 1.0, 3.7])
def test_shares_add_up_to_the_circle(radius):
    offsets = np.arange(-6, 7)
    total = sum(
        circle_share(i - 0.3, j + 0.2, radius) for i in offsets for j in offsets
    )
    assert total == pytest.approx(np.pi * radius**2, rel=1e-12)


def test_sums_agree_with_the_twin_and_with_photutils(rng):
    sky = rng.normal(0, 1, (17, 19)).astype(np.float32)
    err = rng.uniform(0.5, 2, sky.shape).astype(np.float32)
    positions = np.array([[8.3, 9.1], [0.2, 18.0], [16.9, -0.4]])
    radii = np.array([1.2, 3.4])
    found, slow = np.empty((2, 2, 3)), np.empty((2, 2, 3))
    sum_circles(sky, err, positions, radii, (found[0], found[1]))
    twin.sum_circles(sky, err, positions, radii, (slow[0], slow[1]))
    np.testing.assert_allclose(found, slow, atol=0.05)
    for k, radius in enumerate(radii):
        circles = CircularAperture(positions[:, ::-1], radius)
        table = aperture_photometry(sky, circles, error=err)
        np.testing.assert_allclose(found[0, k], table["aperture_sum"], atol=1e-6)
        error = np.sqrt(found[1, k])
        np.testing.assert_allclose(error, table["aperture_sum_err"], rtol=1e-6)


def test_a_missing_pixel_or_position_makes_the_sum_unknown():
    sky = np.zeros((9, 9), np.float32)
    sky[4, 4] = np.nan
    found = np.empty((2, 1, 2))
    places = np.array([[4.0, 4.0], [np.nan, 4.0]])
    sum_circles(sky, sky, places, np.array([2.0]), (found[0], found[1]))
    assert np.isnan(found).all()


def test_rings_agree_with_the_twin(rng):
    sky = rng.normal(0, 1, (40, 44)).astype(np.float32)
    sky[rng.random(sky.shape) < 0.05] += 30
    sky[rng.random(sky.shape) < 0.05] = np.nan
    labels = np.zeros(sky.shape, np.int32)
    labels[18:23, 18:23], labels[10:30, 27:32] = 1, 2
    labels[30:, :] = 5
    positions = np.array([[20.0, 20.4], [20.1, 29.5], [38.0, 40.0], [-30.0, 2.0]])
    ring = (5.0, 9.0, 10)
    found, slow = np.empty((2, 4)), np.empty((2, 4))
    measure_rings(sky, labels, positions, ring, (found[0], found[1]))
    twin.measure_rings(sky, labels, positions, ring, (slow[0], slow[1]))
    np.testing.assert_allclose(found, slow, rtol=1e-10)
    assert np.isnan(found[:, 3]).all()
    both = np.empty((2, sky.size))
    for label in (1, 2, -1):
        place, edge = (20.0, 20.4), (5.0, 9.0, label)
        count = _gather_ring(sky, labels, place, edge, both[0])
        assert count == twin.gather_ring(sky, labels, place, edge, both[1])
        np.testing.assert_array_equal(both[0, :count], both[1, :count])


@pytest.mark.parametrize("size", [1, 2, 5, 200])
def test_clipped_medians_are_those_of_astropy(rng, size):
    values = rng.standard_cauchy(size)
    expected = twin.clipped_median(values)
    np.testing.assert_allclose(clipped_median(values.copy()), expected)
