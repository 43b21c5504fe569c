"""Random telegraph noise: pixels that jump between two levels.

A trap in a pixel's transistor fills and empties at random; while it is full the output is
shifted by a fixed amount. The state runs on from read to read; each read takes it as it
is then.
"""

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.timing import Readout
from ..flags import TELEGRAPH
from ..params import StepParams, Unit
from .cosmic_rays import frames_per_integration

_SHORTEST_S: Final = 5.0
_LONGEST_S: Final = 500.0


class TelegraphParams(StepParams):
    """How strong random telegraph noise is."""

    amplitude_dn: Annotated[float, Field(gt=0), Unit("DN")] = 25.0
    """Typical distance of the two levels."""


class TelegraphNoise:
    """The telegraph noise of one integration.

    Parameters
    ----------
    flags : (rows, cols) uint32
        Pixels with TELEGRAPH have it.
    readout : Readout
    params : TelegraphParams
    draw : numpy.random.Generator
    """

    def __init__(
        self,
        flags: NDArray[np.uint32],
        readout: Readout,
        params: TelegraphParams,
        draw: np.random.Generator,
    ) -> None:
        self._pixels = np.nonzero(flags & TELEGRAPH)
        n_pixels = self._pixels[0].size
        n_reads = frames_per_integration(readout)
        amplitude = params.amplitude_dn * np.exp(0.5 * draw.standard_normal(n_pixels))
        span = np.log(_LONGEST_S / _SHORTEST_S)
        dwell_s = _SHORTEST_S * np.exp(span * draw.random(n_pixels))
        # Both states last equally long: a symmetric chain seen every read.
        flips = draw.random((n_reads, n_pixels)) < 0.5 * (
            1.0 - np.exp(-2.0 * readout.frame_s / dwell_s)
        )
        state = (np.cumsum(flips, axis=0) + draw.integers(0, 2, n_pixels)) % 2
        self._levels = (state * amplitude).astype(np.float32)

    def add_mean_of_reads(
        self, counts: NDArray[np.float32], first: int, n_reads: int
    ) -> None:
        """Add the mean level of consecutive reads to (rows, cols) counts, in place."""
        level = self._levels[first : first + n_reads].mean(axis=0)
        counts[self._pixels] += level
