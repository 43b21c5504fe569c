"""Subtract the dark ramp.

Dark current and amplifier glow produce a ramp, which is measured in many long dark exposures
and averaged to the read pattern of the exposure. It is subtracted after the linearity
correction, because the dark itself is linearised.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from ..params import StepParams
from .subtraction import subtract_known


class DarkParams(StepParams):
    """How the dark is subtracted."""

    noise: bool = True
    """Whether the noise of the dark itself is included in the noise of the ramps, and so
    in VAR_RNOISE, and the photon noise of the dark current in VAR_POISSON; ``jwst`` omits
    both."""
    zero_frame: bool = True
    """Whether the dark is subtracted from the zero frame too; ``jwst`` does not."""


def subtract_dark(
    counts: NDArray[np.float32], dark: NDArray[np.float32], rows: slice
) -> None:
    """Subtract the dark ramp, in place.

    Parameters
    ----------
    counts : (ints, groups, rows, cols) float32, DN
        Owned by the caller; changed in ``rows`` only.
    dark : (groups, rows, cols) float32, DN
        In the exposure's read pattern; nothing is subtracted where it is NaN.
    rows : slice
        Rows to work on.

    Notes
    -----
    Agrees with the ``dark_current`` step of ``jwst``.
    """
    subtract_known(counts, dark, rows)


def subtract_first_dark(
    zero: NDArray[np.float32],
    dark: NDArray[np.float32],
    readout: Readout,
    rows: slice,
) -> None:
    """Subtract the dark of the first read from the zero frame, in place.

    Parameters
    ----------
    zero : (ints, rows, cols) float32, DN
        Owned by the caller; changed in ``rows`` only.
    dark : (groups, rows, cols) float32, DN
        In the exposure's read pattern; nothing is subtracted where it is NaN.
    readout : Readout
    rows : slice
        Rows to work on.

    Notes
    -----
    The dark of the first read is that of the first group, scaled to the time since the
    reset at a constant rate. `jwst` does not subtract it: the zero frame of a saturating
    hot pixel is then too high with respect to its groups.
    """
    share = np.float32(readout.frame_s / readout.group_times_s()[0])
    zero[:, rows] -= np.nan_to_num(share * dark[0, rows], copy=False)
