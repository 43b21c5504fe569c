"""Flag the neighbours of cosmic rays.

Capacitance between the pixels carries about half a percent of a pixel's charge to each
of its four neighbours, so a strong hit leaves a step in them too small to be found and
large enough to bias their slope.
"""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..flags import BAD_FOR_SLOPE, JUMP
from ..numerics.jit import kernel
from ..params import Fraction, Sigma, StepParams, Unit
from .jumps import FoundJumps


class NeighborParams(StepParams):
    """Which neighbours of a hit are flagged."""

    algorithm: Literal["ipc", "jwst"] = "ipc"
    """``ipc``: where the coupled charge counts; ``jwst``: those of all hits in between."""
    coupling: Fraction = 0.0055
    """Share of a pixel's charge that each of its four neighbours sees (``ipc``)."""
    significance: Sigma = 1.0
    """Coupled charge over the noise of a difference that is flagged (``ipc``)."""
    min_ratio: Annotated[float, Field(ge=0), Unit("sigma")] = 10.0
    """Hits weaker than this leave their neighbours alone (``jwst``)."""
    max_ratio: Annotated[float, Field(gt=0), Unit("sigma")] = 1000.0
    """Hits stronger than this leave their neighbours alone (``jwst``)."""


def flag_neighbors(
    group_flags: NDArray[np.uint8], jumps: FoundJumps, params: NeighborParams
) -> int:
    """Flag the neighbours of hits as jumps, in the whole frame.

    Parameters
    ----------
    group_flags : (ints, groups, rows, cols) uint8
        Owned: JUMP bits are added where neither SATURATED nor DO_NOT_USE is set.
    jumps : FoundJumps
        Of the whole frame.
    params : NeighborParams

    Returns
    -------
    int
        Number of hits whose neighbours were flagged.

    Notes
    -----
    ``jwst`` agrees with ``flag_4_neighbors`` of ``stcal`` 1.20. ``ipc`` takes the noise of
    the neighbour for that of the hit pixel; NIRCam's coupling is 0.46 to 0.60 %.
    """
    if params.algorithm == "ipc":
        chosen = params.coupling * jumps.ratio > params.significance
    else:
        chosen = (jumps.ratio > params.min_ratio) & (jumps.ratio < params.max_ratio)
    # in 64 bits, in which a kernel's index and index + 1 are of one type
    where = np.stack(jumps[:4])[:, chosen].astype(np.int64)
    _flag_crosses(group_flags, where, BAD_FOR_SLOPE, JUMP)
    return int(where.shape[1])


@kernel
def _flag_crosses(
    group_flags: NDArray[np.uint8], where: NDArray[np.int64], bad: int, jump: int
) -> None:
    """Flag the four neighbours of the samples ``where`` (integration, group, row, col)."""
    _, _, n_rows, n_cols = group_flags.shape
    for k in range(where.shape[1]):
        i, g, row, col = where[0, k], where[1, k], where[2, k], where[3, k]
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            r, c = row + down, col + right
            inside = 0 <= r < n_rows and 0 <= c < n_cols
            if inside and group_flags[i, g, r, c] & bad == 0:
                group_flags[i, g, r, c] |= jump
