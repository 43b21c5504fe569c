import platform
import subprocess
import sys

import numpy as np
import pytest

from rampline.numerics.workspace import Workspace


def address(array):
    return array.__array_interface__["data"][0]


def test_an_array_in_use_is_not_lent_again():
    workspace = Workspace()
    first = workspace.lend((4, 5), np.float32)
    second = workspace.lend((4, 5), np.float32)
    assert not np.shares_memory(first, second)


def test_a_buffer_that_nobody_refers_to_serves_again():
    workspace = Workspace()
    first = workspace.lend((4, 5), np.float32)
    place = address(first)
    del first
    assert address(workspace.lend((10, 4), np.uint16)) == place


def test_a_slice_or_a_frozen_result_keeps_its_buffer():
    workspace = Workspace()
    first = workspace.lend((4, 5), np.float32)
    kept = {"result": first[1:2, ::2]}
    del first
    assert not np.shares_memory(workspace.lend((4, 5), np.float32), kept["result"])


def test_a_small_array_does_not_take_a_large_buffer_but_its_place():
    workspace = Workspace()
    workspace.lend((1000,), np.float32)
    small = workspace.lend((10,), np.float32)
    assert small.base.nbytes == 40
    assert len(workspace._blocks) == 1


def test_zeros_are_zero_in_a_used_buffer():
    workspace = Workspace()
    workspace.lend((7,), np.uint8).fill(9)
    assert not workspace.zeros((7,), np.uint8).any()


def test_release_forgets_only_what_is_free():
    workspace = Workspace()
    kept = workspace.lend((7,), np.uint8)
    workspace.lend((7000,), np.uint8)
    workspace.release()
    assert len(workspace._blocks) == 1
    assert not np.shares_memory(workspace.lend((7,), np.uint8), kept)


def test_arrays_have_the_shape_and_type_asked_for():
    lent = Workspace().lend((2, 0, 3), np.uint32)
    assert lent.shape == (2, 0, 3)
    assert lent.dtype == np.uint32


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc",
    reason="only glibc has the setting",
)
def test_freed_memory_is_kept_for_what_comes_next():
    code = """
import numpy as np
from resource import RUSAGE_SELF, getrusage
from rampline.numerics.workspace import keep_freed_memory

def faults_of_a_round():
    before = getrusage(RUSAGE_SELF).ru_minflt
    arrays = [np.ones(1 << 19) for _ in range(32)]
    del arrays
    return getrusage(RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
first, *later = (faults_of_a_round() for _ in range(4))
assert later[-1] < first / 4, (first, later)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
