import numpy as np
import pytest

from rampline.detector.after_jumps import AfterJumpParams, flag_after_jumps
from rampline.detector.jumps import JumpParams, find_jumps
from rampline.detector.neighbors import NeighborParams, flag_neighbors
from rampline.flags import JUMP, SATURATED

from .ramps import nasty_band, stcal_jumps
from .test_gls import clean_band

GROUP_S = 10.0


def flag_one(steps, marks, **params):
    counts = np.concatenate([[0.0], np.cumsum(steps)]).astype(np.float32)
    band, _ = clean_band(counts.reshape(1, -1, 1, 1))
    band.group_flags[0, :, 0, 0] = marks
    flag_after_jumps(band, GROUP_S, AfterJumpParams(**params))
    return band.group_flags[0, :, 0, 0].tolist()


def test_groups_within_the_time_after_a_strong_hit_are_flagged():
    steps, marks = [10, 900, 10, 10, 10, 10], [0, 0, JUMP, 0, 0, 0, 0]
    flagged = flag_one(steps, marks, step_1=500, time_1=25)
    assert flagged == [0, 0, JUMP, JUMP, JUMP, 0, 0]


def test_a_weak_hit_and_a_saturated_group_are_left_alone():
    steps, marks = [10, 400, 10, 10], [0, 0, JUMP, 0, 0]
    assert flag_one(steps, marks, step_1=500, time_1=25) == marks
    marks = [0, 0, JUMP, 0, SATURATED]
    flagged = flag_one(steps, marks, step_1=100, time_1=25)
    assert flagged == [0, 0, JUMP, JUMP, SATURATED]


def test_the_second_class_counts_as_the_first():
    steps, marks = [10, 900, 10, 10, 10], [0, 0, JUMP, 0, 0, 0]
    kinds = {"step_1": 5000, "time_1": 100, "step_2": 500, "time_2": 10}
    assert flag_one(steps, marks, **kinds) == [0, 0, JUMP, JUMP, 0, 0]


@pytest.mark.parity
@pytest.mark.parametrize("shape", [(1, 9, 24, 24), (2, 6, 24, 24)])
def test_flags_equal_those_of_stcal(rng, shape):
    band, noise, readout = nasty_band(rng, "SHALLOW4", shape)
    noise.gain[:] = 2.0
    theirs = stcal_jumps(
        band,
        noise,
        readout,
        flag_4_neighbors=True,
        after_jump_flag_dn1=100.0,
        after_jump_flag_n1=2,
        after_jump_flag_dn2=400.0,
        after_jump_flag_n2=4,
    )
    found = find_jumps(band, noise, readout, JumpParams(algorithm="jwst"))
    flag_neighbors(band.group_flags, found, NeighborParams(algorithm="jwst"))
    params = AfterJumpParams(step_1=100, time_1=25, step_2=400, time_2=45)
    flag_after_jumps(band, GROUP_S, params)
    np.testing.assert_array_equal(band.group_flags, theirs)
