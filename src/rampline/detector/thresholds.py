"""Thresholds of the jump search for a given rate of false positives.

A ramp of ``n`` differences is subject to up to ``2 n - 1`` tests: each difference alone and,
if groups are means of several reads, each with the next. All have the same probability of
exceeding the threshold, but they are not independent: neighbours, and pairs that share a
difference, exceed it together. The effective number of independent tests is the sum over the
tests of the mean of one over the number that exceed the threshold when this test does. From
the covariance of the differences it equals the number of differences if only these are
tested, and 1.2 to 1.5 times as many with pairs, for all patterns, lengths and fractions of
photon noise (``benchmarks/slopes.py thresholds`` draws it). Of 20 differences and more with
hardly any light it is two to three times as many, because the noise of a step then depends
on a rate that is not known.
"""

from statistics import NormalDist
from typing import Final

_WITH_PAIRS: Final = 1.3


def one_sided_threshold(n_steps: int, n_frames: int, false_positives: float) -> float:
    """Return the threshold in standard deviations.

    Parameters
    ----------
    n_steps : int
        Number of differences of the ramp.
    n_frames : int
        Reads averaged into a group; if two or more, pairs are tested as well.
    false_positives : float
        Fraction of ramps without a hit that may be flagged.
    """
    tests = n_steps * (1.0 if n_frames == 1 else _WITH_PAIRS)
    return -NormalDist().inv_cdf(false_positives / tests)
