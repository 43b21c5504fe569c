"""Thresholds of the jump search for a wanted rate of false positives.

A ramp of ``n`` differences is tested in up to ``2 n - 1`` ways that are not independent.
The number of independent tests that they amount to was measured once, on simulated ramps
without hits (``benchmarks/slopes.py thresholds``), and is nearly the same for every rate
of false positives; from it follows the threshold for any.
"""

from statistics import NormalDist
from typing import Final

import numpy as np

_LENGTHS: Final = (2, 3, 4, 5, 6, 8, 10, 14, 19, 29, 49)
_TESTS_SINGLE: Final = (3.0, 4.3, 5.0, 6.0, 7.3, 9.1, 11.8, 14.5, 20.0, 30.0, 48.0)
_TESTS_AVERAGED: Final = (4.8, 7.2, 9.0, 10.5, 12.5, 16.0, 18.0, 26.0, 40.0, 65.0, 95.0)


def one_sided_threshold(n_steps: int, n_frames: int, false_positives: float) -> float:
    """Return the threshold in standard deviations.

    Parameters
    ----------
    n_steps : int
        Differences that the ramp has.
    n_frames : int
        Reads averaged into a group: from two on pairs are tested as well.
    false_positives : float
        Fraction of ramps without a hit that may be flagged.
    """
    tests = np.interp(
        n_steps, _LENGTHS, _TESTS_SINGLE if n_frames == 1 else _TESTS_AVERAGED
    )
    tests *= max(n_steps / _LENGTHS[-1], 1.0)
    return -NormalDist().inv_cdf(false_positives / float(tests))
