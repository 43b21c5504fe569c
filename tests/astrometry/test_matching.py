import numpy as np
import pytest

from rampline.astrometry.matching import (
    MatchParams,
    Motion,
    find_offset,
    fit_motion,
    match_nearest,
    sharpen_motion,
)

PARAMS = MatchParams()
MOTION = Motion(np.array([4.3, -7.1]), np.radians(0.07), np.array([3.0, -2.0]))


def lists(rng, n=60, n_false=40, motion=MOTION, error=1e-3, half=32.0):
    fixed = rng.uniform(-half, half, (n, 2))
    inverse = Motion(-motion.shift, -motion.roll, motion.centre + motion.shift)
    moving = inverse.move(fixed + rng.normal(0, error, fixed.shape))
    moving = np.concatenate([moving, rng.uniform(-half, half, (n_false, 2))])
    fixed = np.concatenate([fixed, rng.uniform(-half, half, (n_false, 2))])
    return rng.permutation(moving), rng.permutation(fixed)


def test_three_stars_are_matched_by_hand():
    fixed = np.array([[0.0, 0.0], [5.0, 1.0], [-3.0, 4.0]])
    offset = find_offset(fixed - [1.0, 2.0], fixed, PARAMS)
    assert offset.n_pairs == 3
    np.testing.assert_allclose(offset.motion.shift, [1.0, 2.0])


def test_mutual_nearest_neighbours_only():
    moving = np.array([[0.0, 0.0], [0.3, 0.0], [9.0, 9.0]])
    fixed = np.array([[0.1, 0.0], [20.0, 20.0]])
    assert match_nearest(moving, fixed, 0.5).tolist() == [[0, 0]]
    assert match_nearest(moving[:0], fixed, 0.5).shape == (0, 2)
    assert match_nearest(moving, fixed[:0], 0.5).shape == (0, 2)


def test_a_motion_and_its_inverse_cancel(rng):
    points = rng.normal(size=(5, 2))
    back = Motion(-MOTION.shift, -MOTION.roll, MOTION.centre + MOTION.shift)
    np.testing.assert_allclose(back.move(MOTION.move(points)), points, atol=1e-12)


@pytest.mark.parametrize("half", [16.0, 32.0, 150.0])
def test_shift_and_roll_are_recovered_over_the_whole_search_range(rng, half):
    moving, fixed = lists(rng, n=100, half=half)
    offset = find_offset(moving, fixed, PARAMS)
    assert offset.chance < 1e-10
    motion, n = sharpen_motion(moving, fixed, offset.motion, PARAMS)
    assert n >= 95
    apart = motion.move(moving[:20]) - MOTION.move(moving[:20])
    assert np.abs(apart).max() < 1e-3


def test_swapping_the_lists_inverts_the_shift(rng):
    motion = MOTION._replace(roll=0.0)
    moving, fixed = lists(rng, motion=motion)
    there = find_offset(moving, fixed, PARAMS).motion.shift
    back = find_offset(fixed, moving, PARAMS).motion.shift
    np.testing.assert_allclose(there, -back, atol=1e-9)


def test_order_does_not_matter(rng):
    moving, fixed = lists(rng)
    first = find_offset(moving, fixed, PARAMS)
    second = find_offset(rng.permutation(moving), rng.permutation(fixed), PARAMS)
    assert first.n_pairs == second.n_pairs
    np.testing.assert_allclose(first.motion.shift, second.motion.shift, atol=1e-9)


def test_unrelated_lists_are_not_significant(rng):
    for n in (5, 50, 500):
        false = [
            find_offset(*rng.uniform(-32, 32, (2, n, 2)), PARAMS).chance
            for _ in range(20)
        ]
        assert min(false) > PARAMS.chance


def test_a_handful_of_common_stars_suffices(rng):
    moving, fixed = lists(rng, n=6, n_false=6)
    assert find_offset(moving, fixed, PARAMS).chance < PARAMS.chance


def test_empty_lists_are_no_match():
    empty, one = np.empty((0, 2)), np.zeros((1, 2))
    for moving, fixed in ((empty, one), (one, empty), (empty, empty)):
        assert find_offset(moving, fixed, PARAMS).chance == 1.0


def test_a_fit_ignores_a_third_of_false_pairs(rng):
    moving = rng.uniform(-30, 30, (60, 2))
    fixed = MOTION.move(moving) + rng.normal(0, 1e-4, moving.shape)
    fixed[:20] += rng.uniform(-0.3, 0.3, (20, 2))
    fitted = fit_motion(moving, fixed, MOTION._replace(roll=0.0), PARAMS)
    apart = fitted.move(moving) - MOTION.move(moving)
    assert np.abs(apart).max() < 1e-3


def test_few_pairs_do_not_turn_the_list(rng):
    moving = rng.uniform(-1, 1, (3, 2))
    fixed = moving + rng.normal(0, 0.01, moving.shape)
    start = Motion(np.zeros(2), 0.0, np.zeros(2))
    assert fit_motion(moving, fixed, start, PARAMS).roll == 0.0


def test_a_pattern_that_repeats_itself_fits_at_several_shifts(rng):
    axis = np.arange(-20.0, 20.0, 2.0)
    lattice = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    lattice += rng.normal(0, 0.003, lattice.shape)
    found = find_offset(lattice + np.array([0.1, 0.0]), lattice, PARAMS)
    assert found.is_ambiguous
    # a lattice among as many stars does not hide where they belong
    stars = np.concatenate([lattice, rng.uniform(-20, 20, (400, 2))])
    found = find_offset(stars + np.array([0.1, 0.0]), stars, PARAMS)
    assert not found.is_ambiguous
    np.testing.assert_allclose(found.motion.shift, [-0.1, 0.0], atol=0.1)
