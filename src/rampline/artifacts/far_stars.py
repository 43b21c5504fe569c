"""Angled stripes: spikes of extremely bright stars a few degrees away."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from .bits import STRIPE_CORRECTED
from .claws import BandMagnitudes
from .expected import Expected

REACH_DEG: Final = 5.0
BRIGHTER_THAN_K: Final = -1.0
"""Seen only for the few brightest stars of the sky (Mira, in PRIMER's UDS field)."""
FIELD_V3_DEG: Final = -490.0 / 3600.0
"""V3 of NIRCam's field, relative to the telescope's axis."""


def expect_stripes(stars: BandMagnitudes, detector: str) -> Sequence[Expected]:
    """Return the stripes that distant stars may cause on a detector.

    Returns
    -------
    sequence of Expected
        Without corners: they cross the whole frame, 30 degrees to either side of V3.
    """
    away = np.hypot(stars.v2_deg, stars.v3_deg - FIELD_V3_DEG)
    return [
        Expected(
            kind="stripes",
            bit=STRIPE_CORRECTED,
            detector=detector,
            cause=f"{stars.name[k]}, K {stars.k_mag[k]:.1f}, {away[k]:.1f} deg away",
        )
        for k in np.flatnonzero((away < REACH_DEG) & (stars.k_mag < BRIGHTER_THAN_K))
    ]
