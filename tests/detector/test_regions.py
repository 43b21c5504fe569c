import numpy as np
import pytest

from rampline.detector import regions
from rampline.detector.regions import Event, filled_areas, find_regions
from rampline.flags import JUMP, SATURATED
from tests.twins.detector import regions as twins

EVENT = Event(JUMP, SATURATED)


def painted(rows):
    """Turn a drawing into flags: ``#`` is an event."""
    return np.array([[JUMP * (c == "#") for c in row] for row in rows], np.uint8)


def regions_of(flags):
    return find_regions(flags, EVENT, flags)


@pytest.mark.parametrize(
    ("rows", "area"),
    [
        (["###", "#.#", "###"], 9),
        # open at a corner: the outside reaches in diagonally
        ([".##", "#.#", "###"], 7),
        (["#..#", "#..#", "####"], 8),
        (["#####", "#.#.#", "#####"], 15),
    ],
)
def test_a_hole_is_what_the_outside_does_not_reach(rows, area):
    found = regions_of(painted(rows))
    assert filled_areas(found, np.ones(1, bool)).tolist() == [area]


def test_regions_that_are_not_chosen_keep_their_area():
    found = regions_of(painted(["###.###", "#.#.#.#", "###.###"]))
    assert filled_areas(found, np.array([False, True])).tolist() == [8, 9]


def test_room_is_made_for_as_many_runs_as_there_are():
    flags = np.zeros((4, 64), np.uint8)
    flags[::2, ::2] = JUMP
    found = regions_of(flags)
    assert found.area.tolist() == [1] * 64
    words, first = flags.view(np.uint64), np.zeros(5, np.int64)
    runs = np.empty((63, 4), np.int32)
    assert regions._find_runs(words, words, (JUMP, SATURATED, 1), runs, first) == -1


def test_runs_and_regions_equal_their_twins(rng):
    flags = np.where(rng.random((40, 48)) < 0.3, JUMP, 0).astype(np.uint8)
    flags[rng.random(flags.shape) < 0.1] |= SATURATED
    words = flags.view(np.uint64)
    bits = JUMP, SATURATED, 1
    runs, other = np.zeros((2, 1000, 4), np.int32)
    first, starts = np.zeros((2, 41), np.int64)
    n_runs = regions._find_runs(words, words, bits, runs, first)
    assert n_runs == twins.find_runs(words, words, bits, other, starts)
    np.testing.assert_array_equal(runs[:, :3], other[:, :3])
    np.testing.assert_array_equal(first, starts)
    runs, other, parent = runs[:n_runs], other[:n_runs], np.arange(n_runs)
    n = regions._join_runs(runs, first, parent)
    assert n == twins.join_runs(other, starts, parent)
    np.testing.assert_array_equal(runs, other)
    area, box, sums = (np.zeros((2, n, *shape), np.int64) for shape in ((), (4,), (5,)))
    regions._sum_regions(runs, area[0], box[0])
    twins.sum_regions(runs, area[1], box[1])
    regions._sum_moments(runs, box[0], sums[0])
    twins.sum_moments(runs, box[0], sums[1])
    for one, two in (area, box, sums):
        np.testing.assert_array_equal(one, two)
    parent = np.array([0, 0, 1, 3, 2])
    assert regions._root(parent.copy(), 4) == twins.root(parent, 4) == 0


def test_kernels_equal_their_twins(rng):
    flags = np.where(rng.random((40, 50)) < 0.45, JUMP, 0).astype(np.uint8)
    flags[:, 20:22] = 0
    found = regions_of(flags)
    chosen = rng.random(len(found.area)) < 0.7
    np.testing.assert_array_equal(
        regions._fill_areas(found.runs, found.box, found.area, chosen),
        twins.fill_areas(found.runs, found.box, found.area, chosen),
    )
    wet = np.pad(flags > 0, 1)
    other = wet.copy()
    assert regions._flood(wet) == twins.flood(other)
    np.testing.assert_array_equal(wet, other)
