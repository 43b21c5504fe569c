"""Dark ramps, averaged to the readout pattern of an exposure.

CRDS has one dark per detector and subarray, read out frame by frame; a group of the
exposure is the mean of ``n_frames`` of them, then ``n_dropped`` pass unused. The frames
are taken from the file one after the other, so 1.5 GB are never in memory at once.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout

ROWS_AT_ONCE = 128
"""A band of a frame that stays in the processor's cache while frames are added."""


def average_dark(
    cube: NDArray[np.float32], reads: tuple[int, int], readout: Readout
) -> NDArray[np.float32]:
    """Average a dark cube to a readout pattern.

    Parameters
    ----------
    cube : (dark groups, rows, cols) float32 of any byte order, DN
        The file's groups, possibly mapped from disk.
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
    if last >= len(cube) < 2:
        raise ValueError(f"it has {len(cube)} groups, too few for the exposure")
    dark = np.empty((n_groups, *cube.shape[1:]), np.float32)
    for group in range(n_groups):
        first = group * period
        for row in range(0, cube.shape[1], ROWS_AT_ONCE):
            band = slice(row, row + ROWS_AT_ONCE)
            dark[group, band] = _mean_of_frames(cube[:, band], first, n_frames)
    return dark


def _mean_of_frames(
    band: NDArray[np.float32], first: int, count: int
) -> NDArray[np.float32]:
    """Return the mean of ``count`` frames, summed in their order, NaN taken as 0."""
    total: NDArray[np.float32] = _frame(band, first)
    for index in range(first + 1, first + count):
        np.add(total, _frame(band, index), out=total, casting="same_kind")
    if np.isnan(total).any():
        total = np.nan_to_num(_frame(band, first), nan=0.0)
        for index in range(first + 1, first + count):
            total += np.nan_to_num(_frame(band, index), nan=0.0)
    if count > 1:
        total /= np.float32(count)
    return total


def _frame(band: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    """Return one frame, native float32; beyond the file's end the straight line on."""
    beyond = index - (len(band) - 1)
    if beyond <= 0:
        return np.array(band[index], np.float32)
    last = band[-1].astype(np.float64)
    return np.asarray(last + beyond * (last - band[-2]), np.float32)
