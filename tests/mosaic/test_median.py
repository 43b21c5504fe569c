"""Median of dithers: by hand, against NumPy."""

import numpy as np
import pytest

from rampline.mosaic import median as kernels
from rampline.mosaic.median import median_of_layers, sorting_network

from ..twins import mosaic as twins


def median(layers, blank=0.0, contrast=2.0):
    layers = np.array(layers, np.float32).reshape(len(layers), 1, -1)
    return median_of_layers(layers, blank, contrast)[0].tolist()


def test_medians_of_few_values():
    assert median([[3.0], [1.0], [2.0]]) == [2.0]
    assert median([[3.0], [1.0]], contrast=np.inf) == [2.0]
    assert median([[4.0], [1.0], [np.nan], [2.0]]) == [2.0]
    assert median([[4.0], [1.0], [np.inf], [2.0]]) == [2.0]


def test_one_exposure_cannot_judge_itself():
    assert np.isnan(median([[3.0], [np.nan]])).all()
    assert np.isnan(median([[np.nan], [np.nan]])).all()
    assert np.isnan(median([[np.inf], [np.nan]])).all()


def test_where_the_others_have_a_bad_pixel_one_exposure_is_believed():
    assert median([[3.0], [np.inf], [np.nan]]) == [3.0]


def test_of_two_on_blank_sky_the_lower_is_believed():
    assert median([[9.0, 9.0, 9.0], [1.0, 1.0, 1.0]]) == [1.0, 1.0, 1.0]
    assert median([[9.0], [np.nan], [1.0]]) == [1.0]
    assert median([[9.0, 9.0], [1.0, 1.0], [2.0, 2.0]]) == [2.0, 2.0]


def test_a_hole_in_one_of_two_is_filled_up_to_its_neighbours():
    found = median([[0.0, 1.0, 0.0], [0.0, -9.0, 0.0]])
    assert found == [0.0, 0.0, 0.0]


def test_of_two_on_the_core_of_a_star_the_mean_is_believed():
    core = [[2.0, 9.0, 2.0], [2.0, 5.0, 2.0]]
    assert median(core)[1] == 7.0
    assert median(core, blank=3.0)[1] == 5.0


def test_where_the_sky_is_bright_but_flat_the_lower_of_two_is_believed():
    assert median([[5.0, 9.0, 5.5], [5.0, 5.0, 5.5]])[1] == 5.25


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
def test_the_kernels_do_as_their_twins(rng, n):
    layers = rng.normal(size=(n, 6, 300)).astype(np.float32)
    layers[rng.random(layers.shape) < 0.3] = np.nan
    layers[rng.random(layers.shape) < 0.1] = np.inf
    layers[2:, :3] = np.nan
    fast, slow = np.empty((2, 6, 300), np.float32)
    sorted_ = layers.copy()
    kernels.sort_and_pick(sorted_, sorting_network(n), fast)
    kernels.settle_pairs(sorted_, -0.5, 1.5, fast)
    twins.sort_and_pick(layers, sorting_network(n), slow)
    assert np.array_equal(sorted_, layers)
    twins.settle_pairs(layers, -0.5, 1.5, slow)
    assert np.allclose(fast, slow, rtol=1e-6, equal_nan=True)


def test_lines_are_sorted_and_picked_as_by_the_twins(rng):
    lines = rng.normal(size=(4, kernels.LANES)).astype(np.float32)
    lines[rng.random(lines.shape) < 0.4] = np.nan
    lines[rng.random(lines.shape) < 0.2] = np.inf
    made = []
    for module in (kernels, twins):
        layers = lines.copy()
        count = np.zeros(kernels.LANES, np.int64)
        out = np.empty(kernels.LANES, np.float32)
        module.count_known(layers, count)
        module.exchange(layers[0], layers[1])
        module.pick_middle(np.sort(layers, axis=0), count, out)
        made.append((layers, count, out))
    for ours, theirs in zip(*made, strict=True):
        assert np.allclose(ours, theirs, rtol=1e-14, equal_nan=True)
