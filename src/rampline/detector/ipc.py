"""Correct for inter-pixel capacitance.

Neighbouring pixels are coupled by their capacitance: about half a per cent of a pixel's
signal appears in each of its four neighbours. Convolution with the inverse of the coupling
corrects it, at the price of correlated noise; reference pixels are not changed.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from ..params import StepParams
from .reference_pixels import DETECTOR_SIZE, EDGE


class IpcParams(StepParams):
    """Whether the coupling of neighbouring pixels is corrected."""

    enabled: bool = False
    """Whether the step is run; the standard parameters of NIRCam omit it."""


def correct_ipc(
    samples: NDArray[np.uint16] | NDArray[np.float32],
    kernel: NDArray[np.float32],
    readout: Readout,
    rows: slice,
) -> NDArray[np.float32]:
    """Convolve each group with the inverse kernel.

    Parameters
    ----------
    samples : (ints, groups, rows, cols) uint16 or float32, DN
        Raw counts.
    kernel : (k, k) float32
        Inverse of the coupling, k odd.
    readout : Readout
        Position of the exposure in the detector.
    rows : slice
        Rows to work on.

    Returns
    -------
    (ints, groups, rows of the slice, cols) float32, DN

    Notes
    -----
    Agrees with the ``ipc`` step of ``jwst`` for two-dimensional kernels. The image is
    zero-padded beyond the light-sensitive area.
    """
    half = kernel.shape[0] // 2
    start = max(rows.start - half, 0)
    wide = slice(start, min(rows.stop + half, readout.n_rows))
    below, above = start - rows.start + half, rows.stop + half - wide.stop
    light = _sees_light(readout)
    counts = np.where(light[wide], samples[:, :, wide], 0).astype(np.float32)
    source = np.pad(counts, ((0, 0), (0, 0), (below, above), (half, half)))
    n_rows, n_cols = rows.stop - rows.start, readout.n_cols
    total = np.zeros((*samples.shape[:2], n_rows, n_cols), np.float32)
    for (j, k), weight in np.ndenumerate(kernel):
        down, right = 2 * half - j, 2 * half - k
        total += weight * source[:, :, down : down + n_rows, right : right + n_cols]
    return np.where(light[rows], total, samples[:, :, rows]).astype(np.float32)


def _sees_light(readout: Readout) -> NDArray[np.bool_]:
    """Return which pixels of an exposure are not reference pixels, (rows, cols) bool."""
    row = readout.row_start + np.arange(readout.n_rows)
    col = readout.col_start + np.arange(readout.n_cols)
    inner = [(place >= EDGE) & (place < DETECTOR_SIZE - EDGE) for place in (row, col)]
    return np.asarray(np.logical_and.outer(*inner), np.bool_)
