"""Search raw counts for afterglow: the excess rise of pixels that were bright before.

The rise from group to group of a pixel with a history (bright in an earlier exposure) is
compared with the median of rings around it, which removes the sky, the dark current and the
wings of sources. The same is done at control positions without a history, beyond the core of
the star, which show the residual in the absence of afterglow. Only positions whose
surroundings are flat are used.

After a dither all pixels with a history lie at the same position in the wings of their
stars, so the residual of the wings is common to all. It is removed by subtracting what an
earlier exposure shows of the same sky, where that fell on pixels without a history, from the
pixel and from each of its surroundings.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .trap_amplitudes import Afterglow

MOST_PIXELS: Final = 20_000
"""Maximum number of pixels of an exposure that are measured."""
CONTROL_STEPS: Final = ((19, -23), (-23, -19), (-19, 23), (23, 19))
"""Offsets from a pixel with a history to its controls, beyond the core of its star."""
CELL: Final = 24
"""Side of the cells whose pixels are taken to belong to one star."""
FLAT: Final = 1.5
"""Surroundings are flat if they scatter at most this factor more than the flattest fifth."""
_ANGLES = np.arange(12) * (2.0 * np.pi / 12)
RING: Final = np.concatenate(
    [
        np.rint(radius * np.stack([np.sin(_ANGLES), np.cos(_ANGLES)])).astype(np.intp)
        for radius in (5.0, 9.0, 14.0)
    ],
    axis=1,
)
"""(2, 36): row and column offsets of the surroundings of a pixel."""
_LEAST_AROUND: Final = 6
"""Minimum number of these offsets with known values."""
PIECE: Final = 500
"""Number of pixels whose surroundings are gathered at a time."""


class Earlier(NamedTuple):
    """An earlier, dithered exposure of the same sky with the same readout."""

    samples: NDArray[Any]
    """(ints, groups, rows, cols), DN: raw counts."""
    limit_dn: NDArray[np.float32]
    """(rows, cols), DN"""
    clean: NDArray[np.bool_]
    """(rows, cols): usable, and without a history at that time."""
    shift: tuple[int, int]
    """Rows and columns from a position in the later exposure to the same sky in this one."""


def find_afterglow(
    raw: tuple[NDArray[Any], NDArray[np.float32]],
    usable: NDArray[np.bool_],
    place: NDArray[np.integer[Any]],
    history: tuple[NDArray[np.float32], NDArray[np.float32]],
    release: NDArray[np.float64],
    earlier: Earlier | None = None,
) -> list[Afterglow]:
    """Measure the excess rise of pixels with a history from group to group.

    Parameters
    ----------
    raw : ((ints, groups, rows, cols), (rows, cols) float32), DN
        Raw counts of at least two groups, and the saturation limits.
    usable : (rows, cols) bool
        Pixels that see light and are not known to be bad.
    place : (2, n) integer
        Rows and columns of the pixels with a history; one or more.
    history : ((n,) float32, (kinds, n) float32)
        Fraction of the well that was full when the traps of each pixel were last filled,
        and the current filling of its traps.
    release : (kinds, ints * (groups - 1)) float64
        Fraction of the traps that is released in each difference.
    earlier : Earlier or None
        Exposure with the same number of groups; its view of the same sky is subtracted.

    Returns
    -------
    list of Afterglow
        One of the pixels whose sky the earlier exposure shows and one of the others; the
        control positions are treated in the same way. Empty if no surroundings are known.
    """
    has_history = np.zeros(usable.shape, np.bool_)
    has_history[place[0], place[1]] = True
    stride = -(-place.shape[1] // MOST_PIXELS)
    place = place[:, ::stride]
    beside = np.concatenate(
        [place + np.array(step)[:, None] for step in CONTROL_STEPS], axis=1
    )
    beside = beside % np.array(usable.shape)[:, None]
    clean = usable & ~has_history
    rise, scatter = _rises(raw, place, usable, clean)
    control, its_scatter = _rises(raw, beside, clean, clean)
    known = np.concatenate([scatter, its_scatter])
    known = known[np.isfinite(known)]
    if known.size == 0:
        return []
    flat = FLAT * np.quantile(known, 0.2)
    rise[:, ~(scatter <= flat)] = np.nan
    control[:, ~(its_scatter <= flat)] = np.nan
    share, filling = history
    alone = Afterglow(
        share=share[::stride],
        filling=filling[:, ::stride],
        rise_dn=rise,
        control_dn=_by_side(control),
        release=release,
        star=_cells(place, usable.shape[1]),
    )
    if earlier is None:
        return [alone]
    changed, _ = _rises(raw, place, usable, clean, earlier)
    its_change, _ = _rises(raw, beside, clean, clean, earlier)
    changed[:, ~(scatter <= flat)] = np.nan
    its_change[:, ~(its_scatter <= flat)] = np.nan
    shown = np.asarray(np.isfinite(_same_sky(earlier, place)).all(axis=0), np.bool_)
    compared = alone._replace(rise_dn=changed, control_dn=_by_side(its_change))
    return [_select(compared, shown), _select(alone, ~shown)]


def _by_side(control: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reorder the control positions from (steps, sides * n) to (sides, steps, n)."""
    return control.reshape(len(control), len(CONTROL_STEPS), -1).swapaxes(0, 1)


def _select(seen: Afterglow, wanted: NDArray[np.bool_]) -> Afterglow:
    """Return the data of the selected pixels."""
    return seen._replace(
        share=seen.share[wanted],
        filling=seen.filling[:, wanted],
        rise_dn=seen.rise_dn[:, wanted],
        control_dn=seen.control_dn[:, :, wanted],
        star=seen.star[wanted],
    )


def _same_sky(earlier: Earlier, place: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Return the differences of an earlier exposure at the same sky; NaN unknown.

    ``place`` is (2, ...), the result (steps, ...).
    """
    axes = (slice(None), *(None,) * (place.ndim - 1))
    moved = place + np.array(earlier.shift)[axes]
    size = np.array(earlier.clean.shape)[axes]
    outside = ((moved < 0) | (moved >= size)).any(axis=0)
    row, col = np.clip(moved, 0, size - 1)
    pixel = row * earlier.clean.shape[1] + col
    steps = _differences((earlier.samples, earlier.limit_dn), pixel, earlier.clean)
    steps[:, outside] = np.nan
    return steps


def _cells(place: NDArray[np.integer[Any]], n_cols: int) -> NDArray[np.int64]:
    """Return the index of the cell of the frame that contains each pixel, (n,)."""
    row, col = place.astype(np.int64) // CELL
    return np.asarray(row * -(-n_cols // CELL) + col)


def _rises(
    raw: tuple[NDArray[Any], NDArray[np.float32]],
    place: NDArray[np.integer[Any]],
    usable: NDArray[np.bool_],
    clean: NDArray[np.bool_],
    earlier: Earlier | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return differences of groups minus those of the clean surroundings, (steps, n).

    What an earlier exposure shows of the same sky is subtracted from each of them before:
    which surroundings are clean is not the same in the two. The second array is the scatter
    of the surroundings over the exposure, (n,).
    """
    n_cols = usable.shape[1]
    own = _differences(raw, place[0] * n_cols + place[1], usable)
    if earlier is not None:
        own -= _same_sky(earlier, place)
    size = np.array(usable.shape)[:, None, None]
    rises, scatter = np.empty_like(own), np.empty(own.shape[1], np.float32)
    for first in range(0, own.shape[1], PIECE):
        part = slice(first, first + PIECE)
        around = place[:, part, None] + RING[:, None, :]
        outside = ((around < 0) | (around >= size)).any(axis=0)
        row, col = np.clip(around, 0, size - 1)
        steps = _differences(raw, row * n_cols + col, clean)
        steps[:, outside] = np.nan
        if earlier is not None:
            steps -= _same_sky(earlier, around)
        rises[:, part] = own[:, part] - _median(steps)
        total = steps.sum(axis=0)
        scatter[part] = _median(np.abs(total - _median(total)[:, None]))
    return rises, scatter


def _differences(
    raw: tuple[NDArray[Any], NDArray[np.float32]],
    pixel: NDArray[np.integer[Any]],
    usable: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return differences of groups at given pixels, (ints * steps, ...); NaN unusable.

    ``pixel`` counts along the rows of the frame.
    """
    samples, limit_dn = raw
    n_ints, n_groups = samples.shape[:2]
    counts = np.empty((n_ints, n_groups, *pixel.shape), np.float32)
    # group by group: the pixels are near each other, the groups are far apart in memory
    for i, g in np.ndindex(n_ints, n_groups):
        counts[i, g] = samples[i, g].reshape(-1).take(pixel)
    limit = limit_dn.reshape(-1).take(pixel)
    limit[~usable.reshape(-1).take(pixel)] = -np.inf
    counts[counts >= limit] = np.nan
    steps = np.diff(counts, axis=1)
    return steps.reshape(-1, *steps.shape[2:])


def _median(steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median along the last axis; NaN where too few are known."""
    ordered = np.sort(steps, axis=-1)
    n = np.isfinite(ordered).sum(axis=-1, dtype=np.intp)[..., None]
    last = ordered.shape[-1] - 1
    lower = np.take_along_axis(ordered, np.maximum(n - 1, 0) // 2, axis=-1)
    upper = np.take_along_axis(ordered, (n // 2).clip(max=last), axis=-1)
    middle = 0.5 * (lower + upper)
    return np.where(n >= _LEAST_AROUND, middle, np.float32(np.nan))[..., 0]
