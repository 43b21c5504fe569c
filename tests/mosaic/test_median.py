"""Median of dithers: by hand, against NumPy."""

import numpy as np
import pytest

from rampline.mosaic import median as kernels
from rampline.mosaic.median import median_of_layers, sorting_network

from ..twins import mosaic as twins


def median(layers, tolerance=np.inf, blank=0.0):
    tolerance = np.full(len(layers), tolerance)
    layers = np.array(layers, np.float32).reshape(len(layers), 1, -1)
    return median_of_layers(layers, tolerance, blank)[0].tolist()


def test_medians_of_few_values():
    assert median([[3.0], [1.0], [2.0]]) == [2.0]
    assert median([[3.0], [1.0]]) == [2.0]
    assert median([[4.0], [1.0], [np.nan], [2.0]]) == [2.0]


def test_one_exposure_cannot_judge_itself():
    assert np.isnan(median([[3.0], [np.nan]])).all()
    assert np.isnan(median([[np.nan], [np.nan]])).all()


def test_of_two_that_contradict_each_other_the_lower_is_believed():
    assert median([[3.0], [1.0]], tolerance=2.1) == [2.0]
    assert median([[3.0], [1.0]], tolerance=1.9) == [1.0]
    assert median([[3.0], [np.nan], [1.0]], tolerance=1.9) == [1.0]
    assert median([[9.0], [1.0], [2.0]], tolerance=0.0) == [2.0]


def test_of_two_on_the_core_of_a_star_the_mean_is_believed():
    assert median([[9.0], [5.0]], tolerance=1.0) == [7.0]
    assert median([[9.0], [5.0]], tolerance=1.0, blank=3.0) == [5.0]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 9, 33])
def test_the_network_sorts_any_zeros_and_ones(rng, n):
    if n < 10:
        values = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    else:
        values = rng.random((3000, n)) < rng.random((3000, 1))
    values = np.array(values).T
    for lower, upper in sorting_network(n):
        twins.exchange(values[lower], values[upper].copy())
        pair = np.sort(values[[lower, upper]], axis=0)
        values[lower], values[upper] = pair
    assert (np.diff(values.astype(int), axis=0) >= 0).all()


@pytest.mark.parametrize("n", [2, 5, 9])
def test_the_kernel_does_as_its_twin(rng, n):
    layers = rng.normal(size=(n, 6, 300)).astype(np.float32)
    layers[rng.random(layers.shape) < 0.4] = np.nan
    layers[2:, :2] = np.nan
    tolerance = rng.uniform(0, 2, n)
    slow = np.empty(layers.shape[1:], np.float32)
    twins.sort_and_pick(layers, sorting_network(n), (tolerance, -0.5, 1.0), slow)
    fast = median_of_layers(layers, tolerance, -0.5)
    assert np.array_equal(fast, slow, equal_nan=True)


def test_lines_are_sorted_and_picked_as_by_the_twins(rng):
    lines = rng.normal(size=(4, kernels.LANES)).astype(np.float32)
    lines[rng.random(lines.shape) < 0.4] = np.nan
    tolerance = rng.uniform(0, 1, 4)
    made = []
    for module in (kernels, twins):
        layers = lines.copy()
        count, allowed = np.zeros(kernels.LANES, np.int64), np.zeros(kernels.LANES)
        out = np.empty(kernels.LANES, np.float32)
        module.count_known(layers, tolerance, count, allowed)
        module.exchange(layers[0], layers[1])
        module.pick_middle(np.sort(layers, axis=0), count, (allowed, 0.2, 1.0), out)
        made.append((layers, count, allowed, out))
    for ours, theirs in zip(*made, strict=True):
        assert np.allclose(ours, theirs, rtol=1e-14, equal_nan=True)
