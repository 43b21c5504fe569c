"""Limits of the jump search for a given rate of false positives.

A charge that lands between two groups is in one difference; one that lands within an averaged
group is shared between two, in any ratio. The shapes that a hit can have thus form a curve on
the unit sphere of residuals in units of their noise: from each difference to the next, along
an arc whose cosine is their correlation. Noise exceeds ``u`` sigma somewhere along a curve of
length ``L`` with probability ``Q(u) + L / (2 pi) exp(-u**2 / 2)``, ``Q`` the upper tail of a
normal: the chance at one end and the mean number of upcrossings (Rice 1944; Davies 1977,
Biometrika 64, 247). Groups of a single read share no hit: their differences are points, each
with a chance ``Q(u)``. The length depends on the share of photon noise.
"""

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from .ramp_fit.covariance import Pattern, readout_pattern

_SHARES: Final = 9
"""Shares of photon noise of which limits are known, 0 to 1."""
_TURNS: Final = 12
"""The limit is found by iteration; each turn gains a digit."""


@lru_cache(maxsize=8)
def chi2_limits(readout: Readout, false_positives: float) -> NDArray[np.float32]:
    """Return the decrease of chi2 from which on an omission is significant.

    Parameters
    ----------
    readout : Readout
    false_positives : float
        Fraction of ramps without a hit that may be flagged.

    Returns
    -------
    (shares, differences + 1) float32
        For shares of photon noise from 0 to 1, evenly spaced, and for each number of
        differences in the ramp, the first ones; infinite below two.
    """
    pattern = readout_pattern(readout)
    n_steps = len(pattern.step_s)
    limits = np.full((_SHARES, n_steps + 1), np.inf, np.float32)
    for n in range(2, n_steps + 1):
        ends, length = curve_of_hits(pattern, n)
        for k in range(_SHARES):
            limits[k, n] = _threshold(ends, float(length[k]), false_positives) ** 2
    return limits


def curve_of_hits(pattern: Pattern, n_steps: int) -> tuple[int, NDArray[np.float64]]:
    """Return into how many curves the shapes of a hit fall, and the sum of their lengths.

    Returns
    -------
    n_curves : int
    length : (shares,) float64, rad
    """
    joined = pattern.is_averaged[: n_steps - 1]
    # without two differences nothing is left of two
    if n_steps < 3 or not joined.any():
        return n_steps, np.zeros(_SHARES)
    photons = np.linspace(0.0, 1.0, _SHARES)[:, None, None]
    covariance = photons * _covariance(
        pattern.photon_diagonal[:n_steps], pattern.photon_off[: n_steps - 1]
    ) + (1.0 - photons) * _covariance(
        pattern.read_diagonal[:n_steps], pattern.read_off[: n_steps - 1]
    )
    inverse = np.linalg.inv(covariance)
    row = inverse.sum(axis=2)
    weight = row.sum(axis=1)[:, None, None]
    inverse -= row[:, :, None] * row[:, None, :] / weight
    own = np.diagonal(inverse, axis1=1, axis2=2)
    cross = np.diagonal(inverse, offset=1, axis1=1, axis2=2)
    cosine = cross / np.sqrt(own[:, :-1] * own[:, 1:])
    arcs = np.arccos(np.clip(cosine, -1.0, 1.0))[:, joined]
    return n_steps - int(joined.sum()), arcs.sum(axis=1)


def _covariance(
    diagonal: NDArray[np.float32], off: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the matrix, in units of the first variance."""
    unit = float(diagonal[0])
    own = np.diag(diagonal.astype(np.float64))
    return np.asarray((own + np.diag(off, 1) + np.diag(off, -1)) / unit)


def _threshold(n_curves: int, length: float, false_positives: float) -> float:
    """Return how many sigma noise exceeds with the given probability."""
    sigma = 3.0
    for _ in range(_TURNS):
        fall = math.exp(-0.5 * sigma**2)
        tail = 0.5 * math.erfc(sigma / math.sqrt(2.0)) / fall
        tests = n_curves * tail + length / (2.0 * math.pi)
        sigma = math.sqrt(2.0 * math.log(tests / false_positives))
    return sigma
