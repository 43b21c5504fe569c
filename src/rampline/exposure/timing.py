"""When the reads of an exposure happen.

A group is the mean of ``n_frames`` consecutive reads (frames); ``n_dropped`` further
reads pass unused before the next group. Read ``k`` (0-based) of an integration ends
``(k + 1) * frame_s`` after the reset.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

PATTERNS: Final = {
    "RAPID": (1, 0),
    "BRIGHT1": (1, 1),
    "BRIGHT2": (2, 0),
    "SHALLOW2": (2, 3),
    "SHALLOW4": (4, 1),
    "MEDIUM2": (2, 8),
    "MEDIUM8": (8, 2),
    "DEEP2": (2, 18),
    "DEEP8": (8, 12),
}
"""NIRCam's readout patterns: frames averaged into a group, frames dropped after it."""


OUTPUT_COLUMNS: Final = 512
"""Columns that an amplifier reads of a detector with four of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """How the detector was read.

    Attributes
    ----------
    pattern : str
        Name of the readout pattern, READPATT.
    n_ints, n_groups, n_frames, n_dropped : int
        Integrations; groups an integration; frames averaged; frames dropped.
    frame_s, group_s : float, s
        Time between two reads, and between two groups (TFRAME, TGROUP).
    subarray : str
        Name of the subarray, ``FULL`` for the whole detector.
    row_start, col_start : int
        0-based first row and column within the full detector, science orientation.
    n_rows, n_cols : int
    fast_axis, slow_axis : int
        FASTAXIS (+-1 along columns) and SLOWAXIS (+-2 along rows) in the science frame.
    n_outputs : int
        Amplifiers read at once: 4 (stripes of 512 columns) or 1.
    """

    pattern: str
    n_ints: int
    n_groups: int
    n_frames: int
    n_dropped: int
    frame_s: float
    group_s: float
    subarray: str
    row_start: int
    col_start: int
    n_rows: int
    n_cols: int
    fast_axis: int
    slow_axis: int
    n_outputs: int

    def read_times_s(self) -> NDArray[np.float64]:
        """Return the times of all averaged reads since the reset, (n_groups, n_frames), s."""
        period = self.n_frames + self.n_dropped
        first = np.arange(self.n_groups)[:, None] * period
        reads = first + np.arange(1.0, self.n_frames + 1.0)
        return np.asarray(reads * self.frame_s, np.float64)

    def group_times_s(self) -> NDArray[np.float64]:
        """Return the mean time of each group since the reset, (n_groups,), s."""
        return np.asarray(self.read_times_s().mean(axis=1), np.float64)

    def integration_s(self) -> float:
        """Return the time of one integration, reset to last read, as EFFINTTM, s."""
        return self.n_groups * self.group_s - self.n_dropped * self.frame_s
