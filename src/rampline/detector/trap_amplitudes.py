"""The charge held by a detector's traps, measured on its own exposures.

Pixels that were full in an earlier exposure are compared in a later one, group by group,
with rings of pixels around them that were not. Their rise in excess of the same measure at
control positions without a history is released charge. Stacks of such pixels, by exposure
and by filling, are fitted with non-negative releases of the kinds of traps. A few exposures
cover few time lags, so the kinds are tied by a prior: equal amplitudes, which correspond to
the decay by about 1/t of detectors of this type (WFC3 Data Handbook, chapter 8), with a
scatter of twice their value; or, if an earlier run measured the detector, the amplitudes
found then, with a scatter of about a third.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.planes import HeldCharge
from ..numerics.selection import MAD_TO_SIGMA, robust_scatter
from ..params import Count, Fraction, Params, Sigma
from .trapped_charge import HALF_WELL, SHARES, TIMES_S, TrapAmplitudes, Traps

_ROUNDS: Final = 6
"""Number of times that the filling curve and the amplitudes are fitted in turn."""
_LEAST_STARS: Final = 3
"""Minimum number of stars to measure the error due to their surroundings."""
_SIDES: Final = 1 << 40
"""Larger than the number of cells."""
_PARTS: Final = 4
"""Maximum number of stacks per exposure and filling, from most to least recently lit."""
_ALIKE: Final = 2.0
"""Prior scatter of the amplitudes over a typical one. Amplitudes are for filling within the
release time, which need not be the time in which traps are filled."""
_CHANGE: Final = 0.3
"""Relative change allowed to the traps of a detector since an earlier run."""
_CLIP: Final = 2.5
"""Outliers are farther than this from the median, in sigma."""


class TrapAmplitudeParams(Params):
    """Criteria for a measurement of the charge of traps."""

    least_pixels: Count = 30
    """Minimum number of pixels of a stack."""
    least_significance: Sigma = 5.0
    """Minimum significance of the whole afterglow; below it nothing is subtracted."""
    least_scatter: Fraction = 0.1
    """Minimum relative scatter of the charge from pixel to pixel."""


class Afterglow(NamedTuple):
    """Signal of pixels with a history in one exposure."""

    share: NDArray[np.float32]
    """(n,): filling of the well when it last filled the traps."""
    filling: NDArray[np.float32]
    """(kinds, n): filling of the traps at the start of the exposure, if every bright pixel
    filled them as a full one does; the dependence on the share is fitted here."""
    rise_dn: NDArray[np.float32]
    """(steps, n): differences of groups minus those of the ring around; NaN unknown."""
    control_dn: NDArray[np.float32]
    """(sides, steps, n): the same at control positions on several sides."""
    release: NDArray[np.float64]
    """(kinds, steps): fraction of the traps that is released in each difference."""
    star: NDArray[np.int64]
    """(n,): index of the star, or of the cell of the frame: its pixels have the same
    surroundings, whose structure is a common error."""


class _Page(NamedTuple):
    """One exposure and the level of its control positions."""

    number: int
    seen: Afterglow
    level: NDArray[np.float64]
    """(steps,), DN"""
    level_error: float
    n_stars: int


class _Stack(NamedTuple):
    """The typical pixel of those with a similar history."""

    bin: int
    unit: NDArray[np.float64]
    """(kinds, steps): release for unit amplitudes and a unit curve."""
    rise: NDArray[np.float64]
    error: NDArray[np.float64]
    exposure: int
    """Index of the exposure whose control level is subtracted from the rises."""
    level_error: float
    """Error of that level, common to all steps."""


def fit_amplitudes(
    seen: Sequence[Afterglow],
    params: TrapAmplitudeParams,
    past: TrapAmplitudes | None = None,
) -> TrapAmplitudes | None:
    """Measure the amplitudes and the filling curve of traps.

    Parameters
    ----------
    seen : sequence of Afterglow
        One for each exposure that has pixels with a history, or for each earlier exposure
        that filled them.
    params : TrapAmplitudeParams
    past : TrapAmplitudes or None
        Result of an earlier run, used as the prior.

    Returns
    -------
    TrapAmplitudes or None
        None if no afterglow is detected or too few pixels have one; with a ``past``, only
        if the data agree better with no afterglow than with it.
    """
    pages = [_Page(n, one, *_level(one)) for n, one in enumerate(seen)]
    pages = [page for page in pages if page.n_stars >= _LEAST_STARS]
    amplitude, curve = np.zeros(len(TIMES_S)), np.array(HALF_WELL)
    if past is not None:
        amplitude, curve = past.charge_dn, past.curve
    for _ in range(_ROUNDS):
        stacks = [
            stack
            for page in pages
            for stack in _stacks(page, amplitude, curve, params.least_pixels)
        ]
        if not stacks:
            return past
        fit = _fit(stacks, curve, past)
        # without a past the afterglow must be significant, with one its absence must be
        least = params.least_significance * (1.0 if past is None else -1.0)
        if fit.significance < least:
            return None
        curve = _fit_curve(stacks, fit.amplitude, curve)
        amplitude = fit.amplitude
    fit = _fit(stacks, curve, past)
    least = params.least_scatter if past is None else past.scatter
    scatter = max(least, _scatter(seen, fit.amplitude, curve))
    return TrapAmplitudes(fit.amplitude, fit.covariance, curve, scatter)


def charge_of_traps(traps: Traps, amplitudes: TrapAmplitudes) -> HeldCharge:
    """Return the charge that traps hold, pixels without any left out.

    Parameters
    ----------
    traps : Traps
        Of an exposure's pixels, at its start.
    amplitudes : TrapAmplitudes
        Their covariance and the scatter from pixel to pixel make the error.
    """
    charge = traps.filling * amplitudes.charge_dn[:, None]
    variance = np.einsum(
        "kn,kl,ln->n",
        traps.filling,
        amplitudes.covariance,
        traps.filling,
        optimize=True,
    )
    total = charge.sum(axis=0)
    kept = total > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.sqrt(variance / total**2 + amplitudes.scatter**2)
    return HeldCharge(
        traps.row[kept],
        traps.col[kept],
        charge[:, kept].astype(np.float32),
        relative[kept].astype(np.float32),
    )


def _bins(share: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the index of the nearest of `SHARES`."""
    edges = (np.array(SHARES[1:]) + np.array(SHARES[:-1])) / 2
    return np.asarray(np.searchsorted(edges, share))


def _stacks(
    page: _Page, amplitude: NDArray[np.float64], curve: NDArray[np.float64], least: int
) -> list[_Stack]:
    """Return the typical rises of pixels with similar histories in one exposure.

    Pixels of similar filling may have been lit at different times. Outliers are therefore
    identified by their deviation from the current model, not from each other: a mean that
    clips the recently lit pixels would be too low.
    """
    seen, found = page.seen, []
    place, known = _bins(seen.share), np.isfinite(seen.rise_dn).all(axis=0)
    for share in range(len(SHARES)):
        (own,) = np.nonzero((place == share) & known)
        # most recently lit first; each stack has at least the minimum number
        brightness = seen.filling[:, own].T @ seen.release.sum(axis=1)
        n_parts = min(_PARTS, own.size // max(least, 2))
        for part in np.array_split(own[np.argsort(-brightness)], max(n_parts, 1)):
            if part.size < max(least, 2):
                continue
            filling = seen.filling[:, part].astype(np.float64)
            model = curve[share] * (amplitude[:, None] * filling).T @ seen.release
            rest, error = _middle(seen.rise_dn[:, part] - model.T)
            rise = rest + model.mean(axis=0) - page.level
            release = filling.mean(axis=1)[:, None] * seen.release
            numbers = (page.number, page.level_error)
            found.append(_Stack(share, release, rise, error, *numbers))
    return found


def _level(seen: Afterglow) -> tuple[NDArray[np.float64], float, int]:
    """Return the level of the control positions, its error, and the number of stars.

    The error is that of as many positions as there are stars with a history. It is the
    scatter between stars in excess of the noise of their pixels.
    """
    control = seen.control_dn.swapaxes(0, 1)
    steps = control.reshape(len(control), -1)
    star = np.tile(seen.star, len(seen.control_dn))
    star += np.repeat(np.arange(len(seen.control_dn)), seen.star.size) * _SIDES
    total = steps.mean(axis=0, dtype=np.float64)
    known = np.isfinite(total)
    _, place = np.unique(star[known], return_inverse=True)
    if place.size == 0:
        return np.zeros(len(control)), 0.0, 0
    count = np.bincount(place)
    means = np.bincount(place, total[known]) / count
    noise = robust_scatter(total[known] - means[place]) ** 2
    # positions with few pixels are noisier than stars with many
    large = count >= np.median(count)
    between = float(means[large].var()) - noise * float((1.0 / count[large]).mean())
    seen_stars = np.unique(seen.star[np.isfinite(seen.rise_dn).all(axis=0)]).size
    level, its_error = _middle(steps)
    error = np.sqrt(max(between, 0.0) / max(seen_stars, 1) + np.mean(its_error**2))
    return level, float(error), min(seen_stars, int(large.sum()))


def _middle(
    steps: NDArray[np.floating[Any]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of each step without its outliers, and its error.

    Counts are integers, so a median would be an integer, too.
    """
    known = steps[:, np.isfinite(steps).all(axis=0)].astype(np.float64)
    middle = np.median(known, axis=1, keepdims=True)
    spread = MAD_TO_SIGMA * np.median(np.abs(known - middle), axis=1, keepdims=True)
    spread = np.maximum(spread, 0.5)
    inside = np.abs(known - middle) <= _CLIP * spread
    count = inside.sum(axis=1)
    mean = np.where(inside, known, 0.0).sum(axis=1) / count
    return mean, spread[:, 0] / np.sqrt(count)


class _Fit(NamedTuple):
    """Amplitudes of the kinds of traps."""

    amplitude: NDArray[np.float64]
    covariance: NDArray[np.float64]
    significance: float
    """Joint significance; with a past, its significance relative to no afterglow."""


def _fit(
    stacks: Sequence[_Stack], curve: NDArray[np.float64], past: TrapAmplitudes | None
) -> _Fit:
    """Fit amplitudes and an offset of the level of each exposure.

    Errors are scaled by the residuals of the fit.
    """
    design, rise, error, levels = _equations(stacks, curve)
    kinds, freedom = len(TIMES_S), max(rise.size - 1, 1)
    full = np.concatenate([design, levels]) / error
    typical, significance = _fit_alike(full, rise / error, kinds)
    if past is not None:
        significance = _favoured(full, rise / error, past.charge_dn)
        mean = past.charge_dn
        # a kind with zero amplitude in the past may have charge now
        change = _CHANGE**2 * (mean**2 + mean.mean() ** 2)
        spread = past.covariance + np.diag(change)
    elif typical > 0:
        mean, spread = np.full(kinds, typical), np.eye(kinds) * (_ALIKE * typical) ** 2
    else:
        return _Fit(np.zeros(kinds), np.zeros((kinds, kinds)), 0.0)
    prior = np.eye(len(full))
    prior[:kinds, :kinds] = np.linalg.cholesky(np.linalg.inv(spread))
    before = prior[:kinds].T @ mean
    worse = 1.0
    for _ in range(2):
        design = np.concatenate([full / worse, prior], axis=1)
        wanted = np.concatenate([rise / (worse * error), before])
        found = _non_negative(design, wanted, kinds)
        chi2 = float(np.sum((wanted - found @ design) ** 2)) / freedom
        worse *= max(1.0, chi2) ** 0.5
    covariance = np.asarray(np.linalg.inv(design @ design.T)[:kinds, :kinds])
    return _Fit(found[:kinds], covariance, significance)


def _fit_alike(
    full: NDArray[np.float64], rise: NDArray[np.float64], kinds: int
) -> tuple[float, float]:
    """Return the amplitude if it is the same for all kinds, and its significance.

    This single number decides whether an afterglow is detected at all.
    """
    alike = np.concatenate([full[:kinds].sum(axis=0)[None], full[kinds:]])
    alike = np.concatenate([alike, np.eye(len(alike))[:, 1:]], axis=1)
    wanted = np.concatenate([rise, np.zeros(len(full) - kinds)])
    inverse = np.linalg.pinv(alike @ alike.T, hermitian=True)
    found = inverse @ (alike @ wanted)
    chi2 = float(np.sum((wanted - found @ alike) ** 2)) / max(rise.size - 1, 1)
    error = float(max(1.0, chi2) * inverse[0, 0]) ** 0.5
    typical = float(found[0])
    return typical, typical / error if error > 0 else 0.0


def _favoured(
    full: NDArray[np.float64], rise: NDArray[np.float64], past: NDArray[np.float64]
) -> float:
    """Return by how many sigma the past amplitudes fit better than no afterglow.

    Negative if they fit worse.
    """
    levels = full[past.size :]
    inverse = np.linalg.inv(levels @ levels.T + np.eye(len(levels)))
    chi2 = []
    for rest in (rise, rise - past @ full[: past.size]):
        along = levels @ rest
        chi2.append(float(rest @ rest - along @ inverse @ along))
    better = (chi2[0] - chi2[1]) / max(1.0, min(chi2) / rise.size)
    return float(np.copysign(abs(better) ** 0.5, better))


def _equations(
    stacks: Sequence[_Stack], curve: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Return releases (kinds, n), rises (n,), errors (n,), errors of levels (exposures, n)."""
    design = np.concatenate([curve[s.bin] * s.unit for s in stacks], axis=1)
    rise = np.concatenate([stack.rise for stack in stacks])
    error = np.concatenate([stack.error for stack in stacks])
    exposure = np.repeat([s.exposure for s in stacks], [s.rise.size for s in stacks])
    level = np.repeat([s.level_error for s in stacks], [s.rise.size for s in stacks])
    numbers = np.unique(exposure)
    return design, rise, error, np.where(exposure == numbers[:, None], level, 0.0)


def _non_negative(
    design: NDArray[np.float64], wanted: NDArray[np.float64], kinds: int
) -> NDArray[np.float64]:
    """Return the unknowns, of which the first ``kinds`` are constrained to be >= 0."""
    low = np.full(len(design), -np.inf)
    low[:kinds] = 0.0
    scale = np.sqrt((design**2).sum(axis=1))
    found = scipy.optimize.lsq_linear(
        (design / scale[:, None]).T, wanted, bounds=(low, np.inf)
    )
    return np.asarray(found.x / scale, np.float64)


def _fit_curve(
    stacks: Sequence[_Stack],
    amplitude: NDArray[np.float64],
    curve: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the best-fitting filling by share: non-decreasing, 1 at full well.

    Shares without a stack keep their relative position between those that have one.
    """
    top, bottom = np.zeros(len(SHARES)), np.zeros(len(SHARES))
    for stack in stacks:
        model = amplitude @ stack.unit
        top[stack.bin] += np.sum(model * stack.rise / stack.error**2)
        bottom[stack.bin] += np.sum((model / stack.error) ** 2)
    measured = bottom > 0
    if not measured[-1] or top[-1] <= 0:
        return curve
    fitted = np.where(measured, top / np.where(measured, bottom, 1.0), np.nan)
    fitted = fitted / fitted[-1]
    known = np.flatnonzero(measured)
    between = np.interp(np.arange(len(SHARES)), known, fitted[known])
    filled = np.where(
        measured, fitted, np.where(np.arange(len(SHARES)) < known[0], curve, between)
    )
    return np.asarray(np.minimum(np.maximum.accumulate(np.maximum(filled, 0.0)), 1.0))


def _scatter(
    seen: Sequence[Afterglow],
    amplitude: NDArray[np.float64],
    curve: NDArray[np.float64],
) -> float:
    """Return the relative scatter of released charge from pixel to pixel beyond the noise.

    Measured on the sum of each pixel's rises; the noise is that of the control positions.
    """
    ratios, noises = [], []
    for one in seen:
        reached = np.interp(one.share, SHARES, curve)
        released = reached * (
            amplitude @ (one.filling * one.release.sum(axis=1)[:, None])
        )
        rise, control = one.rise_dn.sum(axis=0), one.control_dn.sum(axis=1)
        noise = robust_scatter(control)
        clear = np.isfinite(rise) & (released > 5.0 * noise)
        if noise > 0 and clear.any():
            ratios.append(rise[clear] / released[clear])
            noises.append(noise / released[clear])
    if not ratios:
        return 0.0
    ratio, from_noise = np.concatenate(ratios), np.concatenate(noises)
    total = robust_scatter(ratio)
    return float(np.sqrt(max(0.0, total**2 - np.median(from_noise) ** 2)))
