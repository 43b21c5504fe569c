"""Remove the drift of the rows of an output between the groups.

Reference pixels follow the 1/f noise of the outputs with a few pixels per row; there are a
hundred times more light-sensitive pixels. Each measures the drift by the deviation of its
groups from the straight line between its first and its last group. Light of any level rises
along the line, so neither a mask nor a model of the sources is needed. The deviation common
to all pixels of a row and output is drift. The line itself, a drift at a constant rate,
cannot be distinguished from light here; another step removes stripes of the slopes.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.timing import OUTPUT_COLUMNS, Readout
from ..flags import DO_NOT_USE, REFERENCE_PIXEL
from ..numerics.jit import fast_kernel
from ..params import Sigma, StepParams, Unit
from .band import PixelNoise, RampBand
from .ramp_fit.whole_ramps import Samples, samples_of

_MIN_GROUPS = 3


class RowDriftParams(StepParams):
    """Selection of the pixels that measure the drift of a row."""

    clip: Sigma = 4.0
    """A pixel is used if no difference is farther than this from its mean difference."""
    min_pixels: Annotated[int, Field(ge=2), Unit("pixel")] = 64
    """Rows of an output with fewer such pixels are not corrected."""


def remove_row_drift(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    params: RowDriftParams,
    out: NDArray[np.float32],
) -> None:
    """Measure the drift of each row of each output and subtract it, in place.

    Parameters
    ----------
    band : RampBand
        Linear counts; ``counts`` are owned.
    noise : PixelNoise
    readout : Readout
        Groups are equally far apart.
    params : RowDriftParams
    out : (ints, groups, rows, outputs) float32, DN
        Filled with the subtracted drift: 0 in the first and the last group, in ramps of
        fewer than three groups, and where there are too few pixels.

    Notes
    -----
    The noise of the drift is that of a pixel over the root of the number of pixels, about
    440 of an output's 512 on blank sky. ``jwst`` has a similar correction in
    ``clean_flicker_noise``, with medians over a mask of the background.
    """
    n_ints, n_groups = band.counts.shape[:2]
    out[:] = 0.0
    if n_groups < _MIN_GROUPS:
        return
    bad = np.uint32(DO_NOT_USE | REFERENCE_PIXEL)
    read = np.float32(2.0 / readout.n_frames) * noise.read_noise_dn**2
    photons = np.zeros(noise.gain.shape, np.float32)
    np.divide(1.0, noise.gain, out=photons, where=noise.gain > 0.0)
    np.copyto(read, np.nan, where=(band.pixel_flags & bad != 0) | ~(photons > 0.0))
    width = OUTPUT_COLUMNS if readout.n_outputs > 1 else readout.n_cols
    first = readout.col_start % width if readout.n_outputs > 1 else 0
    whole = slice(0, len(noise.gain))
    for i in range(n_ints):
        _remove_drift(
            samples_of(band, i, whole),
            n_groups,
            (read, photons),
            (width, first),
            (np.float32(params.clip**2), params.min_pixels),
            out[i],
        )


def count_outputs(readout: Readout) -> int:
    """Return the number of outputs through which a row of the exposure was read."""
    if readout.n_outputs == 1:
        return 1
    first = readout.col_start % OUTPUT_COLUMNS
    return -(-(first + readout.n_cols) // OUTPUT_COLUMNS)


@fast_kernel
def _choose_drifting(
    samples: Samples,
    n_groups: int,
    noise: tuple[NDArray[np.float32], NDArray[np.float32]],
    row: int,
    square: np.float32,
    chosen: NDArray[np.float32],
) -> None:
    """Fill which pixels of a row are used (1, else 0), and their rise per group.

    ``noise`` is the read variance of a difference, NaN for unusable pixels, and one over
    the gain, (rows, cols).
    """
    sees, rise, limit = chosen[0], chosen[1], chosen[2]
    n = samples.n_cols
    at, (plane, flag_plane) = row * n, samples.planes
    counts, flags = samples.counts, samples.flags
    zero, one, none = np.float32(0.0), np.float32(1.0), np.uint8(0)
    scale, last = one / np.float32(n_groups - 1), at + (n_groups - 1) * plane
    start, end = counts[at : at + n], counts[last : last + n]
    read, photons = noise[0][row], noise[1][row]
    seen = np.zeros(n, np.uint8)
    for c in range(n):
        rise[c] = (end[c] - start[c]) * scale
    for c in range(n):
        limit[c] = square * (read[c] + max(rise[c], zero) * photons[c])
    for g in range(n_groups):
        flag = flags[at + g * flag_plane : at + g * flag_plane + n]
        for c in range(n):
            seen[c] |= flag[c]
    for c in range(n):
        # False where the limit is NaN
        sees[c] = one if (seen[c] == none) & (limit[c] > zero) else zero
    for g in range(1, n_groups):
        k = at + g * plane
        low, high = counts[k - plane : k - plane + n], counts[k : k + n]
        for c in range(n):
            apart = high[c] - low[c] - rise[c]
            old = sees[c]
            sees[c] = old if apart * apart < limit[c] else zero


@fast_kernel
def _remove_drift(
    samples: Samples,
    n_groups: int,
    noise: tuple[NDArray[np.float32], NDArray[np.float32]],
    layout: tuple[int, int],
    limits: tuple[np.float32, int],
    out: NDArray[np.float32],
) -> None:
    """Subtract the drift of one integration and fill ``out`` (groups, rows, outputs).

    ``layout`` is the width of an output and the position of the first column in it;
    ``limits`` is the squared clip and the minimum number of pixels; the rest is as in
    `_choose_drifting`.
    """
    n_cols, plane, (width, offset) = samples.n_cols, samples.planes[0], layout
    chosen, above = np.empty((3, n_cols), np.float32), np.empty(n_cols, np.float32)
    zero = np.float32(0.0)
    for row in range(samples.n_rows):
        _choose_drifting(samples, n_groups, noise, row, limits[0], chosen)
        for output in range(out.shape[2]):
            left = max(output * width - offset, 0)
            right = min((output + 1) * width - offset, n_cols)
            sees, rise = chosen[0, left:right], chosen[1, left:right]
            n_seen = 0
            for c in range(sees.size):
                n_seen += int(sees[c])
            if n_seen < limits[1]:
                continue
            at = row * n_cols + left
            start = samples.counts[at : at + sees.size]
            for g in range(1, n_groups - 1):
                k, so_far = at + g * plane, np.float32(g)
                value = samples.counts[k : k + sees.size]
                for c in range(sees.size):
                    off = value[c] - start[c] - so_far * rise[c]
                    above[c] = off if sees[c] > zero else zero
                n = sees.size
                while n > 1:
                    # pairwise sum: the second half is added to the first
                    half = (n + 1) // 2
                    for c in range(n - half):
                        above[c] += above[c + half]
                    n = half
                drift = above[0] / np.float32(n_seen)
                out[g, row, output] = drift
                for c in range(sees.size):
                    value[c] -= drift
