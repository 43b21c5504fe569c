"""Snowballs: round showers of charge, hundreds of pixels wide, with a saturated core.

Alpha particles from the detector's own material are the usual suspects. Rates vary; about
one in 20 to 50 s falls on a detector. The law of their sizes and the shape of the halo
are assumptions: radii (of the region that a jump search sees) fall as the inverse cube
from 3 to 40 pixels; a core of a third of that radius is full where it is larger than two
pixels, the charge falls by a constant factor per pixel to the edge, and more slowly in a
halo beyond. One in ten is drawn out to twice its width.
"""

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.timing import Readout
from ..params import StepParams, Unit
from .cosmic_rays import frames_per_integration
from .instrument import N_FULL
from .photons import Events, join_events

_SMALLEST_PX: Final = 3.0
_LARGEST_PX: Final = 40.0
_CORE: Final = 0.35
_CORE_E: Final = 2.0e5
_EDGE_E: Final = 60.0
"""Charge at the edge of what a jump search sees, electrons."""
_HALO: Final = 0.6
_FAINTEST_E: Final = 2.0
_ELONGATED: Final = 0.1


class SnowballParams(StepParams):
    """How many snowballs."""

    rate_s: Annotated[float, Field(ge=0), Unit("1/s")] = 0.03
    """Per second and whole detector."""


def snowballs(
    readout: Readout, params: SnowballParams, draw: np.random.Generator
) -> Events:
    """Draw the snowballs of one integration.

    Returns
    -------
    Events
        ``group`` numbers the snowballs from 1.
    """
    n_frames = frames_per_integration(readout)
    share = readout.n_rows * readout.n_cols / N_FULL**2
    mean = params.rate_s * share * n_frames * readout.frame_s
    number = int(draw.poisson(mean)) if params.enabled else 0
    found = [_snowball(readout, draw, k + 1) for k in range(number)]
    return join_events(found)


def _snowball(readout: Readout, draw: np.random.Generator, number: int) -> Events:
    low, high = _SMALLEST_PX**-2, _LARGEST_PX**-2
    radius = (low + draw.random() * (high - low)) ** -0.5
    centre = draw.random(2) * (readout.n_rows, readout.n_cols) - 0.5
    frame = int(draw.integers(0, frames_per_integration(readout)))
    stretch = 2.0**0.5 if draw.random() < _ELONGATED else 1.0
    angle = np.pi * draw.random()
    reach = int(np.ceil(stretch * radius * (1 + _HALO * np.log(_EDGE_E / _FAINTEST_E))))
    rows = np.arange(max(0, round(centre[0]) - reach), round(centre[0]) + reach + 1)
    cols = np.arange(max(0, round(centre[1]) - reach), round(centre[1]) + reach + 1)
    rows, cols = rows[rows < readout.n_rows], cols[cols < readout.n_cols]
    y, x = np.meshgrid(rows - centre[0], cols - centre[1], indexing="ij")
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    distance = np.hypot(along / stretch, across * stretch)
    charge = draw.poisson(charge_profile(distance, radius)).astype(np.float32)
    kept = np.nonzero(charge)
    n = kept[0].size
    return Events(
        row=rows[kept[0]].astype(np.int32),
        col=cols[kept[1]].astype(np.int32),
        frame=np.full(n, frame, np.int32),
        electrons=charge[kept],
        group=np.full(n, number, np.int32),
    )


def charge_profile(distance: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Return the charge at a distance from the centre, electrons."""
    core = _CORE * radius
    peak = _CORE_E if core > 2.0 else _CORE_E * (core / 2.0) ** 2
    inner = np.log(peak / _EDGE_E) * np.clip((distance - core) / (radius - core), 0, 1)
    outer = np.maximum(distance - radius, 0.0) / (_HALO * radius)
    charge = peak * np.exp(-inner - outer)
    return np.where(charge < _FAINTEST_E, 0.0, charge)
