"""Relative drift of even and odd columns, measured without reference pixels.

Even and odd columns are read through different halves of an output's electronics, and their
levels drift apart from group to group by a few DN. Half of the light-sensitive pixels lie in
each set. The mean deviation of their groups from the straight line from the first group to
the last is the same for both sets except for this drift. The line itself is not corrected: a
drift apart at a constant rate cannot be distinguished from a pattern in the flat.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..numerics.selection import MAD_TO_SIGMA

_MIN_GROUPS: Final = 3


def follow_parities(
    samples: NDArray[np.uint16] | NDArray[np.float32],
    usable: NDArray[np.bool_],
    clip: float,
) -> NDArray[np.float32]:
    """Measure the deviation of even and odd columns from their common level per group.

    Parameters
    ----------
    samples : (ints, groups, rows, cols) uint16 or float32, DN
        Raw; a constant or a constant rate in a pixel has no effect.
    usable : (rows, cols) bool
    clip : float, sigma
        Pixels farther from the median are excluded.

    Returns
    -------
    (ints, groups, cols) float32, DN
        0 in the first and the last group, in ramps of fewer than three groups, and where a
        parity has no usable pixel. Adjacent columns have opposite values.

    Notes
    -----
    The noise is that of a pixel over the root of the number of pixels: 0.02 DN for 320
    columns of 320. ``jwst`` does not correct subarrays without reference pixels.
    """
    n_ints, n_groups, _, n_cols = samples.shape
    levels = np.zeros((n_ints, n_groups, n_cols), np.float32)
    even, odd = usable[:, ::2], usable[:, 1::2]
    if n_groups < _MIN_GROUPS or not (even.any() and odd.any()):
        return levels
    for i in range(n_ints):
        start = samples[i, 0].astype(np.float32)
        rise = (samples[i, -1] - start) / np.float32(n_groups - 1)
        for group in range(1, n_groups - 1):
            off = samples[i, group] - start - np.float32(group) * rise
            apart = _clipped_mean(off[:, 1::2][odd], clip) - _clipped_mean(
                off[:, ::2][even], clip
            )
            levels[i, group, 1::2] = apart / 2.0
            levels[i, group, ::2] = -apart / 2.0
    return levels


def _clipped_mean(values: NDArray[np.float32], clip: float) -> float:
    """Return the mean of the values within ``clip`` sigma of the median."""
    distance = np.abs(values - np.median(values))
    near = distance <= clip * MAD_TO_SIGMA * np.median(distance)
    return float(values[near].mean(dtype=np.float64))
