"""Flag the neighbours of cosmic rays.

Inter-pixel capacitance transfers about half a percent of a pixel's charge to each of its
four neighbours, and an ion's track crosses several pixels. A strong hit therefore leaves a
step in the pixels around it that is too small to be found but biases their slopes.
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
    """How the neighbours of a hit are treated."""

    algorithm: Literal["tested", "jwst"] = "tested"
    """``tested``: the shared charge is subtracted from the neighbours, and each is tested
    at the time of the hit; ``jwst``: the four neighbours are always flagged."""
    tested: FollowUpParams = FollowUpParams()
    """How the neighbours are tested (``tested``)."""
    min_ratio: Annotated[float, Field(ge=0), Unit("sigma")] = 10.0
    """The neighbours of weaker hits are not flagged (``jwst``)."""
    max_ratio: Annotated[float, Field(gt=0), Unit("sigma")] = 1000.0
    """The neighbours of stronger hits are not flagged (``jwst``)."""


def hits_beside(found: Mapping[int, FoundJumps], rows: slice) -> FoundJumps:
    """Return the hits in a band of rows and in the two adjacent rows.

    Parameters
    ----------
    found : mapping
        Hits of the whole frame, by the first row of the band in which they were found.
    rows : slice

    Returns
    -------
    FoundJumps
        Rows counted from ``rows.start``; the adjacent row before it is -1.
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
        Hits of these rows and of the two adjacent ones.
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
    # 64 bits, so that an index and index + 1 have the same type in the kernel
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
