import numpy as np

from rampline import flags
from rampline.report.differences import (
    compare_catalogs,
    compare_flags,
    compare_planes,
)


def test_differences_are_counted_in_sigma():
    first = np.ones((10, 100), np.float32)
    second, sigma = first.copy(), np.full(first.shape, 0.5, np.float32)
    second[0, :10] += 1.0
    second[5, 5] = np.nan
    found = compare_planes(first, second, sigma)
    assert (found.n_pixels, found.n_different) == (999, 10)
    assert (found.only_first, found.only_second) == (1, 0)
    assert found.median == found.largest == found.percentile == 2.0
    assert found.mean == 20 / 999


def test_without_errors_differences_are_relative_to_the_typical_value():
    first = np.full((4, 4), 10.0, np.float32)
    assert compare_planes(first, first + np.float32(1.0), None).median == 0.1


def test_equal_planes_do_not_differ_however_odd():
    odd = np.array([[np.nan, 0.0, 1.0]], np.float32)
    found = compare_planes(odd, odd, np.zeros_like(odd))
    assert (found.n_different, found.largest) == (0, 0.0)


def test_bits_that_differ_are_named():
    first = np.zeros((3, 3), np.uint32)
    second = first.copy()
    first[0, 0] = flags.JUMP | flags.HOT
    second[0, 0] = second[1, 1] = flags.HOT
    assert compare_flags(first, second) == [("JUMP_DET", 1, 0), ("HOT", 0, 1)]


def test_catalogues_are_matched_by_position(rng):
    sky = np.stack([rng.uniform(10, 10.01, 50), rng.uniform(60, 60.01, 50)], axis=1)
    flux = rng.uniform(1, 2, 50)
    moved = sky + np.array([0.0, 0.005 / 3600.0])
    found = compare_catalogs((sky, flux), (moved[:40], 1.1 * flux[:40]), 0.1)
    assert found[:3] == (50, 40, 40)
    np.testing.assert_allclose(found[3:], (5.0, 1.1, 0.0), atol=1e-3)
    assert compare_catalogs((sky[:0], flux[:0]), (sky, flux), 0.1).n_matched == 0
