"""Correlated noise: published values and a measurement on drizzled noise."""

import numpy as np
import pytest

from rampline.mosaic.drizzle import add_exposure, finish_sums, start_sums
from rampline.mosaic.noise import correlated_noise_factor
from rampline.mosaic.window import Window

from .scenery import exposure, turned_map


def test_the_factor_is_as_published():
    # Fruchter & Hook (2002) quote 1.662 for a drop of 0.6 on pixels of 0.5
    assert correlated_noise_factor(0.6, 0.5) == pytest.approx(1.662, abs=1e-3)
    assert correlated_noise_factor(1.0, 1.0) == pytest.approx(1.5)


def test_points_have_no_correlation():
    assert correlated_noise_factor(1e-6, 1.0) == pytest.approx(1.0, abs=1e-6)


def test_both_forms_meet_where_drop_and_pixel_are_equal():
    below, above = correlated_noise_factor(0.999999, 1), correlated_noise_factor(1, 1)
    assert below == pytest.approx(above, rel=1e-5)


def test_drops_and_pixels_have_a_size():
    with pytest.raises(ValueError, match="positive"):
        correlated_noise_factor(0.0, 1.0)


def test_blocks_of_drizzled_noise_scatter_as_predicted(rng):
    blocks, errors = [], []
    for _ in range(12):
        window = Window(0, 130, 0, 130)
        sums = start_sums(window, 4, 16)
        for number in range(16):
            shift = rng.uniform(-0.5, 0.5, 2)
            pixel_map = turned_map((130, 130), 0.0, 1.0, (130, 130), shift)
            one = exposure(rng.normal(size=(130, 130)), pixel_map, 1.0)
            for plane in one.noise:
                plane[:] = 1 / 3
            add_exposure(sums, one, number, 1.0)
        planes = finish_sums(sums)
        inner = planes.sky[3:127, 3:127].reshape(4, 31, 4, 31).mean(axis=(1, 3))
        blocks.append(inner.ravel())
        errors.append(planes.err[3:127, 3:127].mean() / 31)
    measured = np.std(blocks) / np.mean(errors)
    assert measured == pytest.approx(correlated_noise_factor(1.0, 1.0), rel=0.12)
