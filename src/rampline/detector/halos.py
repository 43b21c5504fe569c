"""Snowballs by their own shape, their halos by what is measured in them.

A snowball is a compact region of jumps, wide enough that a disc of some radius fits in,
with a newly saturated core or large. Round it the step of the charge, less what the
pixel gathers in its other groups, falls off smoothly; the halo is masked out to where
its median in a ring of pixels of equal distance no longer stands out. That is done for
the group of the hit and for the next, which shares it if reads are averaged.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..flags import BAD_FOR_SLOPE, JUMP, SATURATED
from .regions import Event, Regions, filled_areas, find_regions

Mask: TypeAlias = tuple[tuple[slice, slice], NDArray[np.bool_]]
"""A mask and where in the plane it belongs."""


_JUMP = Event(JUMP, SATURATED)
_MAX_HALO = 100
"""Pixels beyond the jumps up to which a halo is looked for."""
_MIN_OTHERS = 2
"""Other differences that a pixel's own slope must be known from."""
_MEDIAN_ERROR = 1.2533
"""Error of a median over that of a mean."""


class HaloLimits(NamedTuple):
    """What makes a snowball, and where its halo ends."""

    min_radius: float
    """Radius of the disc that must fit in, pixels."""
    coreless_area: int
    """Pixels from which on no core is required."""
    reach: float
    """Radius up to which a halo is looked for, over that of the jumps."""
    faintest: float
    """Median step, over the noise of a difference, that still belongs to the halo."""
    core_growth: float
    """Radius added to a core, pixels."""


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
    limits: HaloLimits,
) -> tuple[list[Halo], list[Mask]]:
    """Find the snowballs of one integration and flag their halos and cores.

    Parameters
    ----------
    flags : (groups, rows, cols) uint8
        Owned: JUMP is added in halos, SATURATED round cores to the last group.
    counts : (groups, rows, cols) float32, DN
    n_frames : int
        Reads averaged into a group: from two on the next group is looked at as well.
    limits : HaloLimits

    Returns
    -------
    halos : list of Halo
    cores : list of (window, mask)
        Saturated cores as they were found.
    """
    found, cores = [], []
    for group in range(1, len(flags)):
        regions = find_regions(flags[group], _JUMP, flags[group])
        for index in _large_regions(regions, limits.min_radius):
            window, region = _draw(regions, int(index), flags.shape[1:])
            core = _core(flags, group, window) & region
            if not _is_snowball(region, core, limits):
                continue
            mask = (window, region)
            radii = [_flag_halo(flags, counts, group, mask, limits)]
            if n_frames > 1 and group + 1 < len(flags):
                _flag_halo(flags, counts, group + 1, mask, limits)
            if core.any():
                _carry_core(flags[group:], (window, core), limits.core_growth)
                cores.append((window, core))
            row, col = (float(x.mean()) for x in np.nonzero(region))
            place = row + window[0].start, col + window[1].start
            found.append(Halo(group, *place, max(radii)))
    return found, cores


def _large_regions(regions: Regions, min_radius: float) -> NDArray[np.intp]:
    """Return the regions that a disc might fit into, their holes filled."""
    height = regions.box[:, 1] - regions.box[:, 0] + 1
    width = regions.box[:, 3] - regions.box[:, 2] + 1
    diameter = 2.0 * min_radius - 1.0
    wide = (height >= diameter) & (width >= diameter)
    return np.flatnonzero(
        wide & (filled_areas(regions, wide) >= math.pi * (min_radius - 0.5) ** 2)
    )


def _draw(regions: Regions, index: int, shape: tuple[int, ...]) -> Mask:
    """Draw a region, holes filled, in a window that leaves room for its halo."""
    top, bottom, left, right = (int(edge) for edge in regions.box[index])
    margin = min(max(bottom - top, right - left) + 1, _MAX_HALO) + 2
    rows = slice(max(top - margin, 0), min(bottom + margin + 1, shape[0]))
    cols = slice(max(left - margin, 0), min(right + margin + 1, shape[1]))
    mask = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.bool_)
    for row, start, stop, _ in regions.runs[regions.runs[:, 3] == index]:
        mask[row - rows.start, start - cols.start : stop - cols.start] = True
    return (rows, cols), np.asarray(ndimage.binary_fill_holes(mask), np.bool_)


def _core(
    flags: NDArray[np.uint8], group: int, window: tuple[slice, slice]
) -> NDArray[np.bool_]:
    """Return the pixels that saturate in this group or in the next."""
    full = flags[group - 1 : group + 2, *window] & np.uint8(SATURATED) != 0
    return np.asarray(full[1:].any(axis=0) & ~full[0], np.bool_)


def _is_snowball(
    region: NDArray[np.bool_], core: NDArray[np.bool_], limits: HaloLimits
) -> bool:
    """Return whether a disc fits into a region and it has a core or is large."""
    if not core.any() and np.count_nonzero(region) < limits.coreless_area:
        return False
    inner = ndimage.distance_transform_edt(np.pad(region, 1))
    return bool(inner.max() >= limits.min_radius)


def _flag_halo(
    flags: NDArray[np.uint8],
    counts: NDArray[np.float32],
    group: int,
    mask: Mask,
    limits: HaloLimits,
) -> float:
    """Flag a region and its halo in one group; return the radius of what was flagged."""
    window, region = mask
    radius = math.sqrt(np.count_nonzero(region) / math.pi)
    distance = ndimage.distance_transform_edt(~region)
    excess = _excess(flags[:, *window], counts[:, *window], group)
    width = _halo_width(excess, distance, radius, limits)
    halo = distance <= width
    plane = flags[group][window]
    plane[halo & (plane & np.uint8(BAD_FOR_SLOPE) == 0)] |= np.uint8(JUMP)
    return radius + width


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


def _halo_width(
    excess: NDArray[np.float32],
    distance: NDArray[np.float64],
    radius: float,
    limits: HaloLimits,
) -> float:
    """Return how far the halo reaches beyond the jumps, pixels."""
    farthest = min((limits.reach - 1.0) * radius, _MAX_HALO, float(distance.max()))
    ring = max(1.0, radius / 5.0)
    usable = np.isfinite(excess) & (distance > 0.0)
    far = excess[usable & (distance > farthest - 2.0 * ring)]
    if far.size < 2:
        return farthest
    low, level = (float(q) for q in np.percentile(far, (15.87, 50.0)))
    scatter = level - low
    width = 0.0
    while width < farthest:
        inside = usable & (distance > width) & (distance <= width + ring)
        values = excess[inside]
        if values.size > 1:
            noise = _MEDIAN_ERROR * scatter / math.sqrt(values.size)
            limit = max(limits.faintest * scatter, 2.0 * noise)
            if float(np.median(values)) - level < limit:
                break
        width += ring
    return min(width, farthest)


def _carry_core(flags: NDArray[np.uint8], core: Mask, growth: float) -> None:
    """Flag a core, enlarged, as saturated in all groups."""
    window, mask = core
    larger = ndimage.distance_transform_edt(~mask) <= growth
    later = flags[:, *window]
    later |= larger * np.uint8(SATURATED)
