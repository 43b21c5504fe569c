from types import SimpleNamespace

import numpy as np
import pytest

from rampline.detector.charge_migration import (
    ChargeMigrationParams,
    flag_charge_migration,
)
from rampline.flags import CHARGELOSS, DO_NOT_USE, SATURATED

LOST = CHARGELOSS | DO_NOT_USE


def test_later_groups_of_a_bright_pixel_and_its_cross_are_left_out():
    counts = np.zeros((1, 4, 5, 5), np.float32)
    counts[0, 1:, 2, 2] = 30000
    flags = np.zeros(counts.shape, np.uint8)
    assert flag_charge_migration(flags, counts, ChargeMigrationParams()) == 1
    assert not flags[0, 0].any()
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
    for group in flags[0, 1:]:
        np.testing.assert_array_equal(group[1:4, 1:4] == LOST, cross)
        assert np.count_nonzero(group) == 5


@pytest.mark.parity
def test_flags_equal_those_of_jwst(rng):
    from jwst.charge_migration.charge_migration import charge_migration

    shape = (2, 5, 20, 30)
    counts = np.cumsum(rng.exponential(4000, shape), axis=1).astype(np.float32)
    flags = rng.choice([0, 0, DO_NOT_USE, SATURATED], shape).astype(np.uint8)
    model = SimpleNamespace(data=counts, groupdq=flags.copy())
    theirs = charge_migration(model, 25000.0).groupdq
    flag_charge_migration(flags, counts, ChargeMigrationParams())
    assert (flags & CHARGELOSS).any()
    np.testing.assert_array_equal(flags, theirs)
