"""Tadpoles: ghosts of bright sources on grism exposures, about 1350 pixels above them.

One side of a grism has no anti-reflection coating. With the column grism of module B a
knot (the head) appears at a nearly fixed offset from the source's position in a direct
image, followed by a tail along the columns. The offset is known for F322W2 and F444W;
for other filters the mean of both is used, with a larger search radius.
"""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..params import Params, Unit
from .bits import TADPOLE
from .expected import Expected, box, within_frame
from .frames import SIDE

Vector = NDArray[np.float64]
OFFSETS_PX: Final = {"F322W2": (-40.0, 1385.0), "F444W": (36.0, 1350.0)}
"""From the direct image to the head, columns and rows; it varies by up to 10 pixels."""
OTHER_OFFSET_PX: Final = (-2.0, 1367.5)
RADIUS_PX, OTHER_RADIUS_PX = 12.0, 25.0
TAIL_HALF_PX: Final = (15.0, 100.0)
HEAD_RATE_AT_17: Final = 10.0
"""Rate of the head of a source with a continuum of AB 17, DN/s."""


CENTER: Final = (-89.4, -491.4)
"""V2 and V3 of the centre of NRCBLONG, arcsec."""
HALF_ARCSEC: Final = 64.5
_TERMS: Final = tuple((i, j) for i in range(4) for j in range(4 - i))
_CUBICS: Final = (
    (1023.44, 0.23, -1.6, 0.1, -1026.3, -12.24, 1.76, 1.92, 0.13, 1.94),
    (1022.89, 1021.45, 7.18, -1.81, 1.86, -3.79, -0.2, -5.19, -2.08, -0.02),
)
"""Column and row of NRCBLONG, pixels, in powers of the offsets in V2 and V3 from the
centre divided by `HALF_ARCSEC`: within 0.6 pixels of the SIAF (PRDOPSSOC-075) from 1450
pixels below the detector to its upper edge, where the quadratics of `frames` are off by
25."""


class Head(NamedTuple):
    """The head of a tadpole, as expected."""

    x: float
    """Column, pixels."""
    y: float
    """Row, pixels."""
    rate: float
    """Brightness of the peak, DN/s."""
    radius: float
    """Search radius, pixels."""
    cause: str


class TadpoleParams(Params):
    """Which tadpoles are reported."""

    least_rate: Annotated[float, Field(ge=0), Unit("DN/s")] = 0.1
    """Minimum expected signal of the head: that of a source of AB 22."""


def place_sources(v2: Vector, v3: Vector) -> tuple[Vector, Vector]:
    """Return positions of sources in a direct image of NRCBLONG, also below its frame.

    Parameters
    ----------
    v2, v3 : (n,) float64, arcsec

    Returns
    -------
    x, y : (n,) float64, pixels
        NaN for sources too far away to cause tadpoles.
    """
    u, w = (v2 - CENTER[0]) / HALF_ARCSEC, (v3 - CENTER[1]) / HALF_ARCSEC
    near = (np.abs(u) < 1.5) & (w > -2.7) & (w < 1.2)
    powers = np.stack([u**i * w**j for i, j in _TERMS])
    x, y = np.where(near, np.array(_CUBICS) @ powers, np.nan)
    return x, y


def expect_heads(
    sources: tuple[Vector, Vector, Vector],
    detector: str,
    optics: tuple[str, str],
    params: TadpoleParams,
) -> tuple[Head, ...]:
    """Return the expected heads of tadpoles.

    Parameters
    ----------
    sources : three (n,) float64
        x and y in a direct image with the same pointing, pixels, also outside the
        frame; AB magnitude of the continuum. Sources with NaN are excluded.
    detector : str
    optics : (str, str)
        Filter and pupil; only ``GRISMC`` on ``NRCBLONG`` has tadpoles at known
        positions.
    params : TadpoleParams

    Returns
    -------
    tuple of Head
        Those within the frame, brightest first.
    """
    filter_name, pupil = optics
    if (detector, pupil) != ("NRCBLONG", "GRISMC"):
        return ()
    dx, dy = OFFSETS_PX.get(filter_name, OTHER_OFFSET_PX)
    radius = RADIUS_PX if filter_name in OFFSETS_PX else OTHER_RADIUS_PX
    x, y, ab_mag = (np.asarray(values, np.float64) for values in sources)
    rate = HEAD_RATE_AT_17 * 10.0 ** (-0.4 * (ab_mag - 17.0))
    x, y = x + dx, y + dy
    inside = (x > -0.5) & (x < SIDE - 0.5) & (y > -0.5) & (y < SIDE - 0.5)
    chosen = np.flatnonzero(inside & (rate >= params.least_rate))
    order = chosen[np.argsort(-rate[chosen], kind="stable")]
    return tuple(
        Head(
            float(x[k]),
            float(y[k]),
            float(rate[k]),
            radius,
            f"source of AB {ab_mag[k]:.1f} at x {x[k] - dx:.0f}, y {y[k] - dy:.0f}",
        )
        for k in order
    )


def expect_tadpoles(
    sources: tuple[Vector, Vector, Vector],
    detector: str,
    optics: tuple[str, str],
    params: TadpoleParams,
) -> Sequence[Expected]:
    """Return the expected tadpoles of a grism exposure as boxes.

    Parameters
    ----------
    sources, detector, optics, params
        As for `expect_heads`.

    Returns
    -------
    sequence of Expected
        A box along the columns that contains head and tail.
    """
    found = []
    for head in expect_heads(sources, detector, optics, params):
        half_x = max(TAIL_HALF_PX[0], head.radius)
        half_y = TAIL_HALF_PX[1] + head.radius
        corners = within_frame(
            box((head.x - half_x, head.x + half_x), (head.y - half_y, head.y + half_y))
        )
        found.append(
            Expected(
                kind="tadpole",
                bit=TADPOLE,
                detector=detector,
                corners=corners,
                strength=head.rate,
                unit="DN/s",
                cause=head.cause,
            )
        )
    return found
