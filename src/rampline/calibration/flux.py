"""From counts to surface brightness: one factor for each detector, filter and pupil.

The factor (PHOTMJSR) comes from standard stars and may drift with time; the reference file
says how. The nominal pixel area goes with it, so that sums over pixels become fluxes; the
area of each pixel over the nominal one is a plane of its own and is not multiplied in.
"""

import numpy as np

from ..params import Params
from .flat import SkyBuffers


class FluxParams(Params):
    """The flux calibration has nothing to choose: without it there is no sky image."""


def convert_to_sky(planes: SkyBuffers, mjy_sr_per_dn_s: float) -> None:
    """Turn DN/s into MJy/sr, errors and variances too, in place.

    Parameters
    ----------
    planes : SkyBuffers
        Owned by the caller; changed. Signal in DN/s, variances in (DN/s)**2.
    mjy_sr_per_dn_s : float
        As of the time of the exposure.

    Notes
    -----
    Agrees with the ``photom`` step of ``jwst``; like there, the error of the factor is
    not propagated, since all exposures of a filter share it.
    """
    factor = np.float32(mjy_sr_per_dn_s)
    square = np.float32(mjy_sr_per_dn_s**2)
    for plane in (planes.signal, planes.err):
        np.multiply(plane, factor, out=plane)
    for plane in (planes.var_poisson, planes.var_read, planes.var_flat):
        np.multiply(plane, square, out=plane)
