"""Which exposures share what stays on its place of the detector.

Those of a visit, alike in optics, share stray light; those of an epoch share bad pixels.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TypeAlias, TypeVar

from ..exposure.header import Header
from ..files.names import optical_element

Member = TypeVar("Member")
Key: TypeAlias = tuple[str, ...]
"""What the members of a group share."""


def group_by(
    members: Iterable[Member], key_of: Callable[[Member], Key], least: int = 1
) -> dict[Key, list[Member]]:
    """Return members by what they share, without groups of fewer than ``least``."""
    groups: dict[Key, list[Member]] = {}
    for member in members:
        groups.setdefault(key_of(member), []).append(member)
    return {key: inside for key, inside in groups.items() if len(inside) >= least}


def visit_group(header: Header) -> Key:
    """Return what exposures with the same stray light and the same sky share."""
    return (
        header.program,
        header.observation,
        header.visit,
        header.detector,
        header.filter,
        header.pupil,
        header.readout.subarray,
    )


def wisp_group(header: Header) -> Key:
    """Return what exposures with the same wisps share, from visit to visit."""
    return (header.program, *visit_group(header)[3:])


def wisp_group_name(header: Header) -> str:
    """Return the same as a part of file names."""
    element = optical_element(header.filter, header.pupil)
    subarray = header.readout.subarray.lower()
    return f"jw{header.program}_{header.detector.lower()}_{element}_{subarray}"


def visit_group_name(header: Header) -> str:
    """Return the same as a part of file names."""
    visit = f"jw{header.program}{header.observation}{header.visit}"
    element = optical_element(header.filter, header.pupil)
    subarray = header.readout.subarray.lower()
    return f"{visit}_{header.detector.lower()}_{element}_{subarray}"


def split_epochs(mjd: Sequence[float], longest_days: float) -> list[float]:
    """Return the start of the epoch that each time belongs to.

    A span that is too long is parted at its longest gap, so exposures of one visit stay
    together whatever the calendar says.

    Parameters
    ----------
    mjd : sequence of float, days
        In any order.
    longest_days : float, days
        From the first to the last exposure of an epoch.
    """
    starts: dict[float, float] = {}
    waiting = [sorted(set(mjd))] if len(mjd) else []
    while waiting:
        times = waiting.pop()
        if times[-1] - times[0] <= longest_days:
            starts |= dict.fromkeys(times, times[0])
            continue
        gaps = [later - earlier for earlier, later in pairwise(times)]
        cut = gaps.index(max(gaps)) + 1
        waiting += [times[:cut], times[cut:]]
    return [starts[time] for time in mjd]
