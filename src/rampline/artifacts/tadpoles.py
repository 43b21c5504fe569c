"""Tadpoles: images of bright sources on grism exposures, about 1350 pixels above them.

One side of a grism has no anti-reflection coating. With the column grism of module B a knot
appears at a nearly fixed offset from where the source lies in a direct image, followed by a
tail along the columns. Heads are listed for F322W2 and F444W, where the offset is known; for
other filters the mean of both with a wider circle.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..params import Params, Unit
from .bits import TADPOLE
from .expected import Expected, box, within_frame

Vector = NDArray[np.float64]
OFFSETS_PX: Final = {"F322W2": (-40.0, 1385.0), "F444W": (36.0, 1350.0)}
"""From the direct image to the head, columns and rows; up to 10 pixels of variation."""
OTHER_OFFSET_PX: Final = (-2.0, 1367.5)
RADIUS_PX, OTHER_RADIUS_PX = 12.0, 40.0
TAIL_HALF_PX: Final = (15.0, 100.0)
HEAD_RATE_AT_17: Final = 10.0
"""DN/s of the head of a source with a continuum of AB 17."""


class TadpoleParams(Params):
    """Which tadpoles are worth a word."""

    least_rate: Annotated[float, Field(ge=0), Unit("DN/s")] = 0.1
    """Expected signal of the head: that of a source of AB 22."""


def expect_tadpoles(
    sources: tuple[Vector, Vector, Vector],
    detector: str,
    optics: tuple[str, str],
    params: TadpoleParams,
) -> Sequence[Expected]:
    """Return the tadpoles of a grism exposure.

    Parameters
    ----------
    sources : three (n,) float64
        x and y in a direct image with the same pointing, pixels, also outside the frame; AB
        magnitude of the continuum.
    detector : str
    optics : (str, str)
        Filter and pupil; only ``GRISMC`` on ``NRCBLONG`` has tadpoles of known place.
    params : TadpoleParams

    Returns
    -------
    sequence of Expected
        A box along the columns that holds head and tail.
    """
    filter_name, pupil = optics
    if (detector, pupil) != ("NRCBLONG", "GRISMC"):
        return ()
    dx, dy = OFFSETS_PX.get(filter_name, OTHER_OFFSET_PX)
    radius = RADIUS_PX if filter_name in OFFSETS_PX else OTHER_RADIUS_PX
    half_x, half_y = max(TAIL_HALF_PX[0], radius), TAIL_HALF_PX[1] + radius
    found = []
    for x, y, ab_mag in zip(*sources, strict=True):
        rate = HEAD_RATE_AT_17 * 10.0 ** (-0.4 * (ab_mag - 17.0))
        head = (x + dx, y + dy)
        corners = within_frame(
            box(
                (head[0] - half_x, head[0] + half_x),
                (head[1] - half_y, head[1] + half_y),
            )
        )
        if rate >= params.least_rate and len(corners):
            found.append(
                Expected(
                    kind="tadpole",
                    bit=TADPOLE,
                    detector=detector,
                    corners=corners,
                    strength=rate,
                    unit="DN/s",
                    cause=f"source of AB {ab_mag:.1f} at x {x:.0f}, y {y:.0f}",
                )
            )
    return found
