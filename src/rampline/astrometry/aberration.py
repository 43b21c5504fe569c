"""The part of the velocity aberration that headers leave out: between detectors.

The telescope's velocity shrinks or stretches the whole field by VA_SCALE. The GWCS stretches
each detector about its own reference point, and headers place the reference points at
distances that are not stretched at all. Detectors are therefore up to 25 mas nearer to each
other, or farther, than they should be, by half a year's difference in sign.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from ..exposure.geometry import Geometry
from .geometry import combine_corrections, v2v3_to_plane

MIDDLE_ARCSEC: Final = (-2.0, -492.9)
"""V2 and V3 of the middle of NIRCam, which does not move. The choice moves all detectors
alike, by less than the pointing is known to."""


def spread_detectors(geometry: Geometry) -> Geometry:
    """Stretch the distance of a detector from the middle of NIRCam by VA_SCALE.

    Returns
    -------
    Geometry
        With the shift of (VA_SCALE - 1) times the distance added to its correction;
        unchanged if it has a correction already, so that the shift is made once.

    Notes
    -----
    VA_SCALE exceeds 1 where the telescope approaches the field: stars crowd together
    there, and true angles are larger than those seen. ``jwst`` 3.0 does not make this
    shift (its issue 9400).
    """
    if not np.array_equal(geometry.correction, np.eye(2, 3)):
        return geometry
    pointing = geometry.pointing
    reference = np.array([pointing.v2_ref_arcsec, pointing.v3_ref_arcsec])
    distance = reference - MIDDLE_ARCSEC
    moved = reference + (1.0 - 1.0 / pointing.va_scale) * distance
    shift = np.column_stack([np.eye(2), v2v3_to_plane(moved, pointing)])
    return replace(geometry, correction=combine_corrections(geometry.correction, shift))
