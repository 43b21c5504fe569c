"""Connected regions of flagged pixels, from their runs along the rows.

A flag plane has few events, so it is read in words of eight pixels. The runs of each row
are joined with those of the previous row; area and bounding box of a region, and on request
its moments, are summed over its runs. No label image is made.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import kernel

_WORD: Final = 8
_EVERY_BYTE: Final = 0x0101010101010101


class Event(NamedTuple):
    """Selected pixels: those with ``bit``, unless the veto plane has ``veto``."""

    bit: int
    veto: int


class Regions(NamedTuple):
    """Eight-connected regions, one entry each, in the order of their first pixel."""

    area: NDArray[np.int64]
    """Pixels."""
    box: NDArray[np.int64]
    """(n, 4): first row, last row, first column, last column, inclusive."""
    runs: NDArray[np.int32]
    """(n_runs, 4): row, first column, column after the last, region."""


def find_regions(
    flags: NDArray[np.uint8], event: Event, veto: NDArray[np.uint8]
) -> Regions:
    """Find the eight-connected regions of events in a plane of flags.

    Parameters
    ----------
    flags : (rows, cols) uint8
    event : Event
    veto : (rows, cols) uint8
        Plane whose ``event.veto`` bit excludes a pixel.

    Returns
    -------
    Regions
    """
    shift = event.bit.bit_length() - event.veto.bit_length()
    bits = (event.bit, event.veto, shift)
    words, first = _as_words(flags), np.zeros(len(flags) + 1, np.int64)
    vetoes, n_runs, room = _as_words(veto), -1, max(words.size // _WORD, 1)
    while n_runs < 0:
        runs, room = np.empty((room, 4), np.int32), 4 * room
        n_runs = _find_runs(words, vetoes, bits, runs, first)
    runs = runs[:n_runs].copy()
    n = _join_runs(runs, first, np.arange(len(runs)))
    area, box = np.zeros(n, np.int64), np.empty((n, 4), np.int64)
    _sum_regions(runs, area, box)
    return Regions(area, box, runs)


def sum_moments(regions: Regions) -> NDArray[np.int64]:
    """Return the moments of regions.

    Returns
    -------
    (n, 5) int64
        Sums of r, c, r**2, r * c, c**2, with r and c from the corner of the box.
    """
    sums = np.zeros((len(regions.area), 5), np.int64)
    _sum_moments(regions.runs, regions.box, sums)
    return sums


def filled_areas(regions: Regions, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the areas of regions with their holes filled.

    Parameters
    ----------
    regions : Regions
    chosen : (n,) bool
        Regions whose holes are filled; for the others the plain area is returned.

    Returns
    -------
    (n,) int64, pixels
        A hole is not connected to the rest of the plane, not even diagonally.
    """
    return _fill_areas(regions.runs, regions.box, regions.area, chosen)


def _as_words(flags: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return words of eight pixels each, (rows, words), padded with zeros."""
    n_rows, n_cols = flags.shape
    if n_cols % _WORD == 0 and flags.flags.c_contiguous:
        return flags.view(np.uint64)
    padded = np.zeros((n_rows, -(-n_cols // _WORD) * _WORD), np.uint8)
    padded[:, :n_cols] = flags
    return padded.view(np.uint64)


@kernel
def _find_runs(
    words: NDArray[np.uint64],
    veto: NDArray[np.uint64],
    bits: tuple[int, int, int],
    runs: NDArray[np.int32],
    first: NDArray[np.int64],
) -> int:
    """Fill the runs (row, start, stop, -) and each row's first run; return their number.

    -1 where there are more runs than room for them.
    """
    n_rows, n_words = words.shape
    every, shift, none = np.uint64(_EVERY_BYTE), np.uint64(bits[2]), np.uint64(0)
    wanted, vetoed = every * np.uint64(bits[0]), every * np.uint64(bits[1])
    n = 0
    for row in range(n_rows):
        first[row] = n
        stop = -1
        for k in range(n_words):
            word = words[row, k] & wanted
            if word == none:
                continue
            word &= ~((veto[row, k] & vetoed) << shift)
            for b in range(_WORD):
                if (word >> np.uint64(8 * b)) & np.uint64(255) != none:
                    col = _WORD * k + b
                    if col != stop:
                        if n == len(runs):
                            return -1
                        runs[n, 0], runs[n, 1] = row, col
                        n += 1
                    stop = col + 1
                    runs[n - 1, 2] = stop
    first[n_rows] = n
    return n


@kernel
def _root(parent: NDArray[np.int64], k: int) -> int:
    """Return the root of a tree, shortening the path on the way."""
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@kernel
def _join_runs(
    runs: NDArray[np.int32], first: NDArray[np.int64], parent: NDArray[np.int64]
) -> int:
    """Fill the region of each run; return the number of regions.

    ``parent`` must be 0, 1, 2 and so on on entry: each run is its own tree.
    """
    for row in range(1, len(first) - 1):
        above = first[row - 1]
        for k in range(first[row], first[row + 1]):
            while above < first[row] and runs[above, 2] < runs[k, 1]:
                above += 1
            other = above
            while other < first[row] and runs[other, 1] <= runs[k, 2]:
                a, b = _root(parent, other), _root(parent, k)
                parent[max(a, b)] = min(a, b)
                other += 1
    n = 0
    for k in range(len(runs)):
        root = _root(parent, k)
        if root == k:
            runs[k, 3] = n
            n += 1
        else:
            runs[k, 3] = runs[root, 3]
    return n


@kernel
def _sum_regions(
    runs: NDArray[np.int32], area: NDArray[np.int64], box: NDArray[np.int64]
) -> None:
    """Sum areas, which must be 0 on entry, and boxes over the runs."""
    for k in range(len(runs)):
        row, start, stop, region = runs[k, 0], runs[k, 1], runs[k, 2], runs[k, 3]
        if area[region] == 0:
            box[region, 0], box[region, 1] = row, row
            box[region, 2], box[region, 3] = start, stop - 1
        box[region, 1] = max(box[region, 1], row)
        box[region, 2] = min(box[region, 2], start)
        box[region, 3] = max(box[region, 3], stop - 1)
        area[region] += stop - start


@kernel
def _sum_moments(
    runs: NDArray[np.int32], box: NDArray[np.int64], sums: NDArray[np.int64]
) -> None:
    """Add the moments of the runs to ``sums``."""
    for k in range(len(runs)):
        region = runs[k, 3]
        r = runs[k, 0] - box[region, 0]
        for col in range(runs[k, 1], runs[k, 2]):
            c = col - box[region, 2]
            sums[region, 0] += r
            sums[region, 1] += c
            sums[region, 2] += r * r
            sums[region, 3] += r * c
            sums[region, 4] += c * c


@kernel
def _fill_areas(
    runs: NDArray[np.int32],
    box: NDArray[np.int64],
    area: NDArray[np.int64],
    chosen: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Flood the surroundings of each chosen region; its filled area is the dry part."""
    filled, newest = np.empty_like(area), np.empty_like(area)
    later = np.empty(len(runs), np.int64)
    for region in range(len(area)):
        filled[region], newest[region] = area[region], -1
    for k in range(len(runs)):
        later[k] = newest[runs[k, 3]]
        newest[runs[k, 3]] = k
    for region in range(len(area)):
        if not chosen[region]:
            continue
        top, bottom, left, right = box[region]
        height, width = bottom - top + 3, right - left + 3
        wet = np.zeros((height, width), np.bool_)
        k = newest[region]
        while k >= 0:
            row = runs[k, 0] - top + 1
            wet[row, runs[k, 1] - left + 1 : runs[k, 2] - left + 1] = True
            k = later[k]
        filled[region] = height * width - _flood(wet)
    return filled


@kernel
def _flood(wet: NDArray[np.bool_]) -> int:
    """Set all pixels eight-connected to the corner; return their number."""
    height, width = wet.shape
    waiting = np.empty(height * width, np.int64)
    wet[0, 0] = True
    waiting[0] = 0
    n_waiting, n = 1, 0
    while n < n_waiting:
        row, col = divmod(waiting[n], width)
        n += 1
        for r in range(max(row - 1, 0), min(row + 2, height)):
            for c in range(max(col - 1, 0), min(col + 2, width)):
                if not wet[r, c]:
                    wet[r, c] = True
                    waiting[n_waiting] = r * width + c
                    n_waiting += 1
    return n
