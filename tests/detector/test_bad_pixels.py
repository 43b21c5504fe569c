import numpy as np
import pytest

from rampline.detector.bad_pixels import (
    BadPixelParams,
    Exposed,
    add_exposure,
    empty_stack,
    judge_pixels,
)
from rampline.flags import ADJ_OPEN, DO_NOT_USE, HOT, LOW_QE, OPEN, TELEGRAPH

SHAPE = (160, 192)
SKY, ERR = 0.5, 0.05


def judge(rng, n=9, spoil=None, params=None, chi2=None, hits=None):
    """Judge pixels of n exposures of an even sky, each spoilt by a function."""
    params = params or BadPixelParams()
    stack = empty_stack(SHAPE)
    for number in range(n):
        residual = rng.normal(0.0, ERR, SHAPE).astype(np.float32)
        if spoil is not None:
            spoil(residual, number)
        err = np.full(SHAPE, ERR, np.float32)
        is_hit = rng.random(SHAPE) < 0.02
        if hits is not None:
            is_hit |= hits(number)
        add_exposure(stack, Exposed(residual, err, SKY, chi2, is_hit, 7))
    return judge_pixels(stack, params)


def test_a_good_detector_has_few_bad_pixels(rng):
    found = judge(rng)
    assert (found.flags != 0).mean() < 5e-4


def test_hot_pixels_are_found_and_faint_ones_too(rng):
    def spoil(residual, _number):
        residual[10, 10] += 20 * ERR
        residual[20, 20] += 2.5 * ERR

    flags = judge(rng, spoil=spoil).flags
    assert flags[10, 10] == HOT | DO_NOT_USE
    assert flags[20, 20] == HOT | DO_NOT_USE


def test_a_pixel_of_low_response_is_told_how_low(rng):
    def spoil(residual, _number):
        residual[10, 10] -= 0.7 * SKY
        residual[20, 20] -= 0.3 * SKY

    found = judge(rng, spoil=spoil)
    assert found.flags[10, 10] == LOW_QE | DO_NOT_USE
    assert found.flags[20, 20] == LOW_QE
    assert found.response[10, 10] == pytest.approx(0.3, abs=0.12)
    assert found.response[20, 20] == pytest.approx(0.7, abs=0.12)


def test_an_open_pixel_gives_its_charge_to_its_neighbours(rng):
    def spoil(residual, _number):
        residual[50, 60] -= SKY
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            residual[50 + down, 60 + right] += SKY / 4

    flags = judge(rng, spoil=spoil).flags
    assert flags[50, 60] & OPEN
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        assert flags[50 + down, 60 + right] & ADJ_OPEN


def test_a_source_or_hit_in_one_exposure_makes_no_bad_pixel(rng):
    def spoil(residual, number):
        residual[30 + number, 30] += 100 * ERR

    flags = judge(rng, spoil=spoil).flags
    assert not flags[30:39, 30].any()


def test_a_pixel_that_jumps_between_levels_is_telegraph_noise(rng):
    def spoil(residual, number):
        residual[40, 40] += 12 * ERR * (number % 2)

    chi2 = np.ones(SHAPE, np.float32)
    chi2[70, 70] = 9.0
    flags = judge(rng, spoil=spoil, chi2=chi2).flags
    assert flags[40, 40] & TELEGRAPH
    assert flags[70, 70] == TELEGRAPH | DO_NOT_USE


def test_ramps_that_all_fit_a_little_worse_jump_and_one_that_fits_badly_does_not(rng):
    stack, err = empty_stack(SHAPE), np.full(SHAPE, ERR, np.float32)
    nothing = np.zeros(SHAPE, np.bool_)
    for number in range(9):
        chi2 = (rng.chisquare(7, SHAPE) / 7).astype(np.float32)
        # as one clean ramp in a hundred has it
        chi2[30:40, 30:40] *= 2.6
        if number == 4:
            chi2[80:120, 80:120] = 50.0
        residual = rng.normal(0.0, ERR, SHAPE).astype(np.float32)
        add_exposure(stack, Exposed(residual, err, SKY, chi2, nothing, 7))
    jumps = judge_pixels(stack, BadPixelParams()).flags & TELEGRAPH > 0
    assert jumps[30:40, 30:40].mean() > 0.85
    assert jumps[80:120, 80:120].mean() < 0.1
    jumps[30:40, 30:40] = jumps[80:120, 80:120] = False
    assert jumps.mean() < 5e-4


def test_a_read_noise_that_is_not_that_of_the_reference_is_no_sign(rng):
    stack, err = empty_stack(SHAPE), np.full(SHAPE, ERR, np.float32)
    variance = rng.normal(1.2, 0.15, SHAPE)
    for _ in range(9):
        chi2 = (variance * rng.chisquare(7, SHAPE) / 7).astype(np.float32)
        residual = rng.normal(0.0, ERR, SHAPE).astype(np.float32)
        none = np.zeros(SHAPE, np.bool_)
        add_exposure(stack, Exposed(residual, err, SKY, chi2, none, 7))
    assert (judge_pixels(stack, BadPixelParams()).flags != 0).mean() < 1e-3


def test_a_pixel_that_is_hit_again_and_again_jumps_by_itself(rng):
    def hits(number):
        hit = np.zeros(SHAPE, np.bool_)
        hit[40, 40] = number < 6
        hit[50, 50] = number < 2
        return hit

    flags = judge(rng, hits=hits).flags
    assert flags[40, 40] == TELEGRAPH | DO_NOT_USE
    assert not flags[50, 50]


def test_what_happens_in_all_pixels_is_no_sign(rng):
    chi2 = np.full(SHAPE, 9.0, np.float32)
    assert (judge(rng, chi2=chi2).flags != 0).mean() < 5e-4


def test_stray_light_is_no_bad_pixel(rng):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    light = 3 * ERR * np.exp(-((y - 80) ** 2 + (x - 90) ** 2) / 80.0**2)

    def spoil(residual, _number):
        residual += light.astype(np.float32)

    assert (judge(rng, spoil=spoil).flags != 0).mean() < 0.003


def test_pixels_seen_too_rarely_are_not_judged(rng):
    def spoil(residual, number):
        residual[10, 10] += 50 * ERR
        residual[20, 20] += 50 * ERR
        if number > 1:
            residual[10, 10] = np.nan
        if number > 2:
            residual[20, 20] = np.nan

    flags = judge(rng, spoil=spoil).flags
    assert flags[10, 10] == 0
    assert flags[20, 20] & HOT


def test_where_too_many_stand_out_none_is_flagged(rng):
    def spoil(residual, _number):
        residual[::3, ::3] += 20 * ERR

    assert not judge(rng, spoil=spoil).flags.any()
