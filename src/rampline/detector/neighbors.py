"""Flag the neighbours of cosmic rays.

Capacitance between the pixels carries about half a percent of a pixel's charge to each
of its four neighbours, and an ion's track crosses several pixels: a strong hit leaves a
step in those around it too small to be found and large enough to bias their slope.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..flags import BAD_FOR_SLOPE, JUMP
from ..numerics.jit import kernel
from ..params import StepParams, Unit
from .follow_up import FollowUpParams
from .jumps import FoundJumps, merge_jumps


class NeighborParams(StepParams):
    """What is done with the neighbours of a hit."""

    algorithm: Literal["tested", "jwst"] = "tested"
    """``tested``: shared charge is taken off them and each is searched at the time of the
    hit; ``jwst``: four are flagged, whatever they show."""
    tested: FollowUpParams = FollowUpParams()
    """How they are searched (``tested``)."""
    min_ratio: Annotated[float, Field(ge=0), Unit("sigma")] = 10.0
    """Hits weaker than this leave their neighbours alone (``jwst``)."""
    max_ratio: Annotated[float, Field(gt=0), Unit("sigma")] = 1000.0
    """Hits stronger than this leave their neighbours alone (``jwst``)."""


def hits_beside(found: Mapping[int, FoundJumps], rows: slice) -> FoundJumps:
    """Return the hits in some rows and in the two rows beside them.

    Parameters
    ----------
    found : mapping
        Hits by the first row of the band they were found in, of the whole frame.
    rows : slice

    Returns
    -------
    FoundJumps
        Rows counted from ``rows.start``: from -1 on.
    """
    starts = sorted(found)
    ends = [*starts[1:], rows.stop + 1][: len(starts)]
    near = [
        start
        for start, end in zip(starts, ends, strict=True)
        if start <= rows.stop and end >= rows.start
    ]
    joined = merge_jumps(
        [found[start] for start in near], [start - rows.start for start in near]
    )
    inside = (joined.row >= -1) & (joined.row <= rows.stop - rows.start)
    return FoundJumps(*(column[inside] for column in joined))


def flag_neighbors(
    group_flags: NDArray[np.uint8], jumps: FoundJumps, params: NeighborParams
) -> int:
    """Flag the four neighbours of hits as jumps.

    Parameters
    ----------
    group_flags : (ints, groups, rows, cols) uint8
        Owned: JUMP bits are added where neither SATURATED nor DO_NOT_USE is set.
    jumps : FoundJumps
        Of these rows and of the two beside them.
    params : NeighborParams

    Returns
    -------
    int
        Number of hits whose neighbours were flagged.

    Notes
    -----
    Agrees with ``flag_4_neighbors`` of ``stcal`` 1.20.
    """
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
