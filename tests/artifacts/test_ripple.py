import numpy as np
import pytest

from rampline.artifacts.ripple import RippleParams, find_ripple

SHAPE = (512, 512)
PARAMS = RippleParams()
ALL = np.ones(SHAPE, np.bool_)


def noise(rng):
    return rng.normal(0, 1, SHAPE).astype(np.float32)


def wave(period, angle_deg, amplitude=1.0):
    y, x = np.indices(SHAPE)
    angle = np.radians(angle_deg)
    phase = 2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period
    return (amplitude * np.sin(phase + 0.7)).astype(np.float32)


@pytest.mark.parametrize(("period", "angle_deg"), [(40.0, 30.0), (90.0, 115.0)])
def test_a_ripple_is_found_beside_sources(rng, period, angle_deg):
    free = ALL.copy()
    for row, col in rng.integers(0, 480, (30, 2)):
        free[row : row + 30, col : col + 30] = False
    sky = noise(rng) + wave(period, angle_deg, 0.2)
    found = find_ripple(np.where(free, sky, np.float32(50)), free, PARAMS)
    assert found is not None
    # half a wave across the frame
    assert found.period == pytest.approx(period, rel=0.5 * period / 512)
    assert abs(found.angle_deg - angle_deg) < np.degrees(0.5 * period / 512)
    assert found.amplitude == pytest.approx(0.2, rel=0.4)


def test_noise_has_none_at_the_rate_that_was_named(rng):
    often = RippleParams(false_alarm=0.2)
    found = [find_ripple(noise(rng), ALL, often) is not None for _ in range(60)]
    # the mean of 60 tries is good to 0.05
    assert np.mean(found) == pytest.approx(0.2, abs=0.16)
    assert not any(find_ripple(noise(rng), ALL, PARAMS) for _ in range(20))


def test_stripes_of_rows_and_outputs_and_a_slope_are_none(rng):
    rows = 0.3 * rng.normal(0, 1, (SHAPE[0], 1)).astype(np.float32)
    y, x = np.indices(SHAPE, np.float32)
    outputs = np.where((x // 128) % 2 == 0, np.float32(0.2), np.float32(-0.2))
    slope = (x + 2 * y) / 300
    sky = noise(rng) + rows + outputs + slope + wave(30.0, 90.0, 0.3)
    assert find_ripple(sky, ALL, PARAMS) is None


def test_without_sky_there_is_nothing_to_find(rng):
    assert find_ripple(noise(rng), ~ALL, PARAMS) is None
    assert find_ripple(np.full(SHAPE, np.nan, np.float32), ALL, PARAMS) is None
    assert find_ripple(noise(rng)[:16, :16], ALL[:16, :16], PARAMS) is None
