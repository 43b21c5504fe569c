"""Leave out groups from which charge has moved to the neighbours.

A bright pixel's well repels charge once it is half full: later light is collected next
door, and the image of a star widens as the ramp goes on. Of stars that are sharper than
a pixel the late groups of the core and its four neighbours are better not used.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags8
from ..flags import CHARGELOSS, DO_NOT_USE
from ..params import Dn, StepParams


class ChargeMigrationParams(StepParams):
    """From where on charge is taken to migrate."""

    enabled: bool = False
    """Whether the step is run; worth it for bright stars that are undersampled."""
    threshold: Dn = 25000.0
    """Linear counts above which a group is not used."""


def flag_charge_migration(
    group_flags: Flags8, counts: NDArray[np.float32], params: ChargeMigrationParams
) -> int:
    """Flag bright groups and all later ones, of a pixel and its four neighbours.

    Parameters
    ----------
    group_flags : (ints, groups, rows, cols) uint8
        Of the whole frame; owned: CHARGELOSS and DO_NOT_USE are added.
    counts : (ints, groups, rows, cols) float32, DN
    params : ChargeMigrationParams

    Returns
    -------
    int
        Number of pixels above the threshold.

    Notes
    -----
    Agrees with the ``charge_migration`` step of ``jwst``.
    """
    bright = (counts > params.threshold) & (group_flags != DO_NOT_USE)
    np.logical_or.accumulate(bright, axis=1, out=bright)
    moved = bright.copy()
    moved[..., 1:, :] |= bright[..., :-1, :]
    moved[..., :-1, :] |= bright[..., 1:, :]
    moved[..., 1:] |= bright[..., :-1]
    moved[..., :-1] |= bright[..., 1:]
    group_flags[moved] |= np.uint8(CHARGELOSS | DO_NOT_USE)
    return int(np.count_nonzero(bright[:, -1]))
