"""The levels of amplifier rows, measured outside the stray light that is searched for.

1/f noise shifts the 512 pixels that an amplifier reads in a row together. From row to
row the shift is partly common to the other amplifiers; over many rows it is
independent. Where light covers only some pixels of a row, the others give its level;
where it covers nearly all, the rows above and below give the slow part, and the other
amplifiers the fast one.
"""

from typing import Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.records import Plane
from .stray_fit import output_width

LEAST_OF_ROW: Final = 0.25
"""Minimum share of an amplifier's row outside the light for its level to be measured."""
SMOOTH_ROWS: Final = 33
"""Rows of the running median. Scattered light is smooth over these, or has an edge,
which a median preserves; changes from one row to the next are noise."""
LEAST_BLOCK: Final = 128
"""Minimum number of rows whose levels are guessed at a time."""
Levels = NDArray[np.float64]


class Leveled(NamedTuple):
    """An exposure minus the levels of its amplifier rows."""

    even: Plane
    """(rows, cols), in the unit of the exposure."""
    guessed: Plane
    """(rows, cols): the same with all levels guessed, from rows as far away as for the
    hidden ones; its residuals show how accurate the guesses are."""
    guess_err: float
    """Scatter of the errors of an amplifier's guesses, averaged over a block of rows."""
    untold: NDArray[np.bool_]
    """(rows, cols): where levels had to be guessed."""


def without_row_levels(
    exposure: Plane, hidden: NDArray[np.bool_], cell_px: int = 1
) -> Leveled:
    """Return an exposure minus the levels of its amplifier rows.

    Parameters
    ----------
    exposure : (rows, cols) float32
        Minus its sky, any unit; NaN on sources and bad pixels.
    hidden : (rows, cols) bool
        Pixels with possible stray light, which must not affect the levels.
    cell_px : int
        Pixels to a side of a row or column.
    """
    n_rows, n_cols = exposure.shape
    width = output_width(cell_px * n_cols) // cell_px
    parts = exposure.reshape(n_rows, -1, width)
    finite = np.isfinite(parts)
    level, count = _means(parts, finite & ~hidden.reshape(parts.shape))
    told = count >= LEAST_OF_ROW * width
    guessed, guess_err = level, 0.0
    if not told.all():
        whole, _ = _means(parts, finite)
        guessed, guess_err = _guess_all(level, whole, told, cell_px)
        level = _fill(np.where(told, level, np.nan), whole, cell_px)

    def less(levels: Levels) -> Plane:
        even = parts - levels[:, :, None].astype(np.float32)
        return np.asarray(even.reshape(exposure.shape), np.float32)

    untold = np.broadcast_to(~told[:, :, None], parts.shape).reshape(exposure.shape)
    return Leveled(less(level), less(guessed), guess_err, untold)


def _guess_all(
    level: Levels, whole: Levels, told: NDArray[np.bool_], cell_px: int
) -> tuple[Levels, float]:
    """Return guesses of all levels, and the scatter of their mean errors over blocks."""
    guessed = level.copy()
    # blocks as long as the longest run of unknown rows, and at the edge only if it is
    runs, n_runs = scipy.ndimage.label(~told.all(axis=1))
    longest = int(np.bincount(runs)[1 : n_runs + 1].max())
    size, n_rows = max(LEAST_BLOCK // cell_px, longest), len(level)
    is_edge = not (told[0].all() and told[-1].all())
    wrong: list[float] = []
    for start in range(0, n_rows, size):
        block = slice(start, start + size)
        guess, off = _guess((level, whole), told, block, cell_px)
        guessed[block] = guess[block]
        if is_edge or (start > 0 and start + size < n_rows):
            wrong += off
    for start in range(size // 2, n_rows - size, size):
        block = slice(start, start + size)
        wrong += _guess((level, whole), told, block, cell_px)[1]
    return guessed, float(np.sqrt(np.mean(np.square(wrong)))) if wrong else np.inf


def _guess(
    levels: tuple[Levels, Levels], told: NDArray[np.bool_], block: slice, cell_px: int
) -> tuple[Levels, list[float]]:
    """Return guesses of a block's levels, and the mean error of each amplifier's."""
    level, whole = levels
    left = np.where(told, level, np.nan)
    left[block] = np.nan
    guess = _fill(left, whole, cell_px)
    off = np.where(told[block], (level - guess)[block], np.nan)
    known = np.isfinite(off).mean(axis=0) > LEAST_OF_ROW
    return guess, np.nanmean(off[:, known], axis=0).tolist()


def _means(parts: Plane, known: NDArray[np.bool_]) -> tuple[Levels, NDArray[np.int64]]:
    """Return the mean of the known pixels of each amplifier row, and their number."""
    count = known.sum(axis=2)
    total = np.where(known, parts, np.float32(0)).sum(axis=2, dtype=np.float64)
    return total / np.maximum(count, 1), count


def _fill(level: Levels, whole: Levels, cell_px: int) -> Levels:
    """Return levels, the unknown ones filled from neighbouring rows and amplifiers.

    Parameters
    ----------
    level : (rows, amplifiers) float64
        NaN where unknown.
    whole : (rows, amplifiers) float64
        Means of all pixels, stray light included.
    cell_px : int
    """
    smooth_rows = SMOOTH_ROWS // cell_px | 1
    row = np.arange(len(level))
    slow = np.zeros_like(level)
    for own, out in zip(level.T, slow.T, strict=True):
        told = np.isfinite(own)
        if told.any():
            even = scipy.ndimage.median_filter(own[told], smooth_rows, mode="nearest")
            out[:] = np.interp(row, row[told], even)
    fast = level - slow
    n_told = np.isfinite(fast).sum(axis=1)
    common = np.nansum(fast, axis=1) / np.maximum(n_told, 1)
    change = whole - scipy.ndimage.median_filter(
        whole, (smooth_rows, 1), mode="nearest"
    )
    guess = slow + np.where(n_told[:, None] > 0, common[:, None], change)
    return np.where(np.isfinite(level), level, guess)
