"""Planes in files without a name."""

import errno

import numpy as np
import pytest

from rampline.files.scratch import ScratchPlanes


def test_what_is_written_stays_when_memory_is_let_go(tmp_path, rng):
    scratch = ScratchPlanes(tmp_path)
    plane, other = scratch.make((300, 400), np.float32), scratch.make((2, 3), np.int32)
    assert not plane.any()
    values = rng.normal(size=plane.shape).astype(np.float32)
    plane[...] = values
    other[1] = 7
    scratch.release()
    assert np.array_equal(plane, values)
    assert other.tolist() == [[0, 0, 0], [7, 7, 7]]


def test_nothing_is_left_in_the_folder(tmp_path):
    plane = ScratchPlanes(tmp_path).make((5, 5), np.float64)
    plane[0] = 1.0
    assert list(tmp_path.iterdir()) == []


def test_planes_that_find_no_room_are_refused_before_they_are_mapped(tmp_path):
    with pytest.raises(OSError, match=str(tmp_path)) as refused:
        ScratchPlanes(tmp_path).make((1 << 30, 1 << 30), np.float64)
    assert refused.value.errno == errno.ENOSPC
