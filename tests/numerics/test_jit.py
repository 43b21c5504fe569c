import os
import subprocess
import sys

COUNT = """
import numpy as np
from rampline.numerics.selection import select
select(np.arange(5.0), 5, 2)
"""


def words_of_a_run(cache):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", COUNT],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return done.stderr


def test_the_first_compilation_is_told_and_only_that(tmp_path):
    assert words_of_a_run(tmp_path).count("compiling kernels") == 1
    assert words_of_a_run(tmp_path) == ""
