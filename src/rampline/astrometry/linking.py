"""A first, rough alignment: exposures are matched one by one to a growing list of stars.

The exposure that shares most sky with the list is matched next, so that each needs one
search only. A group of exposures that hang together is then matched to the reference
catalogue as a whole, which works with far fewer reference stars than one exposure needs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .matching import (
    MatchParams,
    Motion,
    Offset,
    find_offset,
    match_nearest,
    sharpen_motion,
)

Points = NDArray[np.float64]
FEWEST_PAIRS = 2
"""Pairs that must remain after sharpening."""
BRIGHT = 4
"""A catalogue of n stars is also tried on the ``BRIGHT * n`` brightest sources alone."""
RETRY = 1.5
"""A failed match is tried again when the shared list has grown by this factor."""


class SourceList(NamedTuple):
    """The sources of one exposure, all its detectors together."""

    position: Points
    """(n, 2) arcsec in the field plane"""
    snr: NDArray[np.float64]
    """(n,)"""


class Links(NamedTuple):
    """Which exposures hang together, and how each must move for that."""

    motions: list[Motion]
    """Identity for an exposure that stands alone."""
    groups: NDArray[np.intp]
    """(exposures,) number of the group"""
    is_ambiguous: NDArray[np.bool_]
    """(exposures,) fits the others at several shifts, so it was left where it is"""


class Tie(NamedTuple):
    """How a group was matched to the reference catalogue."""

    motion: Motion
    is_found: bool
    n_pairs: int
    offset: Offset


def link_exposures(lists: list[SourceList], params: MatchParams) -> Links:
    """Link exposures to each other.

    Returns
    -------
    Links
        A group begins with the exposure of most sources, which stays where it is.
    """
    motions = [_rest(entry.position) for entry in lists]
    groups = np.full(len(lists), -1, np.intp)
    is_ambiguous = np.zeros(len(lists), np.bool_)
    while (groups < 0).any():
        left = np.flatnonzero(groups < 0)
        seed = int(max(left, key=lambda e: (len(lists[e].position), -e)))
        groups[seed] = groups.max() + 1
        links = Links(motions, groups, is_ambiguous)
        _grow_group(lists, params, links, seed)
    return Links(motions, groups, is_ambiguous)


def tie_group(group: SourceList, catalog: Points, params: MatchParams) -> Tie:
    """Match a group of exposures to the reference catalogue.

    Parameters
    ----------
    group : SourceList
        The group's stars, each once or more, where the links put them.
    catalog : (n, 2) float64, arcsec
    params : MatchParams

    Notes
    -----
    Gaia's stars are the brightest of a NIRCam field: among all sources a handful of them
    would drown in chance matches, among the brightest they stand out.
    """
    position = group.position[np.argsort(-group.snr, kind="stable")]
    near = _near(catalog, position, params.reach)
    cuts = sorted({len(position), min(BRIGHT * int(near.sum()), len(position))})
    offsets = [find_offset(position[:cut], catalog[near], params) for cut in cuts]
    offset = min(offsets, key=lambda found: found.chance)
    if offset.chance * len(cuts) > params.chance or offset.is_ambiguous:
        return Tie(_rest(position), is_found=False, n_pairs=0, offset=offset)
    motion, n_pairs = sharpen_motion(position, catalog[near], offset.motion, params)
    return Tie(motion, n_pairs >= FEWEST_PAIRS, n_pairs, offset)


def merge_lists(first: SourceList, second: SourceList, radius: float) -> SourceList:
    """Return the first list and what is new in the second, highest signal to noise first."""
    known = match_nearest(second.position, first.position, radius)[:, 0]
    new = np.setdiff1d(np.arange(len(second.position)), known)
    position = np.concatenate([first.position, second.position[new]])
    snr = np.concatenate([first.snr, second.snr[new]])
    order = np.argsort(-snr, kind="stable")
    return SourceList(position[order], snr[order])


def _grow_group(
    lists: list[SourceList],
    params: MatchParams,
    links: Links,
    seed: int,
) -> None:
    """Add all exposures to the seed's group that can be matched; fill the links."""
    motions, groups, is_ambiguous = links
    known = merge_lists(lists[seed], SourceList(np.empty((0, 2)), np.empty(0)), 0.0)
    tried = np.zeros(len(lists))
    while True:
        shared = [
            int(_near(known.position, entry.position, params.reach).sum())
            if groups[e] < 0
            else 0
            for e, entry in enumerate(lists)
        ]
        waiting = np.array(shared) * (np.array(shared) > RETRY * tried)
        if not waiting.any():
            return
        e = int(np.argmax(waiting))
        tried[e] = shared[e]
        motion, is_ambiguous[e] = _match_exposure(lists[e], known, params)
        if motion is not None:
            motions[e], groups[e] = motion, groups[seed]
            moved = SourceList(motion.move(lists[e].position), lists[e].snr)
            known = merge_lists(known, moved, 3 * params.radius)


def _match_exposure(
    entry: SourceList, known: SourceList, params: MatchParams
) -> tuple[Motion | None, bool]:
    """Return the motion that takes an exposure to the known stars, or None.

    The second says whether there are several; then none of them is taken.
    """
    position = entry.position[np.argsort(-entry.snr, kind="stable")]
    fixed = known.position[_near(known.position, position, params.reach)]
    offset = find_offset(position, fixed, params)
    if offset.chance > params.chance:
        return None, False
    if offset.is_ambiguous:
        return None, True
    motion, n_pairs = sharpen_motion(position, fixed, offset.motion, params)
    return (motion if n_pairs >= FEWEST_PAIRS else None), False


def _near(points: Points, others: Points, reach: float) -> NDArray[np.bool_]:
    """Tell the points within the others' bounding box widened by ``reach``."""
    if len(others) == 0:
        return np.zeros(len(points), np.bool_)
    low, high = others.min(axis=0) - reach, others.max(axis=0) + reach
    return np.asarray(((points >= low) & (points <= high)).all(axis=1))


def _rest(position: Points) -> Motion:
    """Return the motion that leaves a list where it is."""
    centre = position.mean(axis=0) if len(position) else np.zeros(2)
    return Motion(np.zeros(2), 0.0, centre)
