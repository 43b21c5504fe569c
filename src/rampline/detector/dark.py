"""Subtract the ramp that the detector shows in the dark.

Dark current and the glow of the amplifiers make a ramp of their own, measured in many long
dark exposures and averaged to the read pattern of the exposure. It is subtracted after
linearity, as it was itself made linear.
"""

import numpy as np
from numpy.typing import NDArray

from ..params import StepParams
from .subtraction import subtract_known


class DarkParams(StepParams):
    """How the dark is subtracted."""

    noise: bool = True
    """Whether the noise of the dark itself counts in the noise of the ramps, and so in
    VAR_RNOISE; ``jwst`` leaves it out."""


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
