"""Snowballs identified by their shape, with measured halos.

A snowball is a compact region of jumps that contains a disc of a minimum radius and either
has a newly saturated core or is large. Around it the step of the charge, minus the pixel's
rise in its other groups, decreases smoothly. The halo is masked out to the ring of equal
distance in which its median falls below a fraction of the noise of a pixel; farther out the
medians are subtracted as long as they are significant. This is done for the group of the hit
and, if reads are averaged, for the next, which shares the hit.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray

from ..flags import BAD_FOR_SLOPE, DO_NOT_USE, JUMP, SATURATED
from ..numerics.jit import kernel
from ..numerics.selection import MEDIAN_NOISE
from ..params import Dn, Factor, Params, Pixels, PixelsFloat, Sigma
from .regions import Event, Regions, filled_areas, find_regions

Mask: TypeAlias = tuple[tuple[slice, slice], NDArray[np.bool_]]
"""A window of the plane, and a mask within it."""


_JUMP = Event(JUMP, SATURATED)
_MAX_HALO = 100
"""Largest distance from the jumps, in pixels, at which a halo is measured."""
_MIN_OTHERS = 2
"""Minimum number of other differences that determine a pixel's slope."""


class HaloParams(Params):
    """Criteria for snowballs, and for the extent of their halos."""

    min_radius: PixelsFloat = 3.0
    """Radius of the disc that must fit into the region of jumps."""
    core_step: Dn = 2.0e4
    """Minimum step of a core that is not saturated."""
    coreless_area: Pixels = 100
    """Minimum area of a region of jumps that needs no core."""
    reach: Factor = 3.0
    """Maximum radius of a halo, in units of the radius of the jumps."""
    masked: Sigma = 0.5
    """Minimum median step, over the noise of a difference, at which the halo is masked."""
    faintest: Sigma = 0.1
    """Minimum median step, over the noise of a difference, at which it is subtracted."""
    core_growth: PixelsFloat = 2.0
    """Radius added to a saturated core."""


class _Ring(NamedTuple):
    """Pixels at a given distance from the jumps."""

    inner: float
    outer: float
    step: float
    """Median step above the level far from the event, DN."""
    significance: float
    """Median step over the noise of a pixel's difference."""


class Halo(NamedTuple):
    """One snowball, as flagged."""

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
        Owned: JUMP is added in halos, SATURATED around cores up to the last group, and
        DO_NOT_USE in the first group of cores found in the second.
    counts : (groups, rows, cols) float32, DN
        Owned: faint halos are subtracted.
    n_frames : int
        Reads averaged into a group; if two or more, the next group is searched as well.
    params : HaloParams

    Returns
    -------
    halos : list of Halo
    cores : list of (window, mask)
        Saturated cores, not enlarged.
    """
    found: list[Halo] = []
    cores: list[Mask] = []
    # find all before flagging any, so that a halo is not taken for an event
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
    """Return whether two halos are the two parts of one event."""
    apart = math.hypot(halo.row - earlier.row, halo.col - earlier.col)
    return halo.group - earlier.group == 1 and apart < max(halo.radius, earlier.radius)


def _candidates(
    flags: NDArray[np.uint8],
    counts: NDArray[np.float32],
    group: int,
    regions: Regions,
    params: HaloParams,
) -> list[int]:
    """Return regions that may contain the disc and that have a core or are large."""
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
    """Draw a region in its box, with holes filled."""
    top, bottom, left, right = (int(edge) for edge in regions.box[index])
    mask = np.zeros((bottom - top + 1, right - left + 1), np.bool_)
    own = regions.runs[regions.runs[:, 3] == index]
    for row, start, stop, _ in own.tolist():  # plain integers are faster as bounds
        mask[row - top, start - left : stop - left] = True
    return np.asarray(scipy.ndimage.binary_fill_holes(mask), np.bool_)


def _with_margin(
    filled: NDArray[np.bool_], box: NDArray[np.int64], shape: tuple[int, ...]
) -> Mask:
    """Embed a region in a window with room for its halo."""
    top, bottom, left, right = (int(edge) for edge in box)
    margin = min(max(bottom - top, right - left) + 1, _MAX_HALO) + 2
    rows = slice(max(top - margin, 0), min(bottom + margin + 1, shape[0]))
    cols = slice(max(left - margin, 0), min(right + margin + 1, shape[1]))
    mask = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.bool_)
    row, col = top - rows.start, left - cols.start
    mask[row : row + filled.shape[0], col : col + filled.shape[1]] = filled
    return (rows, cols), mask


def _distances(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the distance of each pixel of a mask from its outside, pixels."""
    return np.asarray(scipy.ndimage.distance_transform_edt(mask), np.float64)


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
    """Flag a region and its halo in one group; return the halo.

    ``place`` is a window and the distances from the region within it.
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

    With too few other groups for a comparison the step itself is returned; its level far
    from the event is subtracted later.
    """
    excess = np.empty(flags.shape[1:], np.float32)
    _fill_excess(flags, counts, group, (BAD_FOR_SLOPE, JUMP, _MIN_OTHERS), excess)
    return excess


@kernel
def _fill_excess(  # noqa: C901 - one loop a line
    flags: NDArray[np.uint8],
    counts: NDArray[np.float32],
    group: int,
    limits: tuple[int, int, int],
    excess: NDArray[np.float32],
) -> None:
    """Fill the step of a group minus the lower median of the others.

    ``limits`` are the bits of lost groups and of jumps, and the minimum number of others.
    """
    n_steps, n_rows, n_cols = len(counts) - 1, counts.shape[1], counts.shape[2]
    bad, jump = np.uint8(limits[0]), np.uint8(limits[1])
    zero, none, endless = np.float32(0.0), np.float32(np.nan), np.float32(np.inf)
    steps = np.empty((n_steps, n_cols), np.float32)
    middle, rank, level = np.empty((3, n_cols), np.float32)
    for row in range(n_rows):
        own = excess[row]
        middle[:] = -1.0
        for i in range(n_steps):
            before, after = flags[i, row], flags[i + 1, row]
            low, high, step = counts[i, row], counts[i + 1, row], steps[i]
            is_own, is_other = i == group - 1, i != group - 1 and i != group
            for c in range(n_cols):
                value = high[c] - low[c]
                is_good = ((before[c] | after[c]) & bad) == 0
                is_good &= abs(value) < endless
                if is_own:
                    own[c] = value if is_good else none
                is_good &= is_other & ((after[c] & jump) == 0)
                step[c] = value if is_good else endless
                middle[c] += np.float32(0.5) if is_good else zero
        for c in range(n_cols):
            level[c] = zero
        for i in range(n_steps):
            # the rank of each among the others: vector code, where sorting is all branches
            rank[:] = 0.0
            for k in range(n_steps):
                value, other, is_before = steps[i], steps[k], k < i
                for c in range(n_cols):
                    is_lower = other[c] < value[c]
                    is_lower |= (other[c] == value[c]) & is_before
                    rank[c] += np.float32(is_lower)
            for c in range(n_cols):
                # half the number of others less one, rounded down
                is_middle = rank[c] == np.floor(middle[c] + np.float32(0.5))
                level[c] = steps[i, c] if is_middle else level[c]
        for c in range(n_cols):
            is_known = middle[c] >= np.float32(0.5 * limits[2] - 1.0)
            own[c] -= level[c] if is_known else zero


def _measure_rings(
    excess: NDArray[np.float32],
    distance: NDArray[np.float64],
    radius: float,
    params: HaloParams,
) -> list[_Ring]:
    """Return the rings around the jumps in which the halo is detected, from inside out."""
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
        step = _median(values) - level if values.size > 1 else np.inf
        noise = MEDIAN_NOISE * scatter / math.sqrt(max(values.size, 1))
        if step < max(params.faintest * scatter, 2.0 * noise):
            break
        rings.append(_Ring(inner, outer, step, step / scatter))
        inner = outer
    return rings


def _median(values: NDArray[np.float32]) -> float:
    """Return the median of finite values; what `numpy.median` spends on few is overhead."""
    ordered, half = np.sort(values), values.size // 2
    return float(0.5 * (ordered[half] + ordered[-half - 1]))


def _faint_halo(
    rings: list[_Ring], distance: NDArray[np.float64], width: float
) -> NDArray[np.float32]:
    """Return the step of the halo beyond ``width``, DN: piecewise exponential."""
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

    A core in the second group may have been hit during the first, which is then the only
    group left of its ramps: it is not used.
    """
    window, mask = core
    larger = _distances(~mask) <= growth
    later = flags[group:, *window]
    later |= larger * np.uint8(SATURATED)
    if group == 1:
        flags[0][window] |= larger * np.uint8(DO_NOT_USE)
