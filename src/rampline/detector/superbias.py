"""Subtract the superbias: the mean level of each pixel right after a reset.

The scatter of the reset level and the drift of the outputs remain; the drift is common to
many pixels and is measured on the reference pixels.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..params import StepParams
from .subtraction import subtract_known


class SuperbiasParams(StepParams):
    """Whether the superbias is subtracted."""


def subtract_superbias(counts: NDArray[np.float32], bias: Plane, rows: slice) -> None:
    """Subtract the superbias from every group, in place.

    Parameters
    ----------
    counts : (ints, groups, rows, cols) float32, DN
        Owned by the caller; changed in ``rows`` only.
    bias : (rows, cols) float32, DN
        Nothing is subtracted where it is NaN.
    rows : slice
        Rows to work on.

    Notes
    -----
    Agrees with the ``superbias`` step of ``jwst``.
    """
    subtract_known(counts, bias[None], rows)
