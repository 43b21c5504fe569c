"""Correct for a wrong divisor of the on-board average.

The electronics average the frames of a group by shifting bits, that is, they divide by a
power of two. If the number of frames is not a power of two, the group is wrong by a known
factor.
"""

import numpy as np
from numpy.typing import NDArray

from ..params import Params


class GroupScaleParams(Params):
    """The correction of the divisor has no parameters."""


def group_scale_factor(n_frames: int, frame_divisor: int | None) -> float:
    """Return the factor that turns the groups into means of their frames.

    Parameters
    ----------
    n_frames : int
        Frames averaged into a group, NFRAMES.
    frame_divisor : int or None
        Divisor of the on-board average, FRMDIVSR; None if the header has none.

    Notes
    -----
    Agrees with the ``group_scale`` step of ``jwst``; an unknown divisor changes nothing.
    """
    return 1.0 if frame_divisor is None else frame_divisor / n_frames


def scale_groups(
    samples: NDArray[np.uint16] | NDArray[np.float32],
    factor: float,
    *,
    out: NDArray[np.float32],
) -> None:
    """Convert samples to float counts, multiplied by ``factor``.

    Parameters
    ----------
    samples : (ints, groups, rows, cols) uint16 or float32, DN
    factor : float
        See `group_scale_factor`.
    out : (ints, groups, rows, cols) float32, DN
        Filled.
    """
    np.copyto(out, samples)
    if factor != 1.0:
        out *= np.float32(factor)
