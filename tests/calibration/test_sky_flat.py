import numpy as np
import pytest

from rampline.calibration.sky_flat import (
    SkyFlatParams,
    add_sky,
    finish_sky_flat,
    start_sky_flat,
)

PARAMS = SkyFlatParams()
SHAPE = (256, 320)
NOISE = 0.09


def slope():
    rows, cols = np.indices(SHAPE)
    smooth = 0.01 * np.sin(cols / 60) + 0.008 * np.cos(rows / 80)
    return 1.0 + smooth - np.median(smooth)


def measure(rng, response, n=24, usable=None):
    sums = start_sky_flat(SHAPE)
    for k, level in enumerate(rng.uniform(0.15, 0.3, n)):
        err = np.full(SHAPE, NOISE * level, np.float32)
        sky = (level * response + rng.normal(0, err)).astype(np.float32)
        is_sky = rng.random(SHAPE) > 0.3
        if usable is not None:
            is_sky &= usable
        # whatever shines elsewhere is a source
        sky[~is_sky] += 5.0
        add_sky(sums, (sky, err), is_sky, k, PARAMS)
    return finish_sky_flat(sums, PARAMS)


def test_a_smooth_error_of_a_per_cent_is_found_to_a_thousandth(rng):
    true = slope()
    found = measure(rng, true)
    left = found.response / true - 1.0
    assert np.std(left) < 0.0015
    assert np.std(true) > 0.007
    assert found.smooth_rms == pytest.approx(np.std(true), rel=0.2)


def test_pixels_of_low_response_are_found_as_far_as_noise_lets_them(rng):
    true = 1.0 + rng.normal(0, 0.05, SHAPE)
    found = measure(rng, true)
    left = found.response / true - 1.0
    # 2.2 % of noise with 17 of 24 exposures; pixels scatter by 5 %
    assert np.std(left) < 0.024
    assert found.pixel_rms == pytest.approx(0.05, rel=0.05)
    assert np.std(left / found.err) == pytest.approx(1.0, abs=0.1)


def test_a_good_flat_is_left_as_it_is(rng):
    found = measure(rng, np.ones(SHAPE))
    assert np.abs(found.response - 1.0).max() < 0.004
    assert np.std(found.response) < 1e-3


def test_levels_of_the_exposures_do_not_matter():
    seeds = [np.random.default_rng(5) for _ in range(2)]
    sums = [start_sky_flat(SHAPE) for _ in seeds]
    for draw, factor, total in zip(seeds, (1.0, 3.0), sums, strict=True):
        err = np.full(SHAPE, 0.1 * factor, np.float32)
        sky = (factor * (1.0 + draw.normal(0, 0.1, SHAPE))).astype(np.float32)
        for k in (0, 1):
            add_sky(total, (sky, err), np.ones(SHAPE, bool), k, PARAMS)
    first, second = (finish_sky_flat(total, PARAMS).response for total in sums)
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_where_nothing_is_known_nothing_is_changed_but_the_error_says_so(rng):
    usable = np.ones(SHAPE, bool)
    usable[40, 50] = False
    found = measure(rng, slope(), usable=usable)
    assert found.response[40, 50] == pytest.approx(slope()[40, 50], abs=0.005)
    assert found.err[40, 50] > 0
    nothing = finish_sky_flat(start_sky_flat(SHAPE), PARAMS)
    assert (nothing.response == 1.0).all()


def test_a_sky_that_was_subtracted_tells_nothing(rng):
    sky = rng.normal(-1e-3, 1e-3, SHAPE).astype(np.float32)
    err = np.full(SHAPE, 1e-3, np.float32)
    with pytest.raises(ValueError, match="was it subtracted"):
        add_sky(start_sky_flat(SHAPE), (sky, err), np.ones(SHAPE, bool), 0, PARAMS)
