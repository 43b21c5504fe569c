"""Flag the groups after strong hits, in which the pixel is still settling.

Charge that a hit leaves in traps is released over the next seconds to minutes, so the
groups after the hit rise too fast. The parameters set how strong a hit must be and for how
long groups are flagged; by default the step is off.
"""

import numpy as np
from numpy.typing import NDArray

from ..flags import BAD_FOR_SLOPE, JUMP
from ..params import Dn, Seconds, StepParams
from .band import RampBand


class AfterJumpParams(StepParams):
    """Which groups after a hit are flagged: two classes of hits, as in ``jwst``."""

    enabled: bool = False
    """Whether the step is run."""
    step_1: Dn = 0.0
    """Minimum step of a hit of the first class."""
    time_1: Seconds = 0.0
    """Time after a hit of the first class in which groups are flagged."""
    step_2: Dn = 0.0
    """Minimum step of a hit of the second class."""
    time_2: Seconds = 0.0
    """Time after a hit of the second class in which groups are flagged."""


def flag_after_jumps(band: RampBand, group_s: float, params: AfterJumpParams) -> None:
    """Flag groups after strong jumps as jumps.

    Parameters
    ----------
    band : RampBand
        Its ``group_flags`` are owned: JUMP bits are added where neither SATURATED nor
        DO_NOT_USE is set.
    group_s : float, s
        Time between two groups.
    params : AfterJumpParams

    Notes
    -----
    Agrees with ``transient_jumps`` of ``stcal`` 1.20, except that the step is compared in
    DN, pixel by pixel; ``stcal`` converts it to electrons with the median gain.
    """
    flags, counts = band.group_flags, band.counts
    n_groups = flags.shape[1]
    bits = np.bitwise_or.reduce(flags, axis=(0, 1))
    row, col = np.nonzero(bits & np.uint8(JUMP))
    if n_groups < 3 or row.size == 0:
        return
    own = flags[:, :, row, col]
    excess = _excess(counts[:, :, row, col], own)
    is_jump = own & np.uint8(JUMP) != 0
    marked = np.zeros(own.shape, np.bool_)
    for step, time in ((params.step_1, params.time_1), (params.step_2, params.time_2)):
        strong = np.zeros(own.shape, np.bool_)
        strong[:, 1:] = is_jump[:, 1:] & (excess >= step)
        for later in range(min(int(time // group_s), n_groups - 2) + 1):
            marked[:, later:] |= strong[:, : n_groups - later]
    marked &= own & np.uint8(BAD_FOR_SLOPE) == 0
    flags[:, :, row, col] = own | marked * np.uint8(JUMP)


def _excess(
    counts: NDArray[np.float32], flags: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the differences minus the pixel's median difference, NaN where unusable."""
    known = np.where(flags & np.uint8(BAD_FOR_SLOPE) == 0, counts, np.nan)
    steps = np.diff(known.astype(np.float64), axis=1)
    ordered = np.sort(steps.reshape(-1, steps.shape[-1]), axis=0)
    n = np.isfinite(ordered).sum(axis=0)
    pixel = np.arange(n.size)
    lower = ordered[np.maximum(n - 1, 0) // 2, pixel]
    upper = ordered[np.minimum(n // 2, len(ordered) - 1), pixel]
    return np.asarray(steps - 0.5 * (lower + upper), np.float64)
