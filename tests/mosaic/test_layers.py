"""Single exposures on the grid: what is left out, what a median of them shows, twins."""

import numpy as np
import pytest

from rampline.mosaic.layers import (
    drizzle_exposures,
    invert_map,
    sample_exposures,
    sample_rows,
    sample_usable,
    typical_sky,
    typical_weight,
)
from rampline.mosaic.median import median_of_layers
from rampline.mosaic.window import Window, box_of, split_grid
from rampline.numerics.nodes import interpolate_nodes

from ..twins import mosaic as twins
from .scenery import affine_map, exposure, turned_map


def sample(exposures, window, grid, least=0.7):
    boxes = [box_of(e.pixel_map, grid) for e in exposures]
    pairs = zip(exposures, boxes, strict=True)
    inverses = [(invert_map(e.pixel_map, box), box) for e, box in pairs]
    return sample_exposures(exposures, inverses, least, window)


def test_the_inverse_map_leads_back():
    m = turned_map((300, 260), 25, 1.1, (450, 450), bend=2.0)
    box = box_of(m, (450, 450))
    places = interpolate_nodes(m.nodes, m.step, m.origin, *np.indices(m.shape))
    back = interpolate_nodes(
        *invert_map(m, box),
        places[..., 0] - box.row_start,
        places[..., 1] - box.col_start,
    )
    assert np.abs(back[..., 0] - np.arange(300)[:, None]).max() < 1e-5
    assert np.abs(back[..., 1] - np.arange(260)).max() < 1e-5


def test_an_undersampled_star_keeps_more_of_its_peak_than_drizzled():
    y, x = np.mgrid[:20, :20]
    peaks = []
    for shift in ((0.0, 0.0), (0.5, 0.0), (0.3, 0.6), (0.5, 0.5)):
        r2 = (y - 10 + shift[0]) ** 2 + (x - 10 + shift[1]) ** 2
        one = exposure(np.exp(-r2 / (2 * 0.7**2)), affine_map((20, 20), shift=shift))
        window = Window(0, 21, 0, 21)
        drizzled = drizzle_exposures([one], np.array([0.7]), window)
        peaks.append((sample([one], window, (21, 21))[0, 10, 10], drizzled[0, 10, 10]))
    sampled, drizzled = np.median(peaks, axis=0)
    assert 0.8 < sampled < 1.01
    assert drizzled < sampled - 0.1


def test_next_to_pixels_without_weight_samples_are_as_drizzled(rng):
    weight = np.ones((20, 24))
    weight[::3, ::3] = 0.0
    shift = (0.25, 0.875)
    one = exposure(
        rng.normal(5, 1, (20, 24)), affine_map((20, 24), shift=shift), weight
    )
    window = Window(0, 22, 0, 26)
    drizzled = drizzle_exposures([one], np.array([0.7]), window)
    sampled = sample([one], window, (22, 26))
    known = np.isfinite(sampled)
    assert np.array_equal(known, np.isfinite(drizzled))
    assert np.allclose(sampled[known], drizzled[known], rtol=1e-5)
    assert known.sum() > 150
    assert np.isinf(sampled[0, 9:12, 9:12]).any()
    assert np.isnan(sampled[0, -1]).all()


def test_samples_are_the_same_whatever_the_window(rng):
    one = exposure(
        rng.normal(5, 1, (60, 70)), turned_map((60, 70), 40, 1.1, (110, 110))
    )
    whole = sample([one], Window(0, 110, 0, 110), (110, 110))
    for window in split_grid((110, 110), 29, 41):
        part = sample([one], window, (110, 110))
        rows, cols = window.slices
        assert np.array_equal(part, whole[:, rows, cols], equal_nan=True)


def test_hits_in_single_dithers_leave_the_median():
    exposures = []
    for k in range(5):
        sky = np.full((20, 20), 2.0)
        sky[4 * k, :] = 1e5
        pixel_map = turned_map((20, 20), 10 * k, 1.0, (24, 24))
        exposures.append(exposure(sky, pixel_map))
    window = Window(0, 24, 0, 24)
    least = np.array([0.7 * typical_weight(e) for e in exposures])
    for layers in (
        sample(exposures, window, (24, 24)),
        drizzle_exposures(exposures, least, window),
    ):
        found = median_of_layers(layers)
        assert np.median(np.abs(found[8:16, 8:16] - 2.0)) < 1e-6


def test_pixels_of_little_weight_count_in_samples_as_their_neighbours():
    sky, weight = np.float32([[8.0, 2.0], [8.0, 2.0]]), [[0.01, 1.0], [0.01, 1.0]]
    one = exposure(sky, affine_map((2, 2), shift=(0, 0.5)), weight)
    window = Window(0, 1, 0, 3)
    assert sample([one], window, (2, 3))[0, 0, 1] == pytest.approx(5.0)
    uneven = drizzle_exposures([one], np.zeros(1), window)
    assert uneven[0, 0, 1] == pytest.approx(2.06, abs=0.01)


def test_thinly_covered_pixels_stay_out():
    one = exposure(np.ones((4, 4)), affine_map((4, 4), shift=(0, 0.5)))
    window = Window(0, 4, 0, 6)
    for found in (
        drizzle_exposures([one], np.full(1, 0.7), window),
        sample([one], window, (4, 6)),
    ):
        assert np.isfinite(found[0, 1]).tolist() == [
            False,
            True,
            True,
            True,
            False,
            False,
        ]


def test_the_typical_weight_is_that_of_a_fully_covered_pixel():
    one = exposure(np.ones((50, 50)), turned_map((50, 50), 33, 1.5, (90, 90)), 3.0)
    assert typical_weight(one) == pytest.approx(3.0 / 1.5**2, rel=1e-6)
    one.weight[7] = 900.0
    one.weight[3] = 0.0
    assert typical_weight(one) == pytest.approx(3.0 / 1.5**2, rel=1e-6)


def test_an_exposure_without_usable_pixels_has_no_weight_and_no_sky():
    dark = exposure(np.ones((9, 9)), affine_map((9, 9)), 0.0)
    assert typical_weight(dark) == 0.0
    assert typical_sky(dark) == 0.0


def test_the_typical_sky_is_what_its_level_leaves():
    one = exposure(np.full((9, 9), 0.3), affine_map((9, 9)), level=0.1)
    one.sky[:4], one.weight[:4] = 50.0, 0.0
    assert typical_sky(one) == pytest.approx(0.2)


def test_the_kernels_do_as_their_twins(rng):
    m = turned_map((14, 13), 20, 1.1, (22, 20))
    one = exposure(rng.normal(size=(14, 13)), m, rng.random((14, 13)) > 0.05)
    one.sky[3, 3], one.weight[3, 3] = np.nan, 0.0
    lattice = invert_map(m, Window(0, 22, 0, 20))
    fast, slow = np.empty((2, 12, 15), np.float32)
    args = (one.sky, lattice, (3, 2), (np.float32(0.5), 0.6))
    sample_rows(*args, fast)
    twins.sample_rows(*args, slow)
    assert np.allclose(fast, slow, atol=1e-5, equal_nan=True)
    assert 10 < np.isnan(fast).sum() < 120
    for row, col in rng.uniform(-1, 14, (40, 2)):
        ours, theirs = (
            module(one.sky, row, col, 0.6)
            for module in (sample_usable, twins.sample_usable)
        )
        assert ours == pytest.approx(theirs, abs=1e-5, nan_ok=True)
