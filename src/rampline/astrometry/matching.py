"""Which entries of two lists are the same stars, when one list is shifted and turned.

All displacements between the lists are counted in bins of 0.1 arcsec within +-10 arcsec;
the true shift is the cell that holds more of them than chance can put there. The search
must be wide: within +-3 arcsec a field whose header is off by more still finds a peak, and
an alignment to it looks healthy. The peak is then sharpened by mutual nearest neighbours
within shrinking radii and a robust fit of shift and roll.
"""

from typing import Annotated, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import Field

from ..params import Arcsec, Count, Fraction, Params, Unit

Points = NDArray[np.float64]
CELLS = 3
"""Bins a cell is wide: a peak is sought in sums over 3 x 3 bins."""
APART = 4
"""Bins from a peak within which there is no second one."""
RIVAL = 0.7
"""Share of a peak's pairs with which another shift is as good: where stars repeat
themselves the true shift may lose that many to edges, noise and missing stars."""
AROUND = 41
"""Bins of the box whose mean tells what chance puts into a cell."""
CAUCHY = 2.385
"""Scale of Cauchy's weights at 95 % efficiency for normal errors (Holland & Welsch 1977)."""


class MatchParams(Params):
    """How star lists are matched."""

    reach: Arcsec = 10.0
    """Largest shift along either axis."""
    bin_width: Arcsec = 0.1
    """Width of the bins of the displacements' histogram."""
    max_roll: Annotated[float, Field(ge=0, le=1), Unit("deg")] = 0.1
    """Largest roll between the lists."""
    chance: Fraction = 1e-4
    """Highest probability that a peak is made by chance anywhere in the histogram."""
    radius: Arcsec = 0.04
    """Last radius within which two entries are the same star."""
    most: Count = 1500
    """At most this many entries of a list, the first ones, enter the histogram."""


class Motion(NamedTuple):
    """A turn about a centre and a shift, in a tangent plane."""

    shift: Points
    """(2,) arcsec"""
    roll: float
    """rad, from the first axis towards the second"""
    centre: Points
    """(2,) arcsec"""

    def move(self, points: Points) -> Points:
        """Return moved points, (n, 2), arcsec."""
        turned = (points - self.centre) @ rotation(self.roll).T
        return np.asarray(turned + self.centre + self.shift)


class Offset(NamedTuple):
    """The most significant shift between two lists."""

    motion: Motion
    """Takes the moving list to the fixed one."""
    n_pairs: int
    """Pairs in the peak's cell."""
    n_expected: float
    """Pairs that chance puts there."""
    chance: float
    """Probability that chance makes such a peak anywhere, at most 1."""
    is_ambiguous: bool = False
    """Whether another shift, which is no chance either, fits nearly as many pairs."""


def rotation(roll: float) -> Points:
    """Return the (2, 2) rotation by ``roll`` rad."""
    c, s = np.cos(roll), np.sin(roll)
    return np.array([[c, -s], [s, c]])


def find_offset(moving: Points, fixed: Points, params: MatchParams) -> Offset:
    """Find the shift between two lists by the histogram of displacements.

    Parameters
    ----------
    moving, fixed : (n, 2), (m, 2) float64, arcsec
        Positions in one tangent plane, the most useful entries first.
    params : MatchParams

    Returns
    -------
    Offset
        Compare ``chance`` with ``params.chance`` before use; 1 where a list is empty.

    Notes
    -----
    A few rolls are tried where ``max_roll`` would smear the peak over more than a cell.
    Chance: Poisson tail of the peak's count over the local mean of the histogram, times
    the number of rolls that were tried and of cells no further from no shift at all, times
    the number of octaves of distance: small shifts are more credible than large ones.
    """
    moving, fixed = moving[: params.most], fixed[: params.most]
    centre = moving.mean(axis=0) if len(moving) else np.zeros(2)
    best = Offset(Motion(np.zeros(2), 0.0, centre), 0, 0.0, 1.0)
    if len(moving) == 0 or len(fixed) == 0:
        return best
    lever = float(np.hypot(*(moving - centre).T).max())
    smear = np.radians(params.max_roll) * lever
    n_side = int(np.ceil(smear / (CELLS / 2 * params.bin_width) - 0.5))
    steps = np.arange(-n_side, n_side + 1) / max(n_side, 1)
    tree, lowest = scipy.spatial.cKDTree(fixed), np.inf
    # The smallest rolls first, so that of equal peaks the plainest wins.
    for step in sorted(steps, key=abs):
        motion = Motion(np.zeros(2), float(np.radians(params.max_roll) * step), centre)
        peak, log_chance = _find_peak(motion.move(moving), tree, params)
        if log_chance < lowest:
            lowest = log_chance
            chance = float(np.exp(min(log_chance + np.log(len(steps)), 0.0)))
            best = peak._replace(motion=motion._replace(shift=peak.motion.shift))
            best = best._replace(chance=chance)
    return best


def _find_peak(
    moving: Points, fixed: "scipy.spatial.cKDTree", params: MatchParams
) -> tuple[Offset, float]:
    """Return the highest peak and the logarithm of its probability by chance."""
    pairs = scipy.spatial.cKDTree(moving).sparse_distance_matrix(
        fixed, params.reach, p=np.inf, output_type="ndarray"
    )
    apart = fixed.data[pairs["j"]] - moving[pairs["i"]]
    n_bins = int(np.ceil(2 * params.reach / params.bin_width))
    edges = (np.arange(n_bins + 1) - n_bins / 2) * params.bin_width
    counts, _, _ = np.histogram2d(apart[:, 0], apart[:, 1], bins=(edges, edges))
    cells = np.round(
        scipy.ndimage.uniform_filter(counts, CELLS, mode="constant") * CELLS**2
    )
    middles = (edges[1:] + edges[:-1]) / 2
    distance = np.hypot(middles[:, None], middles)
    # Of equal peaks the one that moves least.
    i, j = np.unravel_index(np.argmax(cells - distance / params.reach / 4), cells.shape)
    n_pairs = round(float(cells[i, j]))
    expected = _expected_pairs(counts, int(i), int(j), n_pairs)
    tried = np.pi * (distance[i, j] / params.bin_width + CELLS) ** 2
    octaves = np.log2(n_bins / CELLS) + 1
    log_trials = float(np.log(min(tried * octaves, counts.size * octaves)))
    middle = np.array([middles[i], middles[j]])
    n_rival = _strongest_rival(cells, int(i), int(j))
    rival_tail = _log_tail(n_rival, expected) + log_trials
    is_ambiguous = n_rival >= RIVAL * n_pairs and rival_tail < np.log(params.chance)
    near = np.abs(apart - middle).max(axis=1) <= CELLS / 2 * params.bin_width
    shift = apart[near].mean(axis=0) if near.any() else np.zeros(2)
    motion = Motion(shift, 0.0, np.zeros(2))
    offset = Offset(motion, n_pairs, expected, 1.0, is_ambiguous)
    return offset, _log_tail(n_pairs, expected) + log_trials


def _strongest_rival(cells: NDArray[np.float64], i: int, j: int) -> int:
    """Return the pairs in the fullest cell away from the peak at (i, j)."""
    others = cells.copy()
    box = (
        slice(max(i - APART, 0), i + APART + 1),
        slice(max(j - APART, 0), j + APART + 1),
    )
    others[box] = 0.0
    return round(float(others.max()))


def _expected_pairs(counts: NDArray[np.float64], i: int, j: int, n_pairs: int) -> float:
    """Return what chance puts into the cell at (i, j): what lies around it.

    Not below half of what all bins have in the mean.
    """
    half = AROUND // 2
    box = counts[max(i - half, 0) : i + half + 1, max(j - half, 0) : j + half + 1]
    around = max(box.sum() - n_pairs, 0.0) / max(box.size - CELLS**2, 1)
    return float(CELLS**2 * max(around, counts.mean() / 2, 0.5 / counts.size))


def _log_tail(n: int, mean: float) -> float:
    """Return (an upper bound of) the log probability of ``n`` or more Poisson events."""
    if n <= mean:
        return 0.0
    first = n * np.log(mean) - mean - scipy.special.gammaln(n + 1)
    return float(first - np.log1p(-mean / (n + 1)))


def sharpen_motion(
    moving: Points, fixed: Points, motion: Motion, params: MatchParams
) -> tuple[Motion, int]:
    """Sharpen a rough motion by matching within shrinking radii.

    Parameters
    ----------
    moving, fixed : (n, 2), (m, 2) float64, arcsec
    motion : Motion
        From `find_offset`: good to a cell.
    params : MatchParams

    Returns
    -------
    motion : Motion
    n_matched : int
        Pairs within the last radius.
    """
    cell = CELLS * params.bin_width
    pairs = match_nearest(motion.move(moving), fixed, cell)
    for radius in (cell, cell / 2, 1.5 * params.radius, params.radius):
        for _ in range(2):
            pairs = match_nearest(motion.move(moving), fixed, radius)
            if len(pairs) == 0:
                return motion, 0
            motion = fit_motion(moving[pairs[:, 0]], fixed[pairs[:, 1]], motion, params)
    return motion, len(match_nearest(motion.move(moving), fixed, params.radius))


def match_nearest(moving: Points, fixed: Points, radius: float) -> NDArray[np.intp]:
    """Return (n, 2) indices of the entries that are each other's nearest within a radius."""
    if len(moving) == 0 or len(fixed) == 0:
        return np.empty((0, 2), np.intp)
    distance, there = scipy.spatial.cKDTree(fixed).query(
        moving, distance_upper_bound=radius
    )
    near = np.flatnonzero(np.isfinite(distance))
    _, back = scipy.spatial.cKDTree(moving).query(fixed[there[near]])
    mutual = near[back == near]
    return np.column_stack([mutual, there[mutual]])


def fit_motion(
    moving: Points, fixed: Points, start: Motion, params: MatchParams
) -> Motion:
    """Fit shift and roll to pairs with Cauchy's weights; the shift alone below 4 pairs.

    Also the shift alone where the pairs would turn the list beyond ``max_roll``.
    """
    motion = start
    for _ in range(5):
        residual = fixed - motion.move(moving)
        size = np.hypot(*residual.T)
        scale = max(1.2 * float(np.median(size)), 1e-5)
        weight = 1.0 / (1.0 + (size / (CAUCHY * scale)) ** 2)
        arm = motion.move(moving) - motion.centre - motion.shift
        roll = motion.roll
        if len(moving) >= 4:
            roll += _weighted_turn(arm, residual, weight)
        if abs(roll) > 1.5 * np.radians(params.max_roll):
            roll = start.roll
        turned = motion._replace(roll=roll)
        rest = fixed - turned.move(moving)
        shift = motion.shift + np.average(rest, axis=0, weights=weight)
        motion = turned._replace(shift=shift)
    return motion


def _weighted_turn(arm: Points, residual: Points, weight: Points) -> float:
    """Return the small roll (rad) that best removes residuals, beside a shift."""
    arm = arm - np.average(arm, axis=0, weights=weight)
    residual = residual - np.average(residual, axis=0, weights=weight)
    torque = weight * (arm[:, 0] * residual[:, 1] - arm[:, 1] * residual[:, 0])
    inertia = weight * (arm**2).sum(axis=1)
    return float(torque.sum() / inertia.sum()) if inertia.sum() > 0 else 0.0
