"""Holes that saturated cores leave in a mosaic.

Where a star saturates in the first group of every exposure, the mosaic has no data. The
hole is part of the star: without it the rim would be split into several sources.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Labels, Plane
from ..numerics.jit import kernel
from .diffraction import Cores
from .regions import join_roots

Indices = NDArray[np.int64]


class Hole(NamedTuple):
    """The pixels of a hole, row by row."""

    rows: Indices
    cols: Indices


def find_holes(valid: NDArray[np.bool_], widest: float) -> tuple[Hole, ...]:
    """Find the holes among the data.

    Parameters
    ----------
    valid : (rows, cols) bool
        Pixels with data.
    widest : float, pixels
        Wider gaps, and those at the edge of the image, are not holes.

    Returns
    -------
    tuple of Hole
        In the order of their first pixels.
    """
    n_runs = _count_runs(valid)
    runs = np.empty((n_runs, 3), np.int64)
    parent = np.arange(n_runs)
    _find_runs(valid, runs, parent)
    holes = []
    members = np.argsort(parent, kind="stable")
    bounds = np.flatnonzero(np.diff(parent[members], prepend=-1, append=n_runs))
    for first, last in pairwise(bounds):
        rows, starts, ends = runs[members[first:last]].T
        sides = (rows.min(), rows.max() + 1), (starts.min(), ends.max())
        narrow = max(high - low for low, high in sides) <= widest
        inner = all(
            low > 0 and high < size
            for (low, high), size in zip(sides, valid.shape, strict=True)
        )
        if narrow and inner:
            cols = [np.arange(*ends) for ends in zip(starts, ends, strict=True)]
            holes.append(Hole(rows.repeat(ends - starts), np.concatenate(cols)))
    return tuple(holes)


def fill_holes(holes: tuple[Hole, ...], planes: tuple[Plane, ...]) -> None:
    """Fill each hole with the highest value on its rim, in place.

    Parameters
    ----------
    holes : tuple of Hole
    planes : tuple of (rows, cols) float32
        Changed within the holes only.
    """
    for hole in holes:
        row, col = hole.rows.min() - 1, hole.cols.min() - 1
        box = np.zeros((hole.rows.max() - row + 2, hole.cols.max() - col + 2), np.bool_)
        inside = box.copy()
        inside[hole.rows - row, hole.cols - col] = True
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                box[hole.rows - row + i, hole.cols - col + j] = True
        rim = np.argwhere(box & ~inside) + np.array([row, col])
        for plane in planes:
            plane[hole] = plane[tuple(rim.T)].max()


def locate_cores(
    labels: Labels, peaks: tuple[Indices, Indices], holes: tuple[Hole, ...]
) -> Cores:
    """Locate the centre of each source: its peak, or the centre of its largest hole.

    Parameters
    ----------
    labels : (rows, cols) int32
        Sources 1, 2, ..., including their holes.
    peaks : ((sources,) int64, (sources,) int64), pixels
        Row and column.
    holes : tuple of Hole
    """
    rows, cols = (place.astype(np.float64) for place in peaks)
    radius = np.zeros(rows.size)
    for hole in holes:
        owner = int(labels[hole.rows[0], hole.cols[0]]) - 1
        own_radius = float(np.sqrt(hole.rows.size / np.pi))
        if owner >= 0 and own_radius > radius[owner]:
            rows[owner], cols[owner] = hole.rows.mean(), hole.cols.mean()
            radius[owner] = own_radius
    return Cores(rows, cols, radius)


@kernel
def _count_runs(valid: NDArray[np.bool_]) -> int:
    """Return the number of runs of pixels without data in all rows."""
    count = 0
    for i in range(valid.shape[0]):
        before = True
        for j in range(valid.shape[1]):
            count += before and not valid[i, j]
            before = valid[i, j]
    return count


@kernel
def _find_runs(valid: NDArray[np.bool_], runs: Indices, parent: Indices) -> None:
    """Fill row, first and last + 1 column of each run, and the first run of its hole.

    Runs of neighbouring rows that touch by sides or corners belong to one hole.
    """
    n_cols = valid.shape[1]
    count, above = 0, 0
    for i in range(valid.shape[0]):
        begun = count
        j = 0
        while j < n_cols:
            if valid[i, j]:
                j += 1
                continue
            start = j
            while j < n_cols and not valid[i, j]:
                j += 1
            runs[count, 0], runs[count, 1], runs[count, 2] = i, start, j
            while above < begun and runs[above, 2] < start:
                above += 1
            k = above
            while k < begun and runs[k, 1] <= j:
                join_roots(parent, k, count)
                k += 1
            count += 1
        above = begun
    for k in range(count):
        parent[k] = parent[parent[k]]
