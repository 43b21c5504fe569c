"""Find bad pixels in the data: a signal that stays on its pixel over dithers is no sky.

Exposures of one detector, with sources masked and the sky subtracted, are stacked in the
detector's frame in units of their errors. A pixel whose mean is significant is hot or has a
low response. A pixel that jumps between levels (telegraph noise) scatters more than its
errors, or its ramps fit worse or are flagged for cosmic rays more often than chance allows.
A dark pixel with bright neighbours is open: its charge goes to them. Masks in reference
files are months old; pixels change within weeks.
"""

from typing import Annotated, Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.records import Flags32, Plane
from ..flags import ADJ_OPEN, DO_NOT_USE, HOT, LOW_QE, OPEN, TELEGRAPH
from ..numerics.selection import robust_scatter
from ..params import Count, Fraction, Sigma, StepParams, Unit


class BadPixelParams(StepParams):
    """Criteria for bad pixels."""

    least_exposures: Count = 5
    """Minimum number of exposures of a detector."""
    least_looks: Annotated[Count, Field(ge=3)] = 3
    """Minimum number of exposures in which a pixel is usable and free of sources."""
    least_mean: Sigma = 4.0
    """Minimum significance of a pixel's mean: the mean over its error."""
    least_excess: Sigma = 0.5
    """Minimum mean of a pixel in units of the error of a single exposure."""
    false_rate: Annotated[float, Field(gt=0, lt=0.1), Unit("1")] = 1e-4
    """Fraction of good pixels that each test for telegraph noise (scatter, chi2 of all
    ramps, hits) may flag by chance."""
    usable_response: Fraction = 0.5
    """Pixels with a lower response get DO_NOT_USE; those above it only LOW_QE."""
    most: Fraction = 0.02
    """Maximum fraction of bad pixels; with more, the cause is the sky and none is flagged."""


_LEAST_VALUES: Final = 6
"""Minimum number of values for a scatter without the two extremes to be meaningful."""
_ODDS_OF_WORST: Final = 1e-4
"""Probability that chi2 of a clean ramp is larger than it is allowed to count."""


class Exposed(NamedTuple):
    """One exposure, as it is added to the stack; all arrays are (rows, cols)."""

    residual: Plane
    """DN/s: flat-fielded slopes minus their sky, NaN on sources and bad pixels."""
    err: Plane
    """DN/s"""
    sky: float
    """DN/s: the level that was subtracted."""
    chi2: Plane | None
    """Reduced chi2 of the slope fits."""
    is_hit: NDArray[np.bool_] | None
    """Ramps with a jump."""
    degrees: int
    """Degrees of freedom of a complete ramp."""


class PixelStack(NamedTuple):
    """Sums over exposures, from which each pixel is classified; all (rows, cols).

    Values are residuals over their errors.
    """

    n: NDArray[np.int32]
    """Number of exposures in which the pixel is usable."""
    total: NDArray[np.float64]
    """Sum of its values."""
    squares: NDArray[np.float64]
    highest: Plane
    """Highest value; -inf if there is none."""
    lowest: Plane
    depth: NDArray[np.float64]
    """Sum of the sky's level over the errors."""
    chi2: NDArray[np.float64]
    """Sum of chi2 of its ramps."""
    degrees: NDArray[np.float64]
    """Sum of their degrees of freedom."""
    n_hits: NDArray[np.int32]
    """Number of exposures in which its ramp has a jump."""


class BadPixels(NamedTuple):
    """Flags and response of the pixels of a detector."""

    flags: Flags32
    """(rows, cols), bits to add: HOT, LOW_QE, TELEGRAPH, OPEN, ADJ_OPEN, DO_NOT_USE."""
    response: Plane
    """(rows, cols): response of each pixel to the sky; NaN where unknown."""


def empty_stack(shape: tuple[int, int]) -> PixelStack:
    """Return an empty stack."""
    return PixelStack(
        n=np.zeros(shape, np.int32),
        total=np.zeros(shape),
        squares=np.zeros(shape),
        highest=np.full(shape, -np.inf, np.float32),
        lowest=np.full(shape, np.inf, np.float32),
        depth=np.zeros(shape),
        chi2=np.zeros(shape),
        degrees=np.zeros(shape),
        n_hits=np.zeros(shape, np.int32),
    )


def add_exposure(stack: PixelStack, exposed: Exposed) -> None:
    """Add an exposure to a stack, in place.

    Parameters
    ----------
    stack : PixelStack
        Owned.
    exposed : Exposed
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        value = exposed.residual / exposed.err
        level = exposed.sky / exposed.err
    known = np.isfinite(value)
    filled = np.where(known, value, 0.0).astype(np.float64)
    stack.n[known] += 1
    np.add(stack.total, filled, out=stack.total)
    np.add(stack.squares, filled**2, out=stack.squares)
    np.fmax(stack.highest, value, out=stack.highest)
    np.fmin(stack.lowest, value, out=stack.lowest)
    np.add(stack.depth, np.where(known, level, 0.0), out=stack.depth)
    if exposed.chi2 is not None and exposed.degrees > 0:
        worst = float(scipy.special.chdtri(exposed.degrees, _ODDS_OF_WORST))
        stack.chi2[known] += np.fmin(exposed.chi2[known] * exposed.degrees, worst)
        stack.degrees[known] += exposed.degrees
    if exposed.is_hit is not None:
        stack.n_hits[known & exposed.is_hit] += 1


def judge_pixels(stack: PixelStack, params: BadPixelParams) -> BadPixels:
    """Classify the pixels of a stack.

    Notes
    -----
    The highest and the lowest value of each pixel are excluded, and chi2 of a single ramp
    counts up to a limit, so that a single unmasked source or hit does not make a bad pixel:
    of a process with two levels every ramp has its share of chi2, and the sum over all
    exposures shows what none does. Errors are scaled to the measured scatter of
    the pixels. Structure on scales of 16 pixels or more, mostly stray light, is subtracted
    first.
    """
    judged = stack.n >= params.least_looks
    n = np.maximum(stack.n - 2, 1)
    highest, lowest = (
        np.where(judged, ends, 0.0) for ends in (stack.highest, stack.lowest)
    )
    ends, squares = highest + lowest, highest**2 + lowest**2
    mean = np.where(judged, (stack.total - ends) / n, np.nan)
    mean -= _broad(mean)
    variance = np.where(judged, (stack.squares - squares) / n, np.nan) - mean**2
    pull = mean * np.sqrt(n)
    pull /= _spread(pull)
    scatter = np.sqrt(np.maximum(variance, 0.0))
    # close to bright stars all pixels scatter
    typical = float(np.nanmedian(scatter)) if judged.any() else 1.0
    scatter /= np.maximum(_broad(scatter), typical)
    with np.errstate(invalid="ignore", divide="ignore"):
        response = 1.0 + mean * stack.n / stack.depth
        stands_out = (np.abs(pull) > params.least_mean) & (
            np.abs(mean) > params.least_excess
        )
    flags = np.zeros(mean.shape, np.uint32)
    flags[stands_out & (mean > 0)] |= np.uint32(HOT | DO_NOT_USE)
    low = stands_out & (mean < 0)
    dark = low & (response < params.usable_response)
    flags[low] |= np.uint32(LOW_QE)
    flags[dark] |= np.uint32(DO_NOT_USE)
    flags[_jumps(stack, scatter, params) & judged] |= np.uint32(TELEGRAPH | DO_NOT_USE)
    _flag_open(flags, pull, dark, params)
    if (flags != 0).mean() > params.most:
        flags[:] = 0
    return BadPixels(flags, response.astype(np.float32))


def _jumps(
    stack: PixelStack, scatter: NDArray[np.float64], params: BadPixelParams
) -> NDArray[np.bool_]:
    """Return the pixels that vary from exposure to exposure or within their ramps."""
    # for Gaussian values without their two extremes, over the typical scatter; accurate
    # to 1 % for 7 values or more
    degrees = np.maximum(stack.n - 4, 1)
    most = np.sqrt(
        scipy.special.chdtri(degrees, params.false_rate)
        / scipy.special.chdtri(degrees, 0.5)
    )
    scatters = (scatter > most) & (stack.n >= _LEAST_VALUES)
    bad = _misfit(stack) > -float(scipy.special.ndtri(params.false_rate))
    hit = _too_often(stack.n_hits, stack.n, params.false_rate)
    return np.asarray(scatters | bad | hit)


def _misfit(stack: PixelStack) -> NDArray[np.float64]:
    """Return how many sigma chi2 of all ramps of a pixel is above that of the others.

    The cube root of chi2 is nearly Gaussian (Wilson & Hilferty 1931). It is scaled to the
    pixels' own median and scatter, as the read noise is known only so well.
    """
    known = stack.degrees > 0
    if not known.any():
        return np.zeros(known.shape)
    degrees = np.where(known, stack.degrees, 1.0)
    root = np.where(known, np.cbrt(stack.chi2 / degrees), np.nan)
    score = (root / np.nanmedian(root) - 1.0) / np.sqrt(2.0 / (9.0 * degrees))
    return np.asarray(np.nan_to_num(score / max(_spread(score), 1.0)))


def _too_often(
    times: NDArray[np.int32], n: NDArray[np.int32], rate: float
) -> NDArray[np.bool_]:
    """Return the pixels in which an event occurs more often than by chance.

    The probability is that of all pixels together, so events common to all pixels do not
    count; nor does a single event.
    """
    odds = float(times.sum()) / max(float(n.sum()), 1.0)
    # bdtrc(k, n, p) is the probability of more than k events
    chance = scipy.special.bdtrc(np.maximum(times, 1) - 1.0, np.maximum(n, times), odds)
    return np.asarray((times > 1) & (chance < rate))


def _flag_open(
    flags: Flags32,
    pull: NDArray[np.float64],
    dark: NDArray[np.bool_],
    params: BadPixelParams,
) -> None:
    """Flag dark pixels whose four neighbours together hold the missing charge, in place."""
    known = np.nan_to_num(np.pad(pull, 1))
    around = (
        known[:-2, 1:-1] + known[2:, 1:-1] + known[1:-1, :-2] + known[1:-1, 2:]
    ) / 2.0
    is_open = dark & (around > params.least_mean)
    flags[is_open] |= np.uint32(OPEN)
    row, col = np.nonzero(is_open)
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        beside = row + down, col + right
        inside = (
            (beside[0] >= 0)
            & (beside[0] < flags.shape[0])
            & (beside[1] >= 0)
            & (beside[1] < flags.shape[1])
        )
        place = beside[0][inside], beside[1][inside]
        flags[place] |= np.uint32(ADJ_OPEN)


def _spread(values: NDArray[np.float64]) -> float:
    """Return the robust scatter of the known values, 1 if there are none."""
    spread = robust_scatter(values)
    return spread if spread > 0 else 1.0


def _broad(mean: NDArray[np.float64], cell: int = 16) -> NDArray[np.float64]:
    """Return the smooth component: medians of cells, interpolated between their centres."""
    n_rows, n_cols = (-(-side // cell) for side in mean.shape)
    padded = np.full((n_rows * cell, n_cols * cell), np.nan)
    padded[: mean.shape[0], : mean.shape[1]] = mean
    cells = padded.reshape(n_rows, cell, n_cols, cell).swapaxes(1, 2)
    cells = np.sort(cells.reshape(n_rows, n_cols, cell * cell), axis=2)
    n = np.isfinite(cells).sum(axis=2)
    middle = np.take_along_axis(cells, np.maximum(n - 1, 0)[..., None] // 2, axis=2)
    level = np.where(n > 0, np.nan_to_num(middle[..., 0]), 0.0)
    down, right = ((np.arange(side) + 0.5) / cell - 0.5 for side in mean.shape)
    rows = np.array([np.interp(right, np.arange(n_cols), row) for row in level])
    above = np.clip(np.floor(down).astype(int), 0, n_rows - 1)
    below = np.minimum(above + 1, n_rows - 1)
    share = np.clip(down - above, 0.0, 1.0)[:, None]
    return np.asarray((1.0 - share) * rows[above] + share * rows[below])
