"""Divide overlapping sources at the valleys between their peaks.

The pixels of a region are flooded from the highest down. Each new peak starts a source. The
pixel where two sources meet is their saddle, and the lower source is kept only if its peak
rises above the saddle by more than the noise and by more than a fraction of the saddle's
height. Otherwise it is merged into the higher one (topological persistence, Edelsbrunner,
Letscher & Zomorodian 2002).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Labels, Plane
from ..numerics.jit import kernel
from .regions import renumber


class Peaks(NamedTuple):
    """Sources as peaks of an image, in the order of their labels 1, 2, ...

    Attributes
    ----------
    labels : (rows, cols) int32
    row, col : (sources,) int64, pixels
    height : (sources,) float32
    """

    labels: Labels
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    height: NDArray[np.float32]


def flood_peaks(
    image: Plane,
    inside: NDArray[np.bool_],
    least: float,
    rise: float,
    contrast: float,
) -> Peaks:
    """Divide regions into one source per significant peak.

    Parameters
    ----------
    image : (rows, cols) float32
    inside : (rows, cols) bool
        Pixels to be divided.
    least : float
        Minimum height of a peak; regions without such a peak are not labelled.
    rise : float
        Minimum rise of a peak above its saddle; if infinite, regions are not divided.
    contrast : float
        Minimum rise in units of the saddle's height.

    Returns
    -------
    Peaks
        Numbered by the position of the peak, row by row.
    """
    n_cols = image.shape[1]
    flat = np.flatnonzero(inside)
    height = image.ravel()[flat]
    order = flat[_from_the_highest(height)]
    owner = np.zeros(image.shape, np.int32)
    parent = np.zeros(flat.size + 1, np.int32)
    place = np.zeros(flat.size + 1, np.int64)
    count = _flood(image, order, (least, rise, contrast), owner, parent, place)
    roots = np.flatnonzero(parent[: count + 1] == np.arange(count + 1))[1:]
    roots = roots[image.ravel()[place[roots]] >= least]
    roots = roots[np.argsort(place[roots], kind="stable")]
    number = np.zeros(count + 1, np.int32)
    number[roots] = np.arange(1, roots.size + 1)
    renumber(owner, number[_resolve(parent[: count + 1])])
    where = place[roots]
    return Peaks(owner, where // n_cols, where % n_cols, image.ravel()[where])


def _from_the_highest(height: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the order of descending heights; ties keep their order.

    Sorting integers that hold the bits of height and index is several times faster than a
    stable sort of the heights.
    """
    # adding 0 turns -0 into 0
    bits = (height + np.float32(0)).view(np.uint32)
    falling = np.where(bits >> 31, bits, ~bits & np.uint32(0x7FFFFFFF)).astype(
        np.uint64
    )
    keys = np.sort(falling << np.uint64(32) | np.arange(height.size, dtype=np.uint64))
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _resolve(parent: NDArray[np.int32]) -> NDArray[np.int32]:
    """Follow every chain to its root."""
    while True:
        next_ = parent[parent]
        if np.array_equal(next_, parent):
            return parent
        parent = next_


@kernel
def _flood(
    image: Plane,
    order: NDArray[np.int64],
    limits: tuple[float, float, float],
    owner: Labels,
    parent: NDArray[np.int32],
    place: NDArray[np.int64],
) -> int:
    """Assign each pixel, from the highest down, to the source of its highest neighbour.

    ``parent[k]`` is the source into which k was merged, or k itself; ``place[k]`` is the
    flat index of its peak. Returns the number of peaks.
    """
    n_rows, n_cols = image.shape
    roots = np.empty(8, np.int32)
    count = 0
    for k in range(order.size):
        row = order[k] // n_cols
        col = order[k] - row * n_cols
        here = image[row, col]
        n, steepest, top, best = 0, 0, 0, -np.inf
        for i in range(max(row - 1, 0), min(row + 2, n_rows)):
            for j in range(max(col - 1, 0), min(col + 2, n_cols)):
                if owner[i, j] > 0:
                    root = _root(parent, owner[i, j])
                    roots[n] = root
                    n += 1
                    if image[i, j] > best:
                        best, steepest = image[i, j], root
                    # peaks are numbered from the highest down
                    if top == 0 or root < top:
                        top = root
        if n == 0:
            count += 1
            parent[count], place[count] = count, order[k]
            owner[row, col] = count
            continue
        owner[row, col] = steepest
        _merge(roots[:n], (top, here), image, limits, (parent, place))
    return count


@kernel
def _merge(
    roots: NDArray[np.int32],
    meeting: tuple[int, float],
    image: Plane,
    limits: tuple[float, float, float],
    sources: tuple[NDArray[np.int32], NDArray[np.int64]],
) -> None:
    """Merge sources that meet into the highest, except those that rise enough.

    ``meeting`` is the highest source and the brightness at the saddle; ``sources`` are
    ``parent`` and ``place``.
    """
    (top, here), (least, rise, contrast), (parent, place) = meeting, limits, sources
    n_cols = image.shape[1]
    for root in roots:
        if root == top:
            # the most frequent case: a pixel within one source
            continue
        height = image[place[root] // n_cols, place[root] % n_cols]
        if height < least or height - here < max(rise, contrast * here):
            parent[root] = top


@kernel
def _root(parent: NDArray[np.int32], k: int) -> int:
    """Return the root of ``k``, halving the chain on the way."""
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k
