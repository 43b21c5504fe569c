"""Initialise the flags of an exposure from the detector's bad-pixel mask.

The mask file lists dead, hot, open and reference pixels. A pixel that must not be used is
flagged in all its groups too.
"""

import numpy as np

from ..exposure.records import Flags8, Flags32
from ..flags import DO_NOT_USE
from ..params import Params


class DataQualityParams(Params):
    """The initialisation of the flags has no parameters."""


def initialize_flags(
    mask: Flags32 | None, *, out_pixels: Flags32, out_groups: Flags8
) -> None:
    """Fill the flags of pixels and groups from the bad-pixel mask.

    Parameters
    ----------
    mask : (rows, cols) uint32, or None
        Flags of the mask file; None where nothing is flagged.
    out_pixels : (rows, cols) uint32
        Filled with the mask.
    out_groups : (ints, groups, rows, cols) uint8
        Filled with DO_NOT_USE where the mask has it.

    Notes
    -----
    Agrees with the ``dq_init`` step of ``jwst``.
    """
    if mask is None:
        out_pixels.fill(0)
        out_groups.fill(0)
        return
    np.copyto(out_pixels, mask)
    np.copyto(out_groups, (mask & DO_NOT_USE).astype(np.uint8))
