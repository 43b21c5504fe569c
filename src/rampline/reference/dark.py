"""Dark ramps, averaged to the readout pattern of an exposure.

CRDS has one dark per detector and subarray, read out frame by frame; a group of the
exposure is the mean of ``n_frames`` of them, then ``n_dropped`` pass unused. The frames
are taken from the file one after the other, so 1.5 GB are never in memory at once.

A dark is the mean of finitely many exposures, and its own noise goes into all that it is
subtracted from. Of how many is told from the dark itself: what its groups scatter about
straight lines, over what single exposures do. ERR of the file is not asked, because it
may be the error of the mean as well as the scatter of the exposures that were averaged.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..exposure.timing import Readout
from ..numerics.selection import MAD_TO_SIGMA
from .stored_planes import ROWS_AT_ONCE, StoredPlanes

_MIN_GROUPS: Final = 3
"""Fewest groups that can scatter about a straight line."""
_SIGNIFICANT: Final = 5.0
"""Fewest sigma of a slope that is not noise."""
_SECOND_DIFFERENCE: Final = 6.0
"""Variance of the second difference of three independent numbers, over theirs."""


def average_dark(
    stored: StoredPlanes, reads: tuple[int, int], readout: Readout
) -> NDArray[np.float32]:
    """Average a dark cube to a readout pattern.

    Parameters
    ----------
    stored : StoredPlanes of (dark groups, rows, cols), DN
        The file's groups.
    reads : (int, int)
        Frames averaged into a group of the file, and dropped after it.
    readout : Readout
        Of the exposure.

    Returns
    -------
    (groups, rows, cols) float32, DN
        NaN of the file has become 0.

    Raises
    ------
    ValueError
        If the file's groups are not those of the exposure and not single frames either,
        or if it is too short and has but one group to extrapolate from.

    Notes
    -----
    As `jwst` step ``dark_current``: a file too short is continued with the difference of
    its last two groups. On purpose not as there: a file grouped otherwise than the
    exposure is refused; `jwst` skips the step where the file's groups are longer, and
    where they are shorter takes them for single frames.
    """
    pattern = (readout.n_frames, readout.n_dropped)
    if reads == pattern:
        n_frames, period = 1, 1
    elif reads == (1, 0):
        n_frames, period = readout.n_frames, sum(pattern)
    else:
        raise ValueError(
            f"it averages {reads[0]} and drops {reads[1]} frames, "
            f"the exposure {pattern[0]} and {pattern[1]}"
        )
    n_groups = readout.n_groups
    last = (n_groups - 1) * period + n_frames - 1
    n_stored, n_rows, n_cols = stored.shape
    if last >= n_stored < 2:
        raise ValueError(f"it has {n_stored} groups, too few for the exposure")
    dark = np.empty((n_groups, n_rows, n_cols), np.float32)
    for group in range(n_groups):
        frames = range(group * period, group * period + n_frames)
        for row in range(0, n_rows, ROWS_AT_ONCE):
            stop = min(row + ROWS_AT_ONCE, n_rows)
            dark[group, row:stop] = _mean_of_frames(stored, frames, row, stop)
    return dark


def measure_dark_noise(
    dark: NDArray[np.float32], read_noise_dn: Plane, n_frames: int
) -> float:
    """Return the variance of a dark over that of a single exposure like it.

    Parameters
    ----------
    dark : (groups, rows, cols) float32, DN
        In the exposure's read pattern.
    read_noise_dn : (rows, cols) float32, DN
        Noise of a single read.
    n_frames : int
        Reads averaged into a group.

    Returns
    -------
    float
        One over the number of exposures that the dark is worth; 0 where there are fewer
        than three groups to tell it from, or the dark is smooth.

    Notes
    -----
    From the second differences of the groups, less their median over the pixels: to
    these neither the dark current nor a glow that all pixels share contributes. Rows of
    the middle stand for all, because the pixels of the mean were read as often as those
    of any exposure.
    """
    n_groups, n_rows, _ = dark.shape
    if n_groups < _MIN_GROUPS:
        return 0.0
    first = max((n_rows - ROWS_AT_ONCE) // 2, 0)
    rows = slice(first, first + ROWS_AT_ONCE)
    bend = np.diff(dark[:, rows], n=2, axis=0)
    bend -= np.median(bend, axis=(1, 2), keepdims=True)
    noise = read_noise_dn[rows]
    known = np.broadcast_to(noise > 0.0, bend.shape)
    bend = np.divide(bend, noise, out=bend, where=known)
    if not known.any():
        return 0.0
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(bend[known])))
    return n_frames * sigma**2 / _SECOND_DIFFERENCE


def measure_dark_rate(
    dark: NDArray[np.float32], noise: float, read_noise_dn: Plane, readout: Readout
) -> Plane:
    """Return the slope of a dark where it is significant.

    Parameters
    ----------
    dark : (groups, rows, cols) float32, DN
        In the exposure's read pattern.
    noise : float
        Its variance over that of a single exposure, from `measure_dark_noise`.
    read_noise_dn : (rows, cols) float32, DN
        Noise of a single read.
    readout : Readout
        Of the exposure.

    Returns
    -------
    (rows, cols) float32, DN/s
        0 where it is less than five times its error, or there are too few groups to tell
        the error from.
    """
    if len(dark) < _MIN_GROUPS:
        return np.zeros(dark.shape[1:], np.float32)
    times = readout.group_times_s()
    rate = np.empty_like(read_noise_dn)
    np.divide(dark[-1] - dark[0], times[-1] - times[0], out=rate, casting="same_kind")
    share = 2.0 * noise / readout.n_frames
    least = _SIGNIFICANT * share**0.5 / (times[-1] - times[0])
    rate[~(rate > np.float32(least) * read_noise_dn)] = 0.0
    return rate


def _mean_of_frames(stored: StoredPlanes, frames: range, row: int, stop: int) -> Plane:
    """Return the mean of frames, summed in their order, NaN taken as 0."""
    total = stored.frame(frames[0], row, stop)
    for index in frames[1:]:
        total += stored.frame(index, row, stop)
    if np.isnan(total).any():
        total[:] = 0.0
        for index in frames:
            total += np.nan_to_num(stored.frame(index, row, stop), nan=0.0)
    if len(frames) > 1:
        total /= np.float32(len(frames))
    return total
