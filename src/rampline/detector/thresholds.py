"""Thresholds of the jump search for a wanted rate of false positives.

A ramp of ``n`` differences is tested in up to ``2 n - 1`` ways: each difference alone and,
where groups are means of several reads, each with the next. All have the same chance to
exceed the threshold, but they are not independent: of neighbours and pairs that share a
difference several exceed it together. The number of tests that they amount to is the sum
over the ways of the mean of one over how many exceed it when this one does. From the
covariance of the differences it is that of the differences if only these are tested, and
1.2 to 1.35 times as many with pairs, for all patterns, lengths and shares of photon noise
(``benchmarks/slopes.py thresholds`` draws it).
"""

from statistics import NormalDist
from typing import Final

_WITH_PAIRS: Final = 1.3


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
    tests = n_steps * (1.0 if n_frames == 1 else _WITH_PAIRS)
    return -NormalDist().inv_cdf(false_positives / tests)
