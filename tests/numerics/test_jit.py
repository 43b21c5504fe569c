import gc
import os
import subprocess
import sys

import pytest
from numba import njit
from numba.core import event
from numba.core.errors import TypingError

import rampline.numerics.jit  # noqa: F401 - sees to what is around a compilation

COUNT = """
import sys
import numpy as np
from rampline.numerics.compile_turn import turn
from rampline.numerics.selection import select
with turn.task():
    print("ready", flush=True)
    sys.stdin.readline()
    select(np.arange(5.0), 5, 2)
    print("done", flush=True)
    sys.stdin.readline()
"""


PRODUCT = """
import sys
import numpy as np
from numba import njit
from rampline.numerics.selection import select
assert select(np.arange(5.0), 5, 2) == 2.0
assert "scipy.linalg" not in sys.modules
assert njit(lambda a: np.dot(a, a))(np.eye(2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]
assert "scipy.linalg" in sys.modules
"""


CALLED = """
from rampline.numerics.jit import kernel
LIMIT = {limit}

@kernel
def called(x):
    return {value}
"""

CALLER = """
from called import LIMIT, called
from rampline.numerics.jit import kernel

@kernel
def caller(x):
    return min(called(x), LIMIT)

if __name__ == "__main__":
    import caller
    print(caller.caller(1.0), sum(caller.caller.stats.cache_hits.values()))
"""


def run_caller(folder, value, limit):
    """Return what a kernel says that calls one of another file, and whether it was kept."""
    (folder / "called.py").write_text(CALLED.format(value=value, limit=limit))
    run = subprocess.run(
        [sys.executable, "caller.py"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
    )
    value, n_kept = run.stdout.split()
    return value, n_kept == "1"


def start_a_task(cache):
    """Start a process that compiles when it is told to, and ends its task likewise."""
    started = subprocess.Popen(
        [sys.executable, "-c", COUNT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
    )
    assert started.stdout.readline() == "ready\n"
    return started


def tell(process):
    process.stdin.write("\n")
    process.stdin.flush()


def test_of_all_processes_and_runs_one_says_that_it_compiles(tmp_path):
    first, second = start_a_task(tmp_path), start_a_task(tmp_path)
    tell(first)
    assert first.stdout.readline() == "done\n"
    tell(second)
    words = [run.communicate("\n\n")[1] for run in (first, second)]
    assert words[0].count("compiling kernels") == 1
    assert words[1] == ""
    assert [run.returncode for run in (first, second)] == [0, 0]


class Seen(event.Listener):
    def __init__(self):
        self.collects = []

    def on_start(self, _event):
        self.collects.append(gc.isenabled())

    def on_end(self, _event):
        pass


def add_one(x):
    return x + 1.0


def miss_one(x):
    return x.missing


def compile_ours(function, monkeypatch):
    monkeypatch.setattr(function, "__module__", "rampline.made")
    return njit(function)(2.0)


def test_no_garbage_is_collected_while_a_kernel_is_compiled(monkeypatch):
    with event.install_listener("numba:compile", Seen()) as seen:
        assert compile_ours(add_one, monkeypatch) == 3.0
    assert seen.collects == [False]
    assert gc.isenabled()


def test_garbage_is_collected_again_after_an_error(monkeypatch):
    with pytest.raises(TypingError):
        compile_ours(miss_one, monkeypatch)
    assert gc.isenabled()


def test_who_had_switched_collection_off_keeps_it_so(monkeypatch):
    gc.disable()
    try:
        compile_ours(add_one, monkeypatch)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_other_peoples_functions_are_left_alone():
    with event.install_listener("numba:compile", Seen()) as seen:
        njit(add_one)(2.0)
    assert seen.collects == [True]


def test_a_kernel_waits_for_linear_algebra_only_if_it_has_any():
    run = subprocess.run(
        [sys.executable, "-c", PRODUCT], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_a_kernel_notices_what_changes_in_the_files_that_it_takes_from(tmp_path):
    (tmp_path / "caller.py").write_text(CALLER)
    assert run_caller(tmp_path, "x + 1.0", 10.0) == ("2.0", False)
    assert run_caller(tmp_path, "x + 1.0", 10.0) == ("2.0", True)
    assert run_caller(tmp_path, "x + 2.0", 10.0) == ("3.0", False)
    assert run_caller(tmp_path, "x + 2.0", 2.5) == ("2.5", False)
