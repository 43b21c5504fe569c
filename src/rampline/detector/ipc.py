"""Bring charge back to the pixel it was collected in.

Neighbouring pixels are coupled by their capacitance: about half a per cent of a pixel's
signal shows up in each of the four around it. Convolving with the inverse of the coupling
undoes it, at the price of correlated noise; reference pixels are left alone.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from ..params import StepParams
from .reference_pixels import DETECTOR_SIZE, EDGE


class IpcParams(StepParams):
    """Whether the coupling of neighbouring pixels is undone."""

    enabled: bool = False
    """Whether the step is run; NIRCam's own parameters leave it out."""


def correct_ipc(
    samples: NDArray[np.float32],
    kernel: NDArray[np.float32],
    light: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Convolve each group with the inverse kernel.

    A band of rows of a larger frame needs half the kernel more rows on either side.

    Parameters
    ----------
    samples : (ints, groups, rows, cols) float32, DN
        Raw counts.
    kernel : (k, k) float32
        Inverse of the coupling, k odd.
    light : (rows, cols) bool
        True on pixels that see light: see `sees_light`.

    Returns
    -------
    (ints, groups, rows, cols) float32, DN

    Notes
    -----
    Agrees with the ``ipc`` step of ``jwst`` for two-dimensional kernels. What lies beyond
    the light-sensitive area counts as zero.
    """
    half = kernel.shape[0] // 2
    n_rows, n_cols = samples.shape[2:]
    edges = ((0, 0), (0, 0), (half, half), (half, half))
    source = np.pad(np.where(light, samples, np.float32(0)), edges)
    total = np.zeros_like(samples)
    for (j, k), weight in np.ndenumerate(kernel):
        down, right = 2 * half - j, 2 * half - k
        total += weight * source[:, :, down : down + n_rows, right : right + n_cols]
    return np.where(light, total, samples)


def sees_light(readout: Readout) -> NDArray[np.bool_]:
    """Return which pixels of an exposure are not reference pixels, (rows, cols) bool."""
    row = readout.row_start + np.arange(readout.n_rows)
    col = readout.col_start + np.arange(readout.n_cols)
    inner = [(place >= EDGE) & (place < DETECTOR_SIZE - EDGE) for place in (row, col)]
    return np.logical_and.outer(*inner)
