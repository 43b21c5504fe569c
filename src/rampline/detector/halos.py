"""Snowballs by their own shape, their halos by what is measured in them.

A snowball is a compact region of jumps, wide enough that a disc of some radius fits in,
with a newly saturated core or large. Round it the step of the charge, less what the
pixel gathers in its other groups, falls off smoothly; the halo is masked out to where
its median in a ring of pixels of equal distance is below the noise of a pixel, and the
medians are subtracted from there to where they no longer stand out. That is done for the
group of the hit and for the next, which shares it if reads are averaged.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..flags import BAD_FOR_SLOPE, DO_NOT_USE, JUMP, SATURATED
from ..numerics.selection import MEDIAN_NOISE
from ..params import Dn, Factor, Params, Pixels, PixelsFloat, Sigma
from .regions import Event, Regions, filled_areas, find_regions

Mask: TypeAlias = tuple[tuple[slice, slice], NDArray[np.bool_]]
"""A mask and where in the plane it belongs."""


_JUMP = Event(JUMP, SATURATED)
_MAX_HALO = 100
"""Pixels beyond the jumps up to which a halo is looked for."""
_MIN_OTHERS = 2
"""Other differences that a pixel's own slope must be known from."""


class HaloParams(Params):
    """What makes a snowball, and where its halo ends."""

    min_radius: PixelsFloat = 3.0
    """Radius of a disc that must fit into the jumps."""
    core_step: Dn = 2.0e4
    """Step that makes a core even if it does not saturate."""
    coreless_area: Pixels = 100
    """Area of jumps from which on no core is required."""
    reach: Factor = 3.0
    """Radius up to which a halo is looked for, over that of the jumps."""
    masked: Sigma = 0.5
    """Median step, over the noise of a difference, from which on the halo is masked."""
    faintest: Sigma = 0.1
    """The same, from which on it is subtracted."""
    core_growth: PixelsFloat = 2.0
    """Radius added to a saturated core."""


class _Ring(NamedTuple):
    """Pixels at some distance from the jumps."""

    inner: float
    outer: float
    step: float
    """Median step above that far from the event, DN."""
    significance: float
    """The same over the noise of a pixel's difference."""


class Halo(NamedTuple):
    """One snowball, as it was flagged."""

    group: int
    row: float
    col: float
    radius: float
    """Pixels."""


def flag_halos(
    flags: NDArray[np.uint8],
    counts: NDArray[np.float32],
    n_frames: int,
    params: HaloParams,
) -> tuple[list[Halo], list[Mask]]:
    """Find the snowballs of one integration and flag their halos and cores.

    Parameters
    ----------
    flags : (groups, rows, cols) uint8
        Owned: JUMP is added in halos, SATURATED round cores to the last group,
        DO_NOT_USE in the first group of cores that the second shows.
    counts : (groups, rows, cols) float32, DN
        Owned: faint halos are subtracted.
    n_frames : int
        Reads averaged into a group: from two on the next group is looked at as well.
    params : HaloParams

    Returns
    -------
    halos : list of Halo
    cores : list of (window, mask)
        Saturated cores as they were found.
    """
    found: list[Halo] = []
    cores: list[Mask] = []
    # all are found before any is flagged: a halo must not be taken for an event
    events = [find_regions(plane, _JUMP, plane) for plane in flags[1:]]
    for group, regions in enumerate(events, 1):
        for index in _candidates(flags, counts, group, regions, params):
            filled = _draw(regions, index)
            if _distances(np.pad(filled, 1)).max() < params.min_radius:
                continue
            window, region = _with_margin(filled, regions.box[index], flags.shape[1:])
            core = _core(flags, group, window) & region
            place = window, _distances(~region)
            halo = _flag_halo(flags, counts, group, place, params)
            if n_frames > 1 and group + 1 < len(flags):
                _flag_halo(flags, counts, group + 1, place, params)
            if core.any():
                _carry_core(flags, group, (window, core), params.core_growth)
                cores.append((window, core))
            if not any(_is_same(halo, earlier) for earlier in found):
                found.append(halo)
    return found, cores


def _is_same(halo: Halo, earlier: Halo) -> bool:
    """Return whether two halos are the two halves of one event."""
    apart = math.hypot(halo.row - earlier.row, halo.col - earlier.col)
    return halo.group - earlier.group == 1 and apart < max(halo.radius, earlier.radius)


def _candidates(
    flags: NDArray[np.uint8],
    counts: NDArray[np.float32],
    group: int,
    regions: Regions,
    params: HaloParams,
) -> list[int]:
    """Return the regions that a disc might fit into and that have a core or are large."""
    top, bottom, left, right = regions.box.T
    diameter = 2.0 * params.min_radius - 1.0
    wide = (bottom - top + 1 >= diameter) & (right - left + 1 >= diameter)
    area = filled_areas(regions, wide)
    wide &= area >= math.pi * (params.min_radius - 0.5) ** 2
    found = []
    for index in np.flatnonzero(wide):
        box = slice(top[index], bottom[index] + 1), slice(left[index], right[index] + 1)
        step = counts[group, *box] - counts[group - 1, *box]
        has_core = _core(flags, group, box).any() or step.max() > params.core_step
        if has_core or area[index] >= params.coreless_area:
            found.append(int(index))
    return found


def _draw(regions: Regions, index: int) -> NDArray[np.bool_]:
    """Draw a region in its box, holes filled."""
    top, bottom, left, right = (int(edge) for edge in regions.box[index])
    mask = np.zeros((bottom - top + 1, right - left + 1), np.bool_)
    for row, start, stop, _ in regions.runs[regions.runs[:, 3] == index]:
        mask[row - top, start - left : stop - left] = True
    from scipy import ndimage  # noqa: PLC0415 - 0.2 s, for whoever has a snowball

    return np.asarray(ndimage.binary_fill_holes(mask), np.bool_)


def _with_margin(
    filled: NDArray[np.bool_], box: NDArray[np.int64], shape: tuple[int, ...]
) -> Mask:
    """Put a region into a window that leaves room for its halo."""
    top, bottom, left, right = (int(edge) for edge in box)
    margin = min(max(bottom - top, right - left) + 1, _MAX_HALO) + 2
    rows = slice(max(top - margin, 0), min(bottom + margin + 1, shape[0]))
    cols = slice(max(left - margin, 0), min(right + margin + 1, shape[1]))
    mask = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.bool_)
    row, col = top - rows.start, left - cols.start
    mask[row : row + filled.shape[0], col : col + filled.shape[1]] = filled
    return (rows, cols), mask


def _distances(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how far each pixel of a mask is from what is outside of it, pixels."""
    from scipy import ndimage  # noqa: PLC0415 - 0.2 s, for whoever has a snowball

    return np.asarray(ndimage.distance_transform_edt(mask), np.float64)


def _core(
    flags: NDArray[np.uint8], group: int, window: tuple[slice, slice]
) -> NDArray[np.bool_]:
    """Return the pixels that saturate in this group or in the next."""
    full = flags[group - 1 : group + 2, *window] & np.uint8(SATURATED) != 0
    return np.asarray(full[1:].any(axis=0) & ~full[0], np.bool_)


def _flag_halo(
    flags: NDArray[np.uint8],
    counts: NDArray[np.float32],
    group: int,
    place: tuple[tuple[slice, slice], NDArray[np.float64]],
    params: HaloParams,
) -> Halo:
    """Flag a region and its halo in one group; return what was flagged.

    ``place`` is a window and, in it, the distance from the region.
    """
    window, distance = place
    region = distance == 0.0
    radius = math.sqrt(np.count_nonzero(region) / math.pi)
    excess = _excess(flags[:, *window], counts[:, *window], group)
    rings = _measure_rings(excess, distance, radius, params)
    bright = [ring.outer for ring in rings if ring.significance > params.masked]
    width = max(bright, default=0.0)
    halo = distance <= width
    plane = flags[group][window]
    plane[halo & (plane & np.uint8(BAD_FOR_SLOPE) == 0)] |= np.uint8(JUMP)
    faint = _faint_halo(rings, distance, width)
    counts[group:, *window] -= faint
    row, col = (float(index.mean()) for index in np.nonzero(region))
    return Halo(group, row + window[0].start, col + window[1].start, radius + width)


def _excess(
    flags: NDArray[np.uint8], counts: NDArray[np.float32], group: int
) -> NDArray[np.float32]:
    """Return the step of a group above the pixel's other steps; NaN where unknown.

    With few other groups there is nothing to compare with: the step itself is returned,
    its level is taken off far from the event.
    """
    lost = flags & np.uint8(BAD_FOR_SLOPE) != 0
    steps = np.diff(counts, axis=0)
    steps[lost[1:] | lost[:-1]] = np.nan
    own = steps[group - 1].copy()
    steps[flags[1:] & np.uint8(JUMP) != 0] = np.nan
    steps[group - 1 : group + 1] = np.nan
    known = np.isfinite(steps).sum(axis=0)
    ordered = np.sort(steps, axis=0)
    middle = np.take_along_axis(ordered, np.maximum(known - 1, 0)[None] // 2, axis=0)[0]
    known_middle = np.where(known >= _MIN_OTHERS, middle, np.float32(0.0))
    return np.asarray(own - known_middle, np.float32)


def _measure_rings(
    excess: NDArray[np.float32],
    distance: NDArray[np.float64],
    radius: float,
    params: HaloParams,
) -> list[_Ring]:
    """Return the rings round the jumps in which the halo stands out, from inside out."""
    farthest = min((params.reach - 1.0) * radius, _MAX_HALO, float(distance.max()))
    width = max(1.0, radius / 5.0)
    usable = np.isfinite(excess) & (distance > 0.0)
    excess, distance = excess[usable], distance[usable]
    far = excess[distance > farthest - 2.0 * width]
    if far.size < 2:
        return [_Ring(0.0, farthest, 0.0, np.inf)]
    low, level = (float(q) for q in np.percentile(far, (15.87, 50.0)))
    scatter = level - low
    rings: list[_Ring] = []
    inner = 0.0
    while inner < farthest:
        outer = min(inner + width, farthest)
        values = excess[(distance > inner) & (distance <= outer)]
        step = float(np.median(values)) - level if values.size > 1 else np.inf
        noise = MEDIAN_NOISE * scatter / math.sqrt(max(values.size, 1))
        if step < max(params.faintest * scatter, 2.0 * noise):
            break
        rings.append(_Ring(inner, outer, step, step / scatter))
        inner = outer
    return rings


def _faint_halo(
    rings: list[_Ring], distance: NDArray[np.float64], width: float
) -> NDArray[np.float32]:
    """Return the step of the halo beyond ``width``, DN: a falling exponential by parts."""
    faint = np.zeros(distance.shape, np.float32)
    if not rings or rings[-1].outer <= width or not math.isfinite(rings[-1].step):
        return faint
    place = (distance > width) & (distance <= rings[-1].outer)
    known = [ring for ring in rings if math.isfinite(ring.step)]
    centre = [0.5 * (ring.inner + ring.outer) for ring in known]
    step = np.log([ring.step for ring in known])
    faint[place] = np.exp(np.interp(distance[place], centre, step))
    return faint


def _carry_core(
    flags: NDArray[np.uint8], group: int, core: Mask, growth: float
) -> None:
    """Flag a core, enlarged, as saturated from its group on.

    A core of the second group may have been hit within the first, which is then all
    that is left of its ramps: it is not to be used.
    """
    window, mask = core
    larger = _distances(~mask) <= growth
    later = flags[group:, *window]
    later |= larger * np.uint8(SATURATED)
    if group == 1:
        flags[0][window] |= larger * np.uint8(DO_NOT_USE)
