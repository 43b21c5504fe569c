import numpy as np
import pytest

from rampline.detector.trapped_charge import (
    HALF_WELL,
    TIMES_S,
    Illumination,
    carry_shares,
    cut_traps,
    empty_traps,
    expose_traps,
    find_bright,
    no_traps,
    released_shares,
)

CURVE = np.array(HALF_WELL)


def lit(pixels, share=1.0, start=59000.0, seconds=100.0):
    rows, cols = np.array(pixels, np.int32).T
    shares = np.full(len(rows), share, np.float32)
    return Illumination(rows, cols, shares, start, seconds)


def test_a_full_pixel_fills_its_traps_by_their_own_times():
    traps = expose_traps(no_traps(), lit([(5, 7)]), CURVE)
    assert (traps.row[0], traps.col[0]) == (5, 7)
    expected = -np.expm1(-100.0 / np.array(TIMES_S))
    np.testing.assert_allclose(traps.filling[:, 0], expected, rtol=1e-6)
    assert traps.mjd == 59000.0 + 100.0 / 86400.0


def test_a_quarter_full_pixel_fills_nothing_and_half_a_well_half_of_it():
    assert expose_traps(no_traps(), lit([(5, 7)], 0.3), CURVE).row.size == 0
    half = expose_traps(no_traps(), lit([(5, 7)], 0.5), CURVE).filling
    full = expose_traps(no_traps(), lit([(5, 7)], 1.0), CURVE).filling
    np.testing.assert_allclose(half, full / 2, rtol=1e-6)


def test_traps_empty_with_time_and_what_is_released_is_what_they_lose():
    traps = expose_traps(no_traps(), lit([(5, 7)]), CURVE)
    later = empty_traps(traps, traps.mjd + 50.0 / 86400.0)
    lost = traps.filling[:, 0] - later.filling[:, 0]
    released = traps.filling[:, 0] * released_shares([[50.0]], 0.0)[:, 0]
    np.testing.assert_allclose(lost, released, rtol=1e-3, atol=1e-6)


def test_releases_of_integrations_follow_each_other():
    whole = released_shares([[200.0]], 0.0)
    parts = released_shares([[80.0]], 0.0) + released_shares([[120.0]], 80.0)
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_an_averaged_group_has_released_the_mean_of_its_reads():
    mean = released_shares([[10.0, 20.0, 30.0]], 5.0)
    singles = released_shares([[10.0], [20.0], [30.0]], 5.0)
    np.testing.assert_allclose(mean[:, 0], singles.mean(axis=1))


def test_a_long_exposure_is_two_short_ones_without_a_pause():
    once = expose_traps(no_traps(), lit([(1, 1)], seconds=200.0), CURVE)
    first = expose_traps(no_traps(), lit([(1, 1)]), CURVE)
    again = lit([(1, 1)], start=59000.0 + 100.0 / 86400.0)
    twice = expose_traps(first, again, CURVE)
    np.testing.assert_allclose(twice.filling, once.filling, rtol=1e-4)


def test_traps_never_hold_more_than_they_can():
    traps = no_traps()
    for number in range(20):
        start = 59000.0 + number * 1100.0 / 86400.0
        traps = expose_traps(traps, lit([(3, 3)], 1.0, start, 1000.0), CURVE)
    assert traps.filling.max() <= 1.0
    assert traps.filling[4, 0] > 0.8


def test_a_subarray_sees_its_own_pixels():
    traps = expose_traps(no_traps(), lit([(100, 200), (300, 300)]), CURVE)
    own, inside = cut_traps(traps, (90, 190, 64, 64))
    assert (own.row.tolist(), own.col.tolist()) == ([10], [10])
    assert inside.tolist() == [True, False]


def test_the_light_that_filled_a_pixel_last_is_remembered():
    first = lit([(1, 1), (2, 2)], 1.0)
    before = expose_traps(no_traps(), first, CURVE)
    share = carry_shares(no_traps(), np.zeros(0, np.float32), first, before)
    second = lit([(2, 2), (3, 3)], 0.7, 59000.01)
    after = expose_traps(before, second, CURVE)
    found = carry_shares(before, share, second, after)
    place = {(1, 1): 1.0, (2, 2): 0.7, (3, 3): 0.7}
    for row, col, value in zip(after.row, after.col, found, strict=True):
        assert value == pytest.approx(place[row, col])


def test_bright_pixels_are_found_and_those_without_a_limit_left_out():
    last = np.full((4, 5), 10000.0, np.float32)
    last[1, 2], last[2, 3], last[3, 4] = 35000.0, 70000.0, 70000.0
    bias = np.full((4, 5), 10000.0, np.float32)
    full = np.full((4, 5), 60000.0, np.float32)
    full[3, 4] = np.nan
    found = find_bright(last, bias, full, (100, 1000), (59000.0, 50.0))
    assert found.row.tolist() == [101, 102]
    assert found.col.tolist() == [1002, 1003]
    np.testing.assert_allclose(found.share, [0.5, 1.0])
