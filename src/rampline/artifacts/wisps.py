"""Wisps: starlight scattered by a strut of the secondary mirror to fixed positions.

They appear on four short-wavelength detectors, with a fixed position and nearly fixed
shape for each filter; their strength changes from exposure to exposure.
"""

from collections.abc import Sequence
from typing import Final

from .bits import WISP_MASKED
from .expected import Expected, box

WINDOWS: Final = {
    "NRCA3": ((100, 1300), (1100, 2046)),
    "NRCA4": ((300, 1450), (0, 900)),
    "NRCB3": ((350, 1450), (0, 1000)),
    "NRCB4": ((400, 1700), (850, 2046)),
}
"""Columns and rows within which wisps lie, pixels."""
FILTERS: Final = frozenset(
    ("F090W", "F115W", "F140M", "F150W", "F150W2", "F162M", "F182M", "F200W", "F210M")
)
"""Filters in which wisps have been seen; not in F070W."""


def expect_wisps(detector: str, filter_name: str) -> Sequence[Expected]:
    """Return the wisp of a detector and filter, if it has one.

    Returns
    -------
    sequence of Expected
        One or none, without a strength, which differs from exposure to exposure.
    """
    if detector not in WINDOWS or filter_name not in FILTERS:
        return ()
    corners = box(*WINDOWS[detector])
    return (
        Expected(
            kind="wisp",
            bit=WISP_MASKED,
            detector=detector,
            corners=corners,
            cause="present in every exposure",
        ),
    )
