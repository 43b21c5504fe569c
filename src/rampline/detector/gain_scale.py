"""Correct for a non-standard gain of the electronics.

Some exposures were read with an on-board gain other than that of the reference files;
GAINFACT scales their counts to the standard gain.
"""

import numpy as np

from ..exposure.records import SlopePlanes
from ..params import StepParams


class GainScaleParams(StepParams):
    """Whether a non-standard gain is corrected."""


def scale_gain(planes: SlopePlanes, factor: float) -> SlopePlanes:
    """Return slopes, errors and variances at the standard gain.

    Parameters
    ----------
    planes : SlopePlanes
    factor : float
        GAINFACT; slopes and errors are multiplied by it, variances by its square.

    Notes
    -----
    Agrees with the ``gain_scale`` step of ``jwst``.
    """
    if factor == 1.0:
        return planes
    once, twice = np.float32(factor), np.float32(factor**2)
    return SlopePlanes(
        slope=planes.slope * once,
        err=planes.err * once,
        var_poisson=planes.var_poisson * twice,
        var_read=planes.var_read * twice,
        flags=planes.flags,
    )
