"""Dark ramps, averaged to the readout pattern of an exposure.

CRDS has one dark per detector and subarray, read out frame by frame; a group of the
exposure is the mean of ``n_frames`` of them, then ``n_dropped`` pass unused. The frames
are taken from the file one after the other, so 1.5 GB are never in memory at once.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..exposure.timing import Readout
from .stored_planes import ROWS_AT_ONCE, StoredPlanes


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
