"""The noise of group differences.

A group is the mean of ``N`` reads at times ``t``, each with all photons up to then. Two
groups share photons, two differences also the read noise of the group between them, so
the covariance of the differences is tridiagonal: photon noise grows with the rate, read
noise does not, and what multiplies the two depends on the read pattern alone.
"""

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...exposure.timing import Readout


class Pattern(NamedTuple):
    """Covariance of the differences of a read pattern, (differences,) float32 each.

    The variance of difference ``i`` is ``signal * photon_diagonal[i] + read *
    read_diagonal[i]`` with ``signal`` the photon variance a second, DN**2/s, and ``read``
    that of one read, DN**2; its covariance with the next, likewise, ``..._off[i]`` (0 for
    the last). Differences are over the time between the groups, in DN/s.
    """

    step_s: NDArray[np.float32]
    photon_diagonal: NDArray[np.float32]
    photon_off: NDArray[np.float32]
    read_diagonal: NDArray[np.float32]
    read_off: NDArray[np.float32]
    photon_third: NDArray[np.float32]
    """1/s**2: third moment of a difference from the photons, over that of their number."""
    read_weight: NDArray[np.float32]
    """Weight of each difference in the slope that the noise of the reads alone asks for."""
    is_averaged: NDArray[np.bool_]
    """Whether the group between a difference and the next is the mean of several reads."""


@lru_cache(maxsize=8)
def readout_pattern(readout: Readout) -> Pattern:
    """Return the covariance of the differences of an exposure's groups."""
    return difference_pattern(list(readout.read_times_s()))


def difference_pattern(groups: list[NDArray[np.float64]]) -> Pattern:
    """Return the covariance of the differences of consecutive groups.

    Parameters
    ----------
    groups : list of (reads,) float64, s
        Times of the reads that each group is the mean of.

    Notes
    -----
    Brandt (2024), PASP 136, 045004, equations (3) to (9).
    """
    n_reads = np.array([len(times) for times in groups], np.float64)
    mean = np.array([times.mean() for times in groups])
    # mean over all pairs of reads of the earlier time of the two
    shared = np.array(
        [np.minimum.outer(times, times).mean() for times in groups], np.float64
    )
    step = np.diff(mean)
    both = step[:-1] * step[1:]
    inner = slice(1, -1)
    # of the fit of a line to means of reads, the sum of what comes after
    lever = n_reads * (mean - np.average(mean, weights=n_reads))
    weight = -np.cumsum(lever)[:-1] * step
    return Pattern(
        _float32(step),
        _float32((shared[:-1] + shared[1:] - 2 * mean[:-1]) / step**2),
        _float32(np.append((mean[inner] - shared[inner]) / both, 0.0)),
        _float32((1 / n_reads[:-1] + 1 / n_reads[1:]) / step**2),
        _float32(np.append(-1 / n_reads[inner] / both, 0.0)),
        _float32(np.array([_third(*pair) for pair in pairwise(groups)]) / step**3),
        _float32(weight / weight.sum()),
        np.append(n_reads[inner] > 1, [False]),
    )


def _third(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return the integral of the cube of the share with which charge is seen, s.

    What comes within a group is in its later reads only.
    """
    edges = np.concatenate([before, after])
    seen = [(after >= t).mean() - (before >= t).mean() for t in edges[1:]]
    return float(np.power(seen, 3) @ np.diff(edges))


def unit_read_weight(pattern: Pattern) -> np.float32:
    """Return ``1' C**-1 1`` of a ramp all of whose differences are used, without light.

    For a read variance of 1; divided by that of a pixel it is one over the variance
    that read noise alone gives its slope.
    """
    off = pattern.read_off[:-1].astype(np.float64)
    reads = np.diag(pattern.read_diagonal.astype(np.float64))
    reads += np.diag(off, 1) + np.diag(off, -1)
    return np.float32(np.linalg.solve(reads, np.ones(len(reads))).sum())


def _float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the values in the precision of the kernels."""
    return np.asarray(values, np.float32)
