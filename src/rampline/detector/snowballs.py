"""Large cosmic-ray events, known as snowballs.

A heavy ion saturates a core of a few pixels and leaves a round halo of up to hundreds of
pixels, whose outskirts are below the threshold of the jump search. The core stays saturated
for the rest of the integration and shows an afterglow in the next.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from ..flags import JUMP, SATURATED
from ..params import (
    Factor,
    Params,
    Pixels,
    PixelsFloat,
    Seconds,
    StepParams,
)
from .ellipses import (
    Ellipse,
    Ellipses,
    contain,
    ellipse_mask,
    expanded,
    fit_ellipses,
    flag_ellipses,
    list_ellipses,
)
from .halos import HaloParams, Mask, flag_halos
from .regions import Event, find_regions

_NEW_SATURATION = Event(SATURATED, SATURATED)
_JUMP = Event(JUMP, SATURATED)


class EllipseParams(Params):
    """The ellipses of ``jwst``, with the usual values for NIRCam."""

    min_core_area: Pixels = 15
    """Minimum area of newly saturated pixels for a core."""
    min_jump_area: Pixels = 15
    """Minimum area of a region of jumps."""
    expand: Factor = 2.0
    """Factor on the minor axis; the major axis grows by as many pixels."""
    core_required: bool = True
    """Whether a snowball must have a core, except near the edge."""
    edge: Pixels = 25
    """Distance from the edge within which no core is required."""
    min_core_width: PixelsFloat = 2.5
    """Minimum minor axis of a core that is enlarged and flagged in later groups."""
    core_growth: PixelsFloat = 2.0
    """Radius added to a core."""
    max_radius: PixelsFloat = 200.0
    """Largest semi-axis."""


class SnowballParams(StepParams):
    """How snowballs are found and masked."""

    algorithm: Literal["halo", "jwst"] = "halo"
    """``halo``: shape of the region and measured halo; ``jwst``: expanded ellipses."""
    halo: HaloParams = HaloParams()
    """Criteria of ``halo``."""
    ellipses: EllipseParams = EllipseParams()
    """Criteria of ``jwst``."""
    core_masked: Seconds = 4000.0
    """Time from the start of the next integration during which cores are flagged."""


class Snowball(NamedTuple):
    """One event, for the log."""

    integration: int
    group: int
    row: float
    col: float
    radius: float
    """Pixels: half the mean of the axes of the flagged region."""


def flag_snowballs(
    group_flags: NDArray[np.uint8],
    counts: NDArray[np.float32],
    readout: Readout,
    params: SnowballParams,
) -> list[Snowball]:
    """Enlarge the flags of snowballs, in the whole frame.

    Parameters
    ----------
    group_flags : (ints, groups, rows, cols) uint8
        With JUMP and SATURATED bits. Owned: JUMP is added in halos, SATURATED around
        cores to the end of the integration, and JUMP on cores in the next integration.
    counts : (ints, groups, rows, cols) float32, DN
        Linear counts, in which ``halo`` measures halos and subtracts faint ones.
    readout : Readout
    params : SnowballParams

    Notes
    -----
    ``jwst`` agrees with ``flag_large_events`` of ``stcal`` 1.20, with three exceptions. There
    a core that is flagged in later groups loses all its other bits; here only JUMP. The edge
    of a subarray that is not square is correct in both directions. The four outermost
    pixels of a round mask lie on the circle, so that rounding of the angle, which differs,
    decides on them.
    """
    n_ints, n_groups = group_flags.shape[:2]
    snowballs, cores = [], []
    for i in range(n_ints):
        if params.algorithm == "halo":
            n_frames = readout.n_frames
            halos, glowing = flag_halos(
                group_flags[i], counts[i], n_frames, params.halo
            )
            snowballs += [Snowball(i, *halo) for halo in halos]
        else:
            found, glowing = _flag_integration(group_flags[i], params.ellipses)
            snowballs += [_as_snowball(i, g, ellipse) for g, ellipse in found]
        cores.append(glowing)
    masked_groups = min(int(params.core_masked // readout.group_s), n_groups)
    for i in range(1, n_ints):
        for window, core in cores[i - 1]:
            masked = group_flags[i, 1:masked_groups][(slice(None), *window)]
            masked |= core * np.uint8(JUMP)
    return snowballs


def _flag_integration(
    flags: NDArray[np.uint8], params: EllipseParams
) -> tuple[list[tuple[int, Ellipse]], list[Mask]]:
    """Flag the snowballs of one integration; return them by group, and their cores."""
    n_groups, *shape = flags.shape
    found: list[tuple[int, Ellipse]] = []
    glowing: list[Mask] = []
    cores = _find_cores(flags, 1, params)
    for g in range(1, n_groups):
        jumps = _ellipses(flags[g], _JUMP, flags[g], params.min_jump_area)
        later = _find_cores(flags, g + 1, params)
        if params.core_required:
            is_event = _are_near_edge(jumps, (shape[0], shape[1]), params.edge)
            for core in cores + later:
                is_event |= contain(jumps, core.col, core.row)
            jumps = jumps[:, is_event]
            carried = _carry_cores(flags[g:], cores, params)
            glowing += carried
            if carried:
                later = _find_cores(flags, g + 1, params)
        halos = [
            expanded(jump, params.expand, 2 * params.max_radius)
            for jump in list_ellipses(jumps)
        ]
        flag_ellipses(flags[g], halos, JUMP, SATURATED)
        found += [(g, halo) for halo in halos]
        cores = later
    return found, glowing


def _find_cores(
    flags: NDArray[np.uint8], group: int, params: EllipseParams
) -> list[Ellipse]:
    """Return the newly saturated regions of a group; none after the last group."""
    if group >= len(flags):
        return []
    before = flags[group - 1]
    now = _ellipses(flags[group], _NEW_SATURATION, before, params.min_core_area)
    return list_ellipses(now)


def _ellipses(
    flags: NDArray[np.uint8], event: Event, veto: NDArray[np.uint8], min_area: int
) -> Ellipses:
    """Return the ellipses of the larger events of a plane."""
    return fit_ellipses(find_regions(flags, event, veto), min_area)


def _are_near_edge(
    ellipses: Ellipses, shape: tuple[int, int], edge: int
) -> NDArray[np.bool_]:
    """Return which centres are close enough to the edge to have a core outside, (n,)."""
    (rows, cols), (col, row) = shape, ellipses[:2]
    is_inside = (row >= edge) & (row <= max(0, rows - edge))
    is_inside &= (col >= edge) & (col <= max(0, cols - edge))
    return np.asarray(~is_inside, np.bool_)


def _carry_cores(
    flags: NDArray[np.uint8], cores: list[Ellipse], params: EllipseParams
) -> list[Mask]:
    """Flag enlarged cores as saturated in all groups; return the original cores."""
    carried = []
    for core in cores:
        if min(core.minor, core.major) <= params.min_core_width:
            continue
        growth, widest = 2 * params.core_growth, 2 * params.max_radius
        larger = core._replace(
            minor=min(core.minor + growth, widest),
            major=min(core.major + growth, widest),
        )
        window, mask = ellipse_mask(larger, flags.shape[1:])
        later = flags[(slice(None), *window)]
        later |= mask * np.uint8(SATURATED)
        later &= ~(mask * np.uint8(JUMP))  # a step of a full well has no meaning
        carried.append(ellipse_mask(core, flags.shape[1:]))
    return carried


def _as_snowball(integration: int, group: int, ellipse: Ellipse) -> Snowball:
    """Return the log entry of an ellipse."""
    radius = 0.25 * (ellipse.minor + ellipse.major)
    return Snowball(integration, group, ellipse.row, ellipse.col, radius)
