import numpy as np
import pytest

from rampline.numerics.selection import (
    bracket,
    collect,
    robust_scatter,
    select,
    select_median,
    select_two,
    sorted_quantiles,
)

from ..twins import numerics as twins


def test_the_smallest_the_middle_and_the_largest_are_found():
    values = np.array([5, 1, 4, 2, 3, 99], np.float32)
    assert select(values.copy(), 5, 0) == 1
    assert select_median(values.copy(), 5) == 3
    assert select(values.copy(), 5, 4) == 5


@pytest.mark.parametrize("n", [1, 2, 3, 10, 101])
@pytest.mark.parametrize("kind", ["random", "ties", "sorted", "reversed", "infinite"])
def test_twin_any_rank_equals_a_full_sort(rng, n, kind):
    values = rng.normal(size=n).astype(np.float32)
    if kind == "ties":
        values = np.round(values)
    elif kind == "infinite":
        values[rng.random(n) < 0.3] = np.inf
    elif kind != "random":
        values = np.sort(values)[:: 1 if kind == "sorted" else -1].copy()
    for k in range(n):
        assert select(values.copy(), n, k) == twins.select(values, n, k)
    assert select_median(values.copy(), n) == twins.select_median(values, n)


@pytest.mark.parametrize("n", [1, 7, 511, 512, 513, 4096])
@pytest.mark.parametrize("kind", ["random", "ties", "sorted", "waves", "infinite"])
def test_twin_two_ranks_equal_a_full_sort(rng, n, kind):
    values = rng.normal(size=n).astype(np.float32)
    if kind == "ties":
        values = np.round(values)
    elif kind == "sorted":
        values = np.sort(values)
    elif kind == "waves":
        # a sample of every 16th value sees one phase only
        values = np.tile(np.arange(16.0), n // 16 + 1)[:n].astype(np.float32)
    elif kind == "infinite":
        values[rng.random(n) < 0.3] = -np.inf
    ranks = (int(0.1587 * (n - 1)), (n - 1) // 2)
    rows = np.full((3, n), np.nan, np.float32)
    rows[0] = values
    theirs = twins.select_two(rows, n, ranks, None)
    # bounds of other values: none, right, too high for both, too high for one
    low, high = values.min(), values.max()
    for bounds in (
        [np.nan] * 4,
        [low, high] * 2,
        [high + 1] * 4,
        [low, high, high, high],
    ):
        near = np.array(bounds, np.float32)
        for _ in range(2):
            assert select_two(rows.copy(), n, ranks, near) == theirs


def test_values_within_bounds_are_collected_as_by_the_twin(rng):
    values = rng.normal(size=700).astype(np.float32)
    values[::7] = np.nan
    values[3], values[5] = np.inf, -np.inf
    for ends in ((-0.5, 0.2), (-np.inf, np.inf), (3.0, -3.0), (np.nan, np.nan)):
        bounds = tuple(np.float32(end) for end in ends)
        ours, theirs = np.zeros((2, 701), np.float32)
        counts = collect(values, 700, bounds, ours)
        assert counts == twins.collect(values, 700, bounds, theirs)
        assert np.array_equal(ours[: counts[1]], theirs[: counts[1]])


def test_bounds_hold_the_order_statistics_of_noise(rng):
    n, ranks = 4096, (650, 2047)
    held = 0
    for _ in range(50):
        values = rng.normal(size=n).astype(np.float32)
        exact, found = np.empty((2, 4), np.float32)
        twins.bracket(values, n, ranks, exact)
        bracket(values, n, ranks, found)
        held += (found[::2] <= exact[::2]).all() and (found[1::2] >= exact[1::2]).all()
    # three standard deviations on both sides of both
    assert held >= 47


def test_values_beyond_n_are_left_alone(rng):
    values = rng.normal(size=20).astype(np.float32)
    work = values.copy()
    select(work, 10, 4)
    assert np.array_equal(work[10:], values[10:])
    assert np.array_equal(np.sort(work[:10]), np.sort(values[:10]))


def test_a_robust_scatter_is_that_of_most_values():
    values = np.array([1.0, 2.0, 3.0, 4.0, 1e9, np.nan, np.inf])
    assert robust_scatter(values) == pytest.approx(1.4826, rel=1e-5)
    assert np.isnan(robust_scatter(values[-2:]))


def test_statistics_a_robust_scatter_is_the_standard_deviation_of_normal_values(rng):
    values = rng.normal(7.0, 3.0, (200, 200))
    assert robust_scatter(values) == pytest.approx(3.0, rel=0.02)


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_quantiles_of_sorted_values_are_those_of_numpy(rng, n):
    values = rng.normal(3.0, 20.0, n).astype(np.float32)
    quantiles = 0.0, 0.1587, 0.5, 0.84, 1.0
    ours = sorted_quantiles(np.sort(values), quantiles)
    theirs = np.quantile(values.astype(np.float64), quantiles)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
