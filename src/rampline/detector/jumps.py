"""Find cosmic rays: steps of the charge between two groups.

An ion deposits its charge in microseconds, so the ramp of a pixel jumps from one read to
the next. With averaged groups a hit inside a group is shared between the difference
before it and the one after it. The result is a list of flagged differences; the JUMP bit
of group ``g`` means that the difference from ``g - 1`` to ``g`` must not be used.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.timing import Readout
from ..flags import JUMP
from ..numerics.jit import kernel
from ..params import StepParams, Unit
from .band import Hits, PixelNoise, RampBand, row_blocks
from .gls_jumps import search_gls
from .two_point import TwoPointParams, search_two_point


class JumpParams(StepParams):
    """How cosmic rays are found."""

    algorithm: Literal["gls", "jwst"] = "gls"
    """``gls``: generalised least squares; ``jwst``: two-point differences."""
    false_positives: Annotated[float, Field(gt=0, lt=0.1), Unit("1 / ramp")] = 1e-3
    """Fraction of ramps without a hit that may be flagged (``gls``)."""
    two_point: TwoPointParams = TwoPointParams()
    """Thresholds of ``jwst``."""


class FoundJumps(NamedTuple):
    """Flagged differences, one entry each."""

    integration: NDArray[np.int32]
    group: NDArray[np.int32]
    """The later group of the difference: the one that carries the JUMP bit."""
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    ratio: NDArray[np.float32]
    """Size of the step over its noise."""
    amplitude_dn: NDArray[np.float32]
    """Size of the step, DN."""


def find_jumps(
    band: RampBand, noise: PixelNoise, readout: Readout, params: JumpParams
) -> FoundJumps:
    """Find jumps and flag them in the band.

    Parameters
    ----------
    band : RampBand
        Its ``group_flags`` are owned: JUMP bits are added.
    noise : PixelNoise
    readout : Readout
    params : JumpParams

    Returns
    -------
    FoundJumps
        The flagged differences, rows counted from the first of the band.

    Notes
    -----
    Pixels without a gain are not searched. With fewer than three groups a jump cannot be
    distinguished from a slope, and nothing is found.
    """
    shape = band.counts.shape
    if shape[1] < 3:
        return merge_jumps([], [])
    parts, starts = [], []
    for rows in row_blocks(shape):
        if params.algorithm == "gls":
            hits = search_gls(band, noise, readout, rows, params.false_positives)
        else:
            hits = search_two_point(band, noise, readout, rows, params.two_point)
        parts.append(_by_row(hits, shape[3]))
        starts.append(rows.start)
    found = merge_jumps(parts, starts)
    _mark(band.group_flags, np.stack(found[:4]), np.uint8(JUMP))
    return found


def merge_jumps(bands: Sequence[FoundJumps], first_rows: Sequence[int]) -> FoundJumps:
    """Join the jumps of several bands into one list of the whole frame.

    Parameters
    ----------
    bands : sequence of FoundJumps
    first_rows : sequence of int
        Row of the frame at which each band begins.
    """
    if not bands:
        none = np.zeros(0, np.int32)
        nothing = np.zeros(0, np.float32)
        return FoundJumps(none, none, none, none, nothing, nothing)
    moved = [
        part._replace(row=part.row + np.int32(first))
        for part, first in zip(bands, first_rows, strict=True)
    ]
    return FoundJumps(
        *(np.concatenate(columns) for columns in zip(*moved, strict=True))
    )


def _by_row(hits: Hits, n_cols: int) -> FoundJumps:
    """Convert the pixel indices of a block to rows and columns."""
    integration, group, pixel = hits.where
    row, col = np.divmod(pixel, np.int32(n_cols))
    return FoundJumps(integration, group, row, col, *hits.size)


@kernel
def _mark(flags: NDArray[np.uint8], where: NDArray[np.int32], bit: np.uint8) -> None:
    """Add a bit to the samples at ``where``, (4, n)."""
    for k in range(where.shape[1]):
        flags[where[0, k], where[1, k], where[2, k], where[3, k]] |= bit
