"""Outlier test: a hit among clean pixels, steep places, twin, stcal."""

import numpy as np
import pytest

from rampline.mosaic.outliers import (
    OutlierParams,
    compare_pixels,
    confirm_pixels,
    contrast_near,
    count_around,
    doubtful_pixels,
    flag_outliers,
    mark_doubtful,
    steepness,
)
from rampline.mosaic.undersampling import InterpolationErrors

from ..twins import mosaic as twins

ERRORS = InterpolationErrors(peak=0.5, left=1.0, ring=0.03)
JWST = OutlierParams(algorithm="jwst", snr_first=5.0, snr_second=4.0)


def planes(rng, shape=(40, 50)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    star = 20 * np.exp(-((y - 20) ** 2 + (x - 22) ** 2) / 6)
    blot = (star + 0.1).astype(np.float32)
    err = rng.uniform(0.05, 0.15, shape).astype(np.float32)
    return (blot + rng.normal(0, err)).astype(np.float32), err, blot


def test_a_hit_is_flagged_with_the_neighbour_that_it_spills_on():
    blot = np.zeros((5, 5), np.float32)
    err = np.ones((5, 5), np.float32)
    sky = blot.copy()
    sky[2, 2], sky[2, 3], sky[0, 0] = 10.0, 3.5, 3.5
    found = flag_outliers(sky, err, (blot, blot), 0.0, ERRORS, OutlierParams())
    assert np.argwhere(found).tolist() == [[2, 2], [2, 3]]


def test_a_steep_place_may_differ_by_its_steepness():
    blot = np.zeros((1, 5), np.float32)
    blot[0, 2] = 100.0
    err = np.ones((1, 5), np.float32)
    sky = blot + np.float32([[0, 0, 119, 0, 0]])
    assert not flag_outliers(sky, err, (blot, blot), 0.0, ERRORS, OutlierParams()).any()
    sky[0, 2] += 6
    assert flag_outliers(sky, err, (blot, blot), 0.0, ERRORS, OutlierParams())[0, 2]


def test_between_the_two_blots_everything_is_allowed():
    low, high = np.zeros((1, 3), np.float32), np.full((1, 3), 50, np.float32)
    err = np.ones((1, 3), np.float32)
    sky = np.float32([[-6, 25, 56]])
    for blots in ((low, high), (high, low)):
        found = flag_outliers(sky, err, blots, 0.0, ERRORS, OutlierParams())
        assert found.tolist() == [[True, False, True]]


def test_the_level_left_in_the_sky_is_no_outlier(rng):
    sky, err, blot = planes(rng)
    plain = flag_outliers(sky, err, (blot, blot), 0.0, ERRORS, JWST)
    raised = flag_outliers(sky + np.float32(8), err, (blot, blot), 8.0, ERRORS, JWST)
    assert np.array_equal(plain, raised)
    assert (
        flag_outliers(sky + np.float32(8), err, (blot, blot), 0.0, ERRORS, JWST).mean()
        > 0.9
    )


def test_nothing_is_said_where_the_median_is_unknown(rng):
    sky, err, blot = planes(rng)
    sky[5, 5] = 1e6
    blot[5, 5] = np.nan
    assert not flag_outliers(sky, err, (blot, blot), 0.0, ERRORS, OutlierParams())[5, 5]


def test_clean_noise_is_rarely_flagged(rng):
    err = np.ones((400, 400), np.float32)
    sky = rng.normal(size=err.shape).astype(np.float32)
    blot = np.zeros_like(sky)
    found = flag_outliers(sky, err, (blot, blot), 0.0, ERRORS, OutlierParams())
    # beyond 4 sigma 6.3e-5, and beyond 3 next to one of those
    assert found.mean() < 1e-4


def nasty(rng):
    sky, err, blot = planes(rng)
    sky[rng.random(sky.shape) < 0.05] += 3
    for plane in (sky, err, blot):
        plane[rng.random(sky.shape) < 0.02] = np.nan
    err[3, 3] = 0.0
    return sky, err, blot


def test_the_kernels_do_as_their_twins(rng):
    sky, err, blot = nasty(rng)
    blots = (blot, blot + rng.normal(0, 0.1, blot.shape).astype(np.float32))
    limits = tuple(np.float32(v) for v in (5.0, 1.2, 4.0, 0.7, 0.6, 0.03))
    fast, slow = np.zeros((2, *sky.shape), np.uint8)
    compare_pixels(sky, err, blots, np.float32(0.1), limits, fast)
    twins.compare_pixels(sky, err, blots, np.float32(0.1), limits, slow)
    assert np.array_equal(fast, slow)
    assert 0 < (fast == 3).sum() < fast.size / 2
    for row, col in ((0, 0), (20, 22), (39, 49), (17, 3)):
        ours, theirs = (
            f(blot, row, col, np.float32(0.6)) for f in (steepness, twins.steepness)
        )
        assert ours == theirs
        assert contrast_near(blot, row, col) == twins.contrast_near(blot, row, col)
    found, kept = np.zeros((2, *sky.shape), np.bool_)
    confirm_pixels(fast, found)
    twins.confirm_pixels(slow, kept)
    assert np.array_equal(found, kept)
    ours, theirs = np.zeros((2, *sky.shape), np.uint8)
    count_around(found, ours)
    twins.count_around(found, theirs)
    assert np.array_equal(ours, theirs)


def test_the_rim_of_a_trail_is_part_of_it_and_that_of_a_hit_is_not():
    rows = np.arange(30)[:, None] - 15.0
    trail = np.broadcast_to(20 * np.exp(-0.5 * (rows / 0.9) ** 2), (30, 30))
    sky = trail.astype(np.float32)
    sky[4, 4:6], sky[5, 4] = 9.0, 4.0
    err, blot = np.ones_like(sky), np.zeros_like(sky)
    lost, kept = (
        flag_outliers(sky, err, (blot, blot), 0.0, ERRORS, OutlierParams(rim=rim))
        for rim in (8, 0)
    )
    assert lost[13:18, 2:-2].all()
    assert kept[14:17].all()
    assert not kept[13].any()
    assert lost[:10].sum() == kept[:10].sum() == 3


def test_in_the_dark_ring_of_a_star_the_brightness_of_the_star_counts():
    blot = np.zeros((9, 9), np.float32)
    blot[4, 4] = 1000.0
    err = np.ones_like(blot)
    sky = blot.copy()
    sky[4, 6] = 33.0
    for ring, found in ((0.0, True), (0.03, False)):
        errors = ERRORS._replace(ring=ring)
        made = flag_outliers(sky, err, (blot, blot), 0.0, errors, OutlierParams())
        assert made[4, 6] == found


def test_what_one_end_explains_need_not_be_known_at_the_other(rng):
    sky, err, blot = nasty(rng)
    curved = blot + rng.normal(0, 0.2, blot.shape).astype(np.float32)
    where = doubtful_pixels(sky, err, blot, 0.1, OutlierParams())
    whole, partly = (
        flag_outliers(sky, err, (plane, blot), 0.1, ERRORS, OutlierParams())
        for plane in (curved, np.where(where, curved, blot))
    )
    assert np.array_equal(whole, partly)
    assert whole.any()
    assert where.mean() < 0.7
    fast, slow = np.zeros((2, *sky.shape), np.bool_)
    for kernel, found in ((mark_doubtful, fast), (twins.mark_doubtful, slow)):
        kernel(sky, err, blot, (np.float32(0.1), np.float32(3.0)), found)
    assert np.array_equal(fast, slow)


@pytest.mark.parity
def test_stcal_flags_the_same_pixels(rng):
    from stcal.outlier_detection.utils import flag_resampled_crs

    for level in (0.0, 0.3):
        sky, err, blot = nasty(rng)
        ours = flag_outliers(sky, err, (blot, blot), level, ERRORS, JWST)
        theirs = flag_resampled_crs(sky, err, blot, 5.0, 4.0, 1.2, 0.7, level)
        assert np.array_equal(ours, theirs)
        assert ours.any()
