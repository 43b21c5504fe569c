"""Median of dithers: by hand, against NumPy, and what it removes."""

import numpy as np
import pytest

from rampline.mosaic.median import (
    median_of_exposures,
    median_of_layers,
    typical_weight,
)
from rampline.mosaic.window import Window

from ..twins import mosaic as twins
from .scenery import affine_map, exposure, turned_map


def median(layers, tolerance=np.inf):
    tolerance = np.full(len(layers), tolerance)
    layers = np.asarray(layers, np.float32).reshape(len(layers), 1, -1)
    out = np.empty(layers.shape[1:], np.float32)
    median_of_layers(layers, tolerance, out)
    return out[0].tolist()


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


def test_the_kernel_does_as_its_twin(rng):
    layers = rng.normal(size=(9, 20, 30)).astype(np.float32)
    layers[rng.random(layers.shape) < 0.4] = np.nan
    layers[2:, :5] = np.nan
    tolerance = rng.uniform(0, 2, 9)
    fast, slow = np.empty((2, 20, 30), np.float32)
    median_of_layers(layers, tolerance, fast)
    twins.median_of_layers(layers, tolerance, slow)
    assert np.array_equal(fast, slow, equal_nan=True)


def test_hits_in_single_dithers_leave_the_median():
    exposures = []
    for k in range(5):
        sky = np.full((20, 20), 2.0)
        sky[4 * k, :] = 1e5
        pixel_map = turned_map((20, 20), 10 * k, 1.0, (24, 24))
        exposures.append(exposure(sky, pixel_map))
    least = np.array([0.7 * typical_weight(e) for e in exposures])
    window = Window(0, 24, 0, 24)
    found = median_of_exposures(exposures, least, np.ones(5), window)
    assert np.median(np.abs(found[8:16, 8:16] - 2.0)) == 0.0


def test_pixels_of_little_weight_count_in_the_median_as_their_neighbours():
    sky, weight = np.float32([[8.0, 2.0]]), [[0.01, 1.0]]
    pair = [exposure(sky, affine_map((1, 2), shift=(0, 0.5)), weight)] * 2
    settings = (np.zeros(2), np.ones(2), Window(0, 1, 0, 3))
    assert median_of_exposures(pair, *settings)[0, 1] == pytest.approx(5.0)
    uneven = median_of_exposures(pair, *settings, alike=False)
    assert uneven[0, 1] == pytest.approx(2.06, abs=0.01)


def test_thinly_covered_pixels_stay_out():
    pair = [exposure(np.ones((4, 4)), affine_map((4, 4), shift=(0, 0.5)))] * 2
    window = Window(0, 4, 0, 6)
    found = median_of_exposures(pair, np.full(2, 0.7), np.ones(2), window)
    assert np.isnan(found[0]).tolist() == [True, False, False, False, True, True]


def test_the_typical_weight_is_that_of_a_fully_covered_pixel():
    one = exposure(np.ones((50, 50)), turned_map((50, 50), 33, 1.5, (90, 90)), 3.0)
    assert typical_weight(one) == pytest.approx(3.0 / 1.5**2, rel=1e-6)
    assert typical_weight(one, alike=True) == pytest.approx(1 / 1.5**2, rel=1e-6)
    one.weight[7] = 900.0
    one.weight[3] = 0.0
    assert typical_weight(one) == pytest.approx(3.0 / 1.5**2, rel=1e-6)


def test_an_exposure_without_usable_pixels_has_no_weight():
    assert typical_weight(exposure(np.ones((9, 9)), affine_map((9, 9)), 0.0)) == 0.0
