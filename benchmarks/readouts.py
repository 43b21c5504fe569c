"""How detectors are read, for benchmarks that make their exposures themselves."""

from dataclasses import replace

from rampline.exposure.timing import PATTERNS, Readout

FRAME_S = 10.73677
"""Time of a full frame through four outputs."""


def make_readout(pattern, n_groups, **changes):
    """Return a full frame of one integration, or what differs from it."""
    n_frames, n_dropped = PATTERNS[pattern]
    full = Readout(
        pattern=pattern,
        n_ints=1,
        n_groups=n_groups,
        n_frames=n_frames,
        n_dropped=n_dropped,
        frame_s=FRAME_S,
        group_s=(n_frames + n_dropped) * FRAME_S,
        subarray="FULL",
        row_start=0,
        col_start=0,
        n_rows=2048,
        n_cols=2048,
        fast_axis=-1,
        slow_axis=2,
        n_outputs=4,
    )
    return replace(full, **changes)
