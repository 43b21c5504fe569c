import numpy as np
import pytest

from rampline.detector.afterglow_search import Earlier, find_afterglow

SHAPE = (160, 192)
FULL_DN = np.full(SHAPE, 60000.0, np.float32)
GLOW = np.array([6.0, 4.0, 2.0])


def look(samples, place, usable=None, earlier=None):
    """Look at places whose wells were full and whose traps are half filled."""
    n = place.shape[1]
    history = np.ones(n, np.float32), np.full((5, n), 0.5, np.float32)
    usable = np.ones(SHAPE, np.bool_) if usable is None else usable
    release = np.full((5, len(GLOW)), 0.1)
    raw = (samples, FULL_DN)
    seen = find_afterglow(raw, usable, place, history, release, earlier)
    return seen[0] if earlier is None and seen else seen


@pytest.fixture
def place(rng):
    return np.stack([rng.integers(20, 140, 40), rng.integers(20, 170, 40)])


@pytest.fixture
def glowing(rng, place):
    """Four groups of an even sky of 10 DN each, with noise, and an afterglow."""
    steps = np.full((1, 4, *SHAPE), 10.0)
    steps[:, 1:, place[0], place[1]] += GLOW[None, :, None]
    noise = rng.normal(0.0, 0.1, steps.shape)
    return (1000.0 + np.cumsum(steps, axis=1) + noise).astype(np.float32)


def test_the_rise_is_the_afterglow_without_the_sky(glowing, place):
    seen = look(glowing, place)
    np.testing.assert_allclose(np.nanmean(seen.rise_dn, axis=1), GLOW, atol=0.1)
    assert seen.rise_dn.shape == (3, 40)
    assert np.abs(np.nanmean(seen.control_dn, axis=(0, 2))).max() < 0.1
    assert seen.control_dn.shape == (4, 3, 40)


def test_saturated_and_bad_pixels_say_nothing(glowing, place):
    full, bad = place[:, 0], place[:, 1]
    glowing[:, -1, full[0], full[1]] = 60000.0
    usable = np.ones(SHAPE, np.bool_)
    usable[tuple(bad)] = False
    rise = look(glowing, place, usable).rise_dn
    assert np.isnan(rise[-1, 0])
    assert np.isnan(rise[:, 1]).all()


def test_places_in_the_wings_of_a_star_are_left_out(glowing, place):
    row, col = np.indices(SHAPE)
    distance = np.hypot(row - place[0, 0], col - place[1, 0] - 8)
    wings = 1e4 / (1.0 + distance) ** 3
    glowing += (np.arange(4)[:, None, None] * wings).astype(np.float32)
    rise = look(glowing, place).rise_dn
    assert np.isnan(rise[:, 0]).all()
    assert np.isfinite(rise).all(axis=0).sum() > 10


def test_pixels_of_one_cell_count_as_one_star(glowing):
    place = np.array([[30, 31, 30, 80], [30, 31, 60, 30]])
    star = look(glowing, place).star
    assert star[0] == star[1]
    assert len(set(star)) == 3


def test_where_no_surroundings_are_known_there_is_nothing(glowing, place):
    assert look(glowing, place, np.zeros(SHAPE, np.bool_)) == []


def test_what_wings_do_is_taken_off_by_an_earlier_exposure_of_the_same_sky(
    rng, glowing, place
):
    # a sky of its own in each place, which the rings around know nothing of
    own = np.zeros(SHAPE)
    own[place[0], place[1]] = 3.0
    here = glowing + (np.arange(4)[:, None, None] * own).astype(np.float32)
    shift = (5, -7)
    moved = np.roll(own, shift, axis=(0, 1))
    before = (
        1000.0 + 10.0 * np.arange(4)[:, None, None] + rng.normal(0.0, 0.1, (4, *SHAPE))
    )
    before = (before + np.arange(4)[:, None, None] * moved)[None].astype(np.float32)
    clean = np.ones(SHAPE, np.bool_)
    alone = look(here, place).rise_dn
    np.testing.assert_allclose(np.nanmean(alone, axis=1), GLOW + 3.0, atol=0.1)
    seen, rest = look(here, place, earlier=Earlier(before, FULL_DN, clean, shift))
    np.testing.assert_allclose(np.nanmean(seen.rise_dn, axis=1), GLOW, atol=0.1)
    assert rest.share.size == 0
    clean[place[0, 0] + 5, place[1, 0] - 7] = False
    seen, rest = look(here, place, earlier=Earlier(before, FULL_DN, clean, shift))
    assert (seen.share.size, rest.share.size) == (39, 1)
    np.testing.assert_allclose(rest.rise_dn[:, 0], GLOW + 3.0, atol=0.5)


def test_wings_that_the_rest_of_a_history_hides_from_one_exposure_do_not_count(rng):
    # all of a disc was full: only far surroundings, on one side, are clean, where the
    # earlier exposure is clean all around
    row, col = np.indices(SHAPE)
    bent = 0.02 * (row - 70.0 + (row - 70.0) ** 2 / 20.0)
    steps = np.broadcast_to(10.0 + bent, (1, 4, *SHAPE))
    disc = np.hypot(row - 80, col - 90) < 12
    place = np.stack(np.nonzero(disc))
    samples = 1000.0 + np.cumsum(steps, axis=1)
    before = samples + rng.normal(0.0, 0.1, samples.shape)
    samples = samples + rng.normal(0.0, 0.1, samples.shape)
    samples[:, 1:, disc] += np.cumsum(GLOW)[:, None]
    everywhere = np.ones(SHAPE, np.bool_)
    earlier = Earlier(before.astype(np.float32), FULL_DN, everywhere, (0, 0))
    compared, _ = look(samples.astype(np.float32), place, earlier=earlier)
    np.testing.assert_allclose(np.nanmean(compared.rise_dn, axis=1), GLOW, atol=0.05)
