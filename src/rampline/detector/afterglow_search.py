"""Look for afterglow in raw counts: what pixels that were bright gain beside all others.

What a pixel with a history gains from group to group is held against the median of rings
around it, which takes off the sky, the dark current and the wings of sources; and the same is
done at places without a history, beyond the core of its star, which show what is left of
all that where there is no afterglow. Only places whose surroundings are flat count.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .trap_amplitudes import Afterglow

MOST_PIXELS: Final = 20_000
"""Pixels of an exposure that enter the measurement."""
CONTROL_STEPS: Final = ((19, -23), (-23, -19), (-19, 23), (23, 19))
"""From a pixel with a history to the places it is compared with: beyond its star's core."""
CELL: Final = 24
"""Side of the cells whose pixels count as one star's."""
FLAT: Final = 1.5
"""Surroundings are flat whose scatter is at most so many times that of the flattest fifth."""
_ANGLES = np.arange(12) * (2.0 * np.pi / 12)
RING: Final = np.concatenate(
    [
        np.rint(radius * np.stack([np.sin(_ANGLES), np.cos(_ANGLES)])).astype(np.intp)
        for radius in (5.0, 9.0, 14.0)
    ],
    axis=1,
)
"""(2, 36): rows and columns of the places around a pixel that tell its surroundings."""
_LEAST_AROUND: Final = 6
"""Of these that must be known."""
PIECE: Final = 2000
"""Pixels whose surroundings are gathered at a time."""


def find_afterglow(
    samples: NDArray[Any],
    limit_dn: NDArray[np.float32],
    usable: NDArray[np.bool_],
    place: NDArray[np.integer[Any]],
    history: tuple[NDArray[np.float32], NDArray[np.float32]],
    release: NDArray[np.float64],
) -> Afterglow | None:
    """Measure what pixels with a history gain from group to group.

    Parameters
    ----------
    samples : (ints, groups, rows, cols), DN
        Raw counts; two groups or more.
    limit_dn : (rows, cols) float32, DN
        Counts from which on a pixel is saturated.
    usable : (rows, cols) bool
        Pixels that see light and are not known to be bad.
    place : (2, n) integer
        Rows and columns of the pixels with a history; one or more.
    history : ((n,) float32, (5, n) float32)
        How full the well was that filled the traps of each last, and how full they are.
    release : (5, ints * (groups - 1)) float64
        Share of the traps that is released in each difference.

    Returns
    -------
    Afterglow or None
        None where no surroundings are known.
    """
    has_history = np.zeros(usable.shape, np.bool_)
    has_history[place[0], place[1]] = True
    stride = -(-place.shape[1] // MOST_PIXELS)
    place = place[:, ::stride]
    beside = np.concatenate(
        [place + np.array(step)[:, None] for step in CONTROL_STEPS], axis=1
    )
    beside = beside % np.array(usable.shape)[:, None]
    raw, clean = (samples, limit_dn), usable & ~has_history
    rise, scatter = _rises(raw, place, usable, clean)
    control, its_scatter = _rises(raw, beside, clean, clean)
    known = np.concatenate([scatter, its_scatter])
    known = known[np.isfinite(known)]
    if known.size == 0:
        return None
    flat = FLAT * np.quantile(known, 0.2)
    rise[:, ~(scatter <= flat)] = np.nan
    control[:, ~(its_scatter <= flat)] = np.nan
    share, filling = history
    return Afterglow(
        share=share[::stride],
        filling=filling[:, ::stride],
        rise_dn=rise,
        control_dn=control.reshape(len(control), len(CONTROL_STEPS), -1).swapaxes(0, 1),
        release=release,
        star=_cells(place, usable.shape[1]),
    )


def _cells(place: NDArray[np.integer[Any]], n_cols: int) -> NDArray[np.int64]:
    """Return the number of the cell of the frame that each place is in, (n,)."""
    row, col = place.astype(np.int64) // CELL
    return np.asarray(row * -(-n_cols // CELL) + col)


def _rises(
    raw: tuple[NDArray[Any], NDArray[np.float32]],
    place: NDArray[np.integer[Any]],
    usable: NDArray[np.bool_],
    clean: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return differences of groups, less those of the clean surroundings, (steps, n).

    With them comes the scatter of the surroundings over the exposure, (n,).
    """
    own = _differences(raw, place, usable)
    size = np.array(usable.shape)[:, None, None]
    around = place[:, None, :] + RING[:, :, None]
    outside = ((around < 0) | (around >= size)).any(axis=0)
    around = np.clip(around, 0, size - 1)
    rises, scatter = np.empty_like(own), np.empty(own.shape[1], np.float32)
    for first in range(0, own.shape[1], PIECE):
        part = slice(first, first + PIECE)
        steps = _differences(raw, around[:, :, part], clean)
        steps[:, outside[:, part]] = np.nan
        rises[:, part] = own[:, part] - _median(steps)
        total = steps.sum(axis=0)[None]
        scatter[part] = _median(np.abs(total - _median(total)[:, None]))[0]
    return rises, scatter


def _differences(
    raw: tuple[NDArray[Any], NDArray[np.float32]],
    place: NDArray[np.integer[Any]],
    usable: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return differences of groups at some places, (ints * steps, ...); NaN unusable."""
    samples, limit_dn = raw
    row, col = place
    counts = samples[:, :, row, col].astype(np.float32)
    full = counts >= limit_dn[row, col]
    counts[full | ~usable[row, col]] = np.nan
    steps = np.diff(counts, axis=1)
    return steps.reshape(-1, *steps.shape[2:])


def _median(steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median along the second axis; NaN where too few are known."""
    ordered = np.sort(steps, axis=1)
    n = np.isfinite(ordered).sum(axis=1)
    last = ordered.shape[1] - 1
    lower = np.take_along_axis(ordered, (np.maximum(n - 1, 0) // 2)[:, None], axis=1)
    upper = np.take_along_axis(ordered, (n // 2).clip(max=last)[:, None], axis=1)
    middle = 0.5 * (lower + upper)[:, 0]
    return np.where(n >= _LEAST_AROUND, middle, np.float32(np.nan))
