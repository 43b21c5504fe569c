"""Drift of the pedestal: the level that all pixels of an output stand on.

It comes back from a reset only to some counts, which differ between outputs, and then
wanders from read to read. Reference pixels see it as all others do.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.timing import Readout
from ..params import StepParams, Unit
from .cosmic_rays import frames_per_integration

Level = Annotated[float, Field(ge=0), Unit("DN")]


class PedestalParams(StepParams):
    """How far the pedestal drifts."""

    common_dn: Level = 10.0
    """Scatter of the level after a reset, the same for all outputs."""
    output_dn: Level = 2.0
    """Further scatter of each output."""
    walk_dn: Level = 0.05
    """Scatter of each output's step from read to read."""


class Pedestal:
    """The pedestal of one integration, read by read.

    Parameters
    ----------
    readout : Readout
    params : PedestalParams
    draw : numpy.random.Generator
    """

    def __init__(
        self, readout: Readout, params: PedestalParams, draw: np.random.Generator
    ) -> None:
        n_outputs = readout.n_outputs
        start = params.common_dn * draw.standard_normal(1)
        start = start + params.output_dn * draw.standard_normal(n_outputs)
        steps = draw.standard_normal((frames_per_integration(readout), n_outputs))
        steps[0] = 0.0
        self._levels = start + params.walk_dn * np.cumsum(steps, axis=0)
        self._width = readout.n_cols // n_outputs

    def mean_of_reads(self, first: int, n_reads: int) -> NDArray[np.float32]:
        """Return the mean level of consecutive reads in each column.

        Parameters
        ----------
        first : int
            First read, counted from 0 at the reset with the dropped ones.
        n_reads : int

        Returns
        -------
        (cols,) float32, DN
        """
        level = self._levels[first : first + n_reads].mean(axis=0)
        return np.repeat(level, self._width).astype(np.float32)
