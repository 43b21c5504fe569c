"""Flag groups from which charge has migrated to neighbouring pixels.

Once the well of a bright pixel is half full it repels charge: later light is collected in
its neighbours, and the image of a star widens along the ramp. For undersampled stars the
late groups of the core and of its four neighbours are therefore not used.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags8
from ..flags import CHARGELOSS, DO_NOT_USE
from ..params import Dn, StepParams


class ChargeMigrationParams(StepParams):
    """Signal above which charge is taken to migrate."""

    enabled: bool = False
    """Whether the step is run; useful for bright, undersampled stars."""
    threshold: Dn = 25000.0
    """Linear counts above which a group is not used."""


def flag_charge_migration(
    group_flags: Flags8, counts: NDArray[np.float32], params: ChargeMigrationParams
) -> int:
    """Flag bright groups and all later ones, of a pixel and its four neighbours.

    Parameters
    ----------
    group_flags : (ints, groups, rows, cols) uint8
        Flags of the whole frame; owned: CHARGELOSS and DO_NOT_USE are added.
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
