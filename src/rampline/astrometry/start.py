"""Where the joint solution begins: what links and ties say of each visit and exposure.

Exposures are linked to each other, and each group of linked ones is tied to the reference
catalogue, by histograms of displacements (`linking`). The motions that follow become terms
of the layout: what the exposures of a visit have in common is the visit's.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .association import Entries
from .image_sources import ReferencePositions
from .layout import TERMS, Layout
from .linking import Links, SourceList, Tie, link_exposures, merge_lists, tie_group
from .matching import MatchParams, Motion, rotation

Points = NDArray[np.float64]
Indices = NDArray[np.intp]


class Start(NamedTuple):
    """Terms to begin with, and what is known of each image."""

    values: NDArray[np.float64]
    """(terms, 4): two shifts (arcsec), a roll (rad) and a stretch."""
    is_tied: NDArray[np.bool_]
    """(images,): whether an exposure of its visit was matched to the catalogue."""
    is_ambiguous: NDArray[np.bool_]
    """(images,): whether its stars fit at several shifts."""


def find_start(
    entries: Entries,
    layout: Layout,
    reference: ReferencePositions,
    params: MatchParams,
) -> Start:
    """Link exposures to each other, and groups of linked ones to the reference catalogue.

    Parameters
    ----------
    entries : Entries
        The sources of all images.
    layout : Layout
    reference : ReferencePositions
        Empty without a catalogue.
    params : MatchParams
    """
    numbers, exposure = np.unique(layout.terms[:, 1], return_inverse=True)
    of_entry = exposure[entries.image]
    lists = [
        SourceList(entries.position[of_entry == e], entries.snr[of_entry == e])
        for e in range(len(numbers))
    ]
    links = link_exposures(lists, params)
    radius = max(params.radius, 4 * typical_error(reference))
    match = params.model_copy(update={"radius": radius})
    ties = {}
    for group in np.unique(links.groups):
        members = np.flatnonzero(links.groups == group)
        stars = SourceList(np.empty((0, 2)), np.empty(0))
        for e in members:
            moved = SourceList(links.motions[e].move(lists[e].position), lists[e].snr)
            stars = merge_lists(stars, moved, 3 * params.radius)
        ties[int(group)] = tie_group(stars, reference.position, match)
    values = _start_values(layout, numbers, links, ties)
    tied = np.array([ties[int(group)].is_found for group in links.groups], np.bool_)
    # Exposures that could not be linked lie where the tied ones of their visit put them.
    visits = layout.terms[:, 0]
    several = links.is_ambiguous | np.array(
        [ties[int(group)].offset.is_ambiguous for group in links.groups], np.bool_
    )
    return Start(values, np.isin(visits, visits[tied[exposure]]), several[exposure])


def typical_error(reference: ReferencePositions) -> float:
    """Return the median error of reference positions, arcsec; 0 where there are none."""
    return float(np.median(reference.error)) if len(reference.error) else 0.0


def _start_values(
    layout: Layout, exposures: Indices, links: Links, ties: dict[int, Tie]
) -> NDArray[np.float64]:
    """Turn links and ties into terms: the median into the visits, the rest into exposures.

    What a group of exposures without a tie has in common stays out: the headers know it
    better than the exposure on which the group happened to be built.
    """
    values = np.zeros((len(layout.pivots), TERMS))
    pivots = layout.pivots[exposures]
    for e, motion in enumerate(links.motions):
        values[exposures[e], :3] = _as_term(motion, pivots[e])
    for number, tie in ties.items():
        members = np.flatnonzero(links.groups == number)
        common = tie.motion
        if not tie.is_found:
            shift_x, shift_y, roll, _ = np.median(values[exposures[members]], axis=0)
            shift = np.array([-shift_x, -shift_y])
            common = Motion(shift, -float(roll), pivots[members].mean(axis=0))
        for e in map(int, members):
            moved = Motion(values[exposures[e], :2], 0.0, pivots[e]).move(pivots[e])
            further = common.move(moved) - pivots[e]
            values[exposures[e], :2] = further
            values[exposures[e], 2] += common.roll
    linked = np.bincount(links.groups)[links.groups] > 1
    known = linked | np.array([ties[int(g)].is_found for g in links.groups], np.bool_)
    _share_among_visits(layout, exposures, known, values)
    return values


def _share_among_visits(
    layout: Layout,
    exposures: Indices,
    known: NDArray[np.bool_],
    values: NDArray[np.float64],
) -> None:
    """Move what the known exposures of each visit have in common to the visit's term.

    Exposures that could not be matched keep no term of their own: they follow their visit.
    """
    visits = np.array(
        [layout.terms[layout.terms[:, 1] == term, 0][0] for term in exposures], np.intp
    )
    for visit in np.unique(visits[known]):
        terms = exposures[(visits == visit) & known]
        common = np.median(values[terms], axis=0)
        arm = layout.pivots[terms] - layout.pivots[visit]
        values[visit] = common
        values[terms] -= common
        values[terms, :2] -= arm @ rotation(common[2]).T - arm


def _as_term(motion: Motion, pivot: Points) -> tuple[float, float, float]:
    """Return shift at ``pivot`` and roll of a motion about another centre."""
    shift = motion.move(pivot) - pivot
    return float(shift[0]), float(shift[1]), motion.roll
