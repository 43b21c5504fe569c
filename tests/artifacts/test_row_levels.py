import numpy as np

from rampline.artifacts.row_levels import without_row_levels

SHAPE = (256, 1024)


def stripes(rng, size=0.01):
    """Levels of two amplifiers, half of them in common."""
    own = rng.normal(0, size, (SHAPE[0], 2)) + rng.normal(0, size, (SHAPE[0], 1))
    return np.repeat(own, SHAPE[1] // 2, axis=1).astype(np.float32)


def test_levels_told_beside_the_light_leave_the_light_alone(rng):
    light = np.zeros(SHAPE, np.float32)
    light[100:140, :300] = 1.0
    found = without_row_levels(stripes(rng) + light, light > 0)
    assert not found.untold.any()
    assert np.allclose(found.even, light, atol=1e-5)
    assert found.guess_err == 0.0


def test_a_row_without_sky_takes_its_level_from_the_other_amplifier_and_from_around(
    rng,
):
    slow = np.linspace(0.0, 0.05, SHAPE[0])[:, None] * np.array([1.0, -1.0])
    slow = np.repeat(slow, SHAPE[1] // 2, axis=1)
    common = rng.normal(0, 0.01, (SHAPE[0], 1))
    light = np.zeros(SHAPE, np.float32)
    light[100:140, :512] = 1.0
    image = np.asarray(slow + common + light, np.float32)
    found = without_row_levels(image, light > 0)
    assert found.untold[100:140, :512].all()
    assert not found.untold[:, 512:].any()
    assert np.abs(found.even - light).max() < 0.015
    assert np.abs(found.even - light)[100:140, :512].std() < 0.005


def test_rows_without_any_sky_lose_what_changes_from_row_to_row(rng):
    light = np.zeros(SHAPE, np.float32)
    light[100:180] = 1.0
    found = without_row_levels(stripes(rng, 0.003) + light, light > 0)
    assert found.untold[100:180].all()
    left = (found.even - light)[100:180]
    assert np.abs(left).max() < 0.01
    assert left.std() < 0.6 * stripes(rng, 0.003).std()


def test_what_guesses_are_worth_is_measured_where_levels_are_known(rng):
    hidden = np.zeros(SHAPE, np.bool_)
    hidden[60:120] = True
    still = without_row_levels(stripes(rng, 1e-4), hidden)
    drift = np.cumsum(rng.normal(0, 0.01, (SHAPE[0], 2)), axis=0)
    image = np.repeat(drift, SHAPE[1] // 2, axis=1).astype(np.float32)
    moving = without_row_levels(image, hidden)
    assert moving.guess_err > 50 * still.guess_err
    assert moving.guessed[:60].std() > 3 * moving.even[:60].std()
