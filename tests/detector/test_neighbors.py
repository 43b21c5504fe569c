import numpy as np
import pytest

from rampline.detector import neighbors
from rampline.detector.jumps import FoundJumps, JumpParams, find_jumps
from rampline.detector.neighbors import NeighborParams, flag_neighbors, hits_beside
from rampline.flags import BAD_FOR_SLOPE, JUMP, SATURATED
from tests.twins.detector import hits as twins

from .ramps import nasty_band, stcal_jumps

CROSS = NeighborParams(algorithm="jwst")


def one_jump(row, col, ratio, group=1):
    place = (np.array([n], np.int32) for n in (0, group, row, col))
    return FoundJumps(*place, *(np.array([x], np.float32) for x in (ratio, 100.0)))


def test_a_strong_hit_flags_the_cross_round_it():
    flags = np.zeros((1, 3, 5, 5), np.uint8)
    assert flag_neighbors(flags, one_jump(2, 2, 50.0), CROSS) == 1
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    np.testing.assert_array_equal(flags[0, 1, 1:4, 1:4] == JUMP, cross)
    assert np.count_nonzero(flags) == 4


@pytest.mark.parametrize("ratio", [10.0, 1000.0])
def test_hits_at_or_beyond_the_limits_leave_their_neighbours_alone(ratio):
    flags = np.zeros((1, 3, 5, 5), np.uint8)
    flag_neighbors(flags, one_jump(2, 2, ratio), CROSS)
    assert not flags.any()


def test_the_cross_ends_at_the_edge_and_spares_saturated_neighbours():
    flags = np.zeros((1, 3, 5, 5), np.uint8)
    flags[0, 1, 0, 1] = SATURATED
    flag_neighbors(flags, one_jump(0, 0, 50.0), CROSS)
    assert flags[0, 1, 0, 1] == SATURATED
    assert flags[0, 1, 1, 0] == JUMP
    assert np.count_nonzero(flags) == 2


def test_hits_beside_a_band_are_those_within_a_row_of_it():
    found = {start: one_jump(row, 2, 50.0) for start, row in ((0, 3), (4, 0), (8, 3))}
    rows = hits_beside(found, slice(4, 8)).row
    np.testing.assert_array_equal(rows, [-1, 0])
    np.testing.assert_array_equal(hits_beside(found, slice(0, 12)).row, [3, 4, 11])


@pytest.mark.parity
@pytest.mark.parametrize("shape", [(1, 9, 32, 32), (2, 12, 32, 32)])
def test_crosses_equal_those_of_stcal(rng, shape):
    band, noise, readout = nasty_band(rng, "MEDIUM8", shape)
    theirs = stcal_jumps(band, noise, readout, flag_4_neighbors=True)
    found = find_jumps(band, noise, readout, JumpParams(algorithm="jwst"))
    flag_neighbors(band.group_flags, found, CROSS)
    np.testing.assert_array_equal(band.group_flags, theirs)


def test_the_kernel_equals_its_twin(rng):
    flags = np.where(rng.random((2, 3, 20, 20)) < 0.1, SATURATED, 0).astype(np.uint8)
    where = np.stack([rng.integers(n, size=40) for n in flags.shape]).astype(np.int32)
    twin = flags.copy()
    neighbors._flag_crosses(flags, where, BAD_FOR_SLOPE, JUMP)
    twins.flag_crosses(twin, where, BAD_FOR_SLOPE, JUMP)
    # a hit is not its own neighbour, but it may be that of another
    twin[tuple(where)] = flags[tuple(where)]
    np.testing.assert_array_equal(flags, twin)
