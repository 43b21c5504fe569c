"""Subtract the ramp that the detector shows in the dark.

Dark current and the glow of the amplifiers make a ramp of their own, measured in many long
dark exposures and averaged to the read pattern of the exposure. It is subtracted after
linearity, as it was itself made linear.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from ..params import StepParams
from .subtraction import subtract_known


class DarkParams(StepParams):
    """How the dark is subtracted."""

    noise: bool = True
    """Whether the noise of the dark itself counts in the noise of the ramps, and so in
    VAR_RNOISE; ``jwst`` leaves it out."""
    zero_frame: bool = True
    """Whether the zero frame loses its share of the dark too; ``jwst`` leaves it in."""


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
    """Subtract from the zero frame what the dark has at the first read, in place.

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
    The first group's dark at the even rate since the reset. `jwst` leaves it in: the zero
    frame of a hot pixel that saturates then lies above its groups.
    """
    share = np.float32(readout.frame_s / readout.group_times_s()[0])
    zero[:, rows] -= np.nan_to_num(share * dark[0, rows], copy=False)
