"""Test whether stray light expected at a place is present.

Two statistics are used: the mean surface brightness within the expected outline, and
the highest mean within it over about forty pixels, because light may fill only a small
part of a poorly known zone. Both are compared with those of the same outline shifted
elsewhere in the same exposure, so that the effect of the sky, its gradients and
residual stripes on such a region is measured, not assumed. The affected pixels are
found by `reach`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.polygon import fill_polygon
from ..numerics.selection import robust_scatter
from ..params import Sigma, StepParams
from .cells import Cells, smooth, spread
from .reach import (
    SCALES,
    Noise,
    find_reach,
    in_cells,
    measure_noise,
    reach_beyond,
    widen,
)
from .row_levels import without_row_levels
from .stray_fit import BLOCK as CELL

LEAST_COPIES: Final = 6
"""Minimum number of copies from which to measure a scatter."""
LEAST_KNOWN: Final = 0.3
"""Minimum fraction of the cells of a place with known values."""
MOST_HIDDEN: Final = 0.5
"""Fraction of a place that sources may cover; more is the stray light itself."""
STEPS: Final = 8
"""Maximum number of copies along each axis, to either side."""


class ConfirmParams(StepParams):
    """When expected light is accepted, and which of its pixels are masked."""

    least_excess: Sigma = 3.0
    """Minimum excess of a place, in units of the scatter of its copies."""
    mask_threshold: Sigma = 2.0
    """Light above this many times the noise at its scale is masked."""
    least_unnamed: Sigma = 5.0
    """Minimum excess, in the same units, of light at an edge that no known star causes."""


class Confirmed(NamedTuple):
    """The result at an expected place."""

    is_there: bool
    excess: float
    """Mean brightness above that of the copies, unit of the image; NaN if unknown."""
    excess_err: float
    """Scatter of the copies."""
    mask: NDArray[np.bool_]
    """(rows, cols): pixels to be masked; all False unless ``is_there``."""


class _Place(NamedTuple):
    """An outline in the cells of a frame."""

    first: tuple[int, int]
    inside: NDArray[np.bool_]
    """Within the outline's bounding box."""

    def at(self, first: tuple[int, int], cells: Cells) -> Cells:
        """Return the known cells within the outline moved to ``first``; empty if few."""
        box = tuple(
            slice(k, k + n) for k, n in zip(first, self.inside.shape, strict=True)
        )
        here = cells[box][self.inside]
        known = here[np.isfinite(here)]
        enough = known.size >= max(1.0, LEAST_KNOWN * here.size)
        return known if enough else known[:0]


def confirm_light(
    residual: Plane,
    is_source: NDArray[np.bool_],
    outlines: Sequence[NDArray[np.float64]],
    params: ConfirmParams,
    *,
    n_seen: int = 0,
) -> tuple[Confirmed, ...]:
    """Look for stray light at the places of one exposure where it is expected.

    Parameters
    ----------
    residual : (rows, cols) float32
        Image minus its sky, 1/f stripes included; NaN on bad pixels.
    is_source : (rows, cols) bool
        Pixels of sources. Ignored within an outline of which they cover most, because
        strong stray light may itself be detected as a source.
    outlines : sequence of (n, 2) float64, pixels
        x and y of the corners of each place.
    params : ConfirmParams
    n_seen : int
        The last so many places were found by their light: only its reach is measured.

    Returns
    -------
    tuple of Confirmed
        One for each outline.
    """
    shape = (residual.shape[0], residual.shape[1])
    zones = [fill_polygon(corners, shape) for corners in outlines]
    hidden = is_source.copy()
    for zone in zones:
        if zone.any() and is_source[zone].mean() > MOST_HIDDEN:
            hidden &= ~zone
    sky = np.where(hidden, np.float32(np.nan), residual)
    insides = [in_cells(zone.astype(np.float32)) > 0.5 for zone in zones]
    around = np.zeros(in_cells(residual).shape, np.bool_)
    for inside in insides:
        around |= widen(inside, reach_beyond(inside.shape))
    view = _level(sky, around, around)
    seen = [_is_there(inside, view, params) for inside in insides]
    for k in range(len(seen) - n_seen, len(seen)):
        seen[k] = seen[k]._replace(is_there=bool(insides[k].any()))
    found = np.zeros(around.shape, np.bool_)
    for inside, one in zip(insides, seen, strict=True):
        if one.is_there:
            args = view.cells, view.noise(inside), inside, params.mask_threshold
            found |= find_reach(*args, n_scales=2)
    # with only the detected light masked, more rows determine their own levels
    view = _level(sky, widen(found, SCALES[-1]), around) if found.any() else view
    for k, (inside, one) in enumerate(zip(insides, seen, strict=True)):
        if one.is_there:
            args = view.cells, view.noise(inside), inside, params.mask_threshold
            mask = spread(find_reach(*args), CELL, shape)
            seen[k] = one._replace(is_there=bool(mask.any()), mask=mask)
    return tuple(seen)


class _View(NamedTuple):
    """An exposure minus its row levels, in cells."""

    cells: Cells
    wide: Cells
    shape: tuple[int, int]
    """Of the exposure, pixels."""
    untold: NDArray[np.bool_]
    guess_err: float
    told_sky: Noise
    other_sky: Noise
    """For rows whose levels are measured, and for those whose levels are guessed."""

    def noise(self, inside: NDArray[np.bool_]) -> Noise:
        """Return the sky with which a place is compared."""
        return self.other_sky if self.untold[inside].any() else self.told_sky


def _level(sky: Plane, hidden: NDArray[np.bool_], around: NDArray[np.bool_]) -> _View:
    """Return an exposure minus the row levels measured outside the hidden cells."""
    found = without_row_levels(sky, spread(hidden, CELL, sky.shape))
    cells = in_cells(found.even)
    untold = in_cells(found.untold.astype(np.float32)) > 0.0
    told_sky = measure_noise(np.where(around, np.float32(np.nan), cells))
    other_sky = told_sky
    if untold.any():
        guessed = in_cells(found.guessed)
        other_sky = measure_noise(np.where(around, np.float32(np.nan), guessed))
    shape = (sky.shape[0], sky.shape[1])
    wide = smooth(cells, SCALES[-1])
    return _View(cells, wide, shape, untold, found.guess_err, told_sky, other_sky)


def _is_there(
    inside: NDArray[np.bool_], view: _View, params: ConfirmParams
) -> Confirmed:
    """Return whether light is present at a place, without its mask."""
    nowhere = Confirmed(False, np.nan, np.nan, np.zeros(view.shape, np.bool_))
    if not inside.any():
        return nowhere
    place, sky = _cut_out(inside), view.noise(inside)
    if not place.at(place.first, view.cells).size:
        return nowhere
    mean = _excess(place, (view.cells, sky.cells), np.mean)
    most = _excess(place, (view.wide, sky.wide), np.max)
    more = view.guess_err if view.untold[inside].any() else 0.0
    mean, most = (
        k._replace(scatter=float(np.hypot(k.scatter, more))) for k in (mean, most)
    )
    there = max(mean.sigma, most.sigma) >= params.least_excess
    return nowhere._replace(is_there=there, excess=mean.value, excess_err=mean.scatter)


class _Excess(NamedTuple):
    """The difference between a place and its copies."""

    value: float
    scatter: float
    n_copies: int

    @property
    def sigma(self) -> float:
        """Significance, reduced because the scatter is uncertain by about 1 / sqrt(n)."""
        if not (self.n_copies >= LEAST_COPIES and self.scatter > 0.0):
            return 0.0
        return self.value / self.scatter / (1.0 + float(np.sqrt(1.0 / self.n_copies)))


def _excess(
    place: _Place, cells: tuple[Cells, Cells], measure: Callable[[Cells], np.float32]
) -> _Excess:
    """Compare a place of one image with the same shape elsewhere in another."""
    own, others = cells
    here = place.at(place.first, own)
    there = [place.at(first, others) for first in _copies(place, own.shape)]
    copies = np.array([float(measure(k)) for k in there if k.size])
    if not here.size or len(copies) < LEAST_COPIES:
        return _Excess(np.nan, np.nan, 0)
    value = float(measure(here)) - float(np.median(copies))
    return _Excess(value, robust_scatter(copies), len(copies))


def _cut_out(inside: NDArray[np.bool_]) -> _Place:
    """Return an outline as its first row and column and its bounding box."""
    rows, cols = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
    return _Place((int(rows[0]), int(cols[0])), inside[box])


def _copies(place: _Place, shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield the positions of copies of the outline along its rows and its columns."""
    first = place.first
    for axis in (0, 1):
        size = place.inside.shape[axis]
        # large copies overlap each other and the place itself, which is NaN for them
        step = max(1, shape[axis] // (2 * STEPS))
        for away in range(step, step * STEPS + 1, step):
            for at in (first[axis] - away, first[axis] + away):
                if at >= 0 and at + size <= shape[axis]:
                    yield (at, first[1]) if axis == 0 else (first[0], at)
