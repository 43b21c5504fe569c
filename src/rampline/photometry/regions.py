"""Operations on segmentation maps: planes of labels, 0 on sky, sources from 1 on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Labels
from ..numerics.jit import kernel


def drop_labels(labels: Labels, drop: NDArray[np.bool_]) -> None:
    """Drop labels and renumber the others from 1, in place.

    Parameters
    ----------
    labels : (rows, cols) int32
        Changed in place.
    drop : (sources,) bool
        Whether to drop a source, in the order of the labels 1, 2, ...
    """
    if drop.any():
        number = np.zeros(drop.size + 1, np.int32)
        number[1:][~drop] = np.arange(1, (~drop).sum() + 1)
        renumber(labels, number)


def count_pixels(labels: Labels, n_sources: int) -> NDArray[np.int64]:
    """Return the number of pixels of each source, (sources,) int64."""
    counts = np.zeros(n_sources + 1, np.int64)
    _count_pixels(labels, counts)
    return counts[1:]


def find_touching(labels: Labels, n_sources: int) -> NDArray[np.bool_]:
    """Return which sources share a border with another one, (sources,) bool."""
    touches = np.zeros(n_sources + 1, np.bool_)
    _mark_touching(labels, touches)
    return touches[1:]


def find_regions(labels: Labels, n_sources: int) -> NDArray[np.int32]:
    """Return which sources are connected by sides or corners of their pixels.

    Parameters
    ----------
    labels : (rows, cols) int32
    n_sources : int

    Returns
    -------
    (sources,) int32
        The lowest label of the connected region that a source is part of.
    """
    parent = np.arange(n_sources + 1, dtype=np.int32)
    _join_neighbours(labels, parent)
    return parent[1:]


@kernel
def renumber(labels: Labels, number: NDArray[np.int32]) -> None:
    """Replace each positive label by ``number[label]``, in place; ``number[0]`` is 0."""
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            label = labels[i, j]
            if label > 0:
                labels[i, j] = number[label]


@kernel
def clear_pixels(labels: Labels, valid: NDArray[np.bool_]) -> None:
    """Set the labels of pixels without data to 0, in place."""
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            if not valid[i, j]:
                labels[i, j] = 0


@kernel
def _count_pixels(labels: Labels, counts: NDArray[np.int64]) -> None:
    """Add each pixel to the count of its label."""
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            label = labels[i, j]
            if label > 0:
                counts[label] += 1


@kernel
def _mark_touching(labels: Labels, touches: NDArray[np.bool_]) -> None:
    """Mark both labels of every horizontally or vertically adjacent pair that differs."""
    n_rows, n_cols = labels.shape
    for i in range(n_rows):
        for j in range(n_cols):
            one = labels[i, j]
            if one == 0:
                continue
            right = labels[i, j + 1] if j + 1 < n_cols else 0
            below = labels[i + 1, j] if i + 1 < n_rows else 0
            if right > 0 and right != one:
                touches[one] = touches[right] = True
            if below > 0 and below != one:
                touches[one] = touches[below] = True


@kernel
def _join_neighbours(labels: Labels, parent: NDArray[np.int32]) -> None:
    """Join labels of adjacent pixels: ``parent`` becomes the lowest label of each region."""
    n_rows, n_cols = labels.shape
    for i in range(n_rows):
        for j in range(n_cols):
            one = labels[i, j]
            if one == 0:
                continue
            for m, n in ((i, j + 1), (i + 1, j - 1), (i + 1, j), (i + 1, j + 1)):
                if m < n_rows and 0 <= n < n_cols:
                    other = labels[m, n]
                    if other > 0 and other != one:
                        join_roots(parent, one, other)
    for k in range(parent.size):
        parent[k] = parent[parent[k]]


@kernel
def join_roots(parent: NDArray[Any], one: int, other: int) -> None:
    """Attach the higher of the roots of two labels to the lower one."""
    while parent[one] != one:
        one = parent[one]
    while parent[other] != other:
        other = parent[other]
    parent[max(one, other)] = min(one, other)
