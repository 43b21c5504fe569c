"""An image averaged over square blocks of pixels, for detecting wide sources."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Labels, Plane
from ..numerics.jit import kernel


class Blocks(NamedTuple):
    """Labels of blocks.

    Attributes
    ----------
    labels : (block_rows, block_cols) int32
    side : int, pixels
        Side of a block; the last blocks may extend beyond the image.
    """

    labels: Labels
    side: int


def average_blocks(
    image: tuple[Plane, Plane, NDArray[np.bool_]], side: int
) -> tuple[Plane, Plane, NDArray[np.bool_]]:
    """Return the weighted mean of each block, its error, and whether it has data.

    Parameters
    ----------
    image : tuple of (rows, cols) arrays
        Signal, its error, and whether a pixel has data.
    side : int, pixels

    Returns
    -------
    mean, error : (block_rows, block_cols) float32
        0 and 1 in blocks without data.
    has_data : (block_rows, block_cols) bool
    """
    n_rows, n_cols = (-(-n // side) for n in image[0].shape)
    mean, error = np.empty((2, n_rows, n_cols), np.float32)
    has_data = np.empty((n_rows, n_cols), np.bool_)
    _average_blocks(image, side, (mean, error), has_data)
    return mean, error, has_data


def find_occupied(blocks: Blocks, labels: Labels, n_sources: int) -> NDArray[np.bool_]:
    """Return which sources found in blocks cover a labelled pixel, (sources,) bool."""
    is_occupied = np.zeros(n_sources + 1, np.bool_)
    _mark_occupied(blocks.labels, labels, blocks.side, is_occupied)
    return is_occupied[1:]


def add_blocks(
    labels: Labels, valid: NDArray[np.bool_], blocks: Blocks, n_sources: int
) -> None:
    """Add the sources found in blocks to a map of ``n_sources`` sources, in place.

    Only pixels with data are labelled.
    """
    if blocks.labels.any():
        _add_blocks(labels, valid, blocks.labels, blocks.side, n_sources)


@kernel
def _average_blocks(
    image: tuple[Plane, Plane, NDArray[np.bool_]],
    side: int,
    out: tuple[Plane, Plane],
    has_data: NDArray[np.bool_],
) -> None:
    """Fill the mean, its error and whether there are data, block by block."""
    signal, err, valid = image
    mean, error = out
    n_rows, n_cols = signal.shape
    for i in range(mean.shape[0]):
        for j in range(mean.shape[1]):
            weight, total = 0.0, 0.0
            for row in range(i * side, min((i + 1) * side, n_rows)):
                for col in range(j * side, min((j + 1) * side, n_cols)):
                    if valid[row, col]:
                        inverse = 1.0 / (float(err[row, col]) * float(err[row, col]))
                        weight += inverse
                        total += signal[row, col] * inverse
            known = weight > 0.0
            has_data[i, j] = known
            mean[i, j] = total / weight if known else 0.0
            error[i, j] = 1.0 / np.sqrt(weight) if known else 1.0


@kernel
def _mark_occupied(
    blocks: Labels, labels: Labels, side: int, is_occupied: NDArray[np.bool_]
) -> None:
    """Mark the block labels that cover a labelled pixel; entry 0 has no meaning."""
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            if labels[i, j] > 0:
                is_occupied[blocks[i // side, j // side]] = True


@kernel
def _add_blocks(
    labels: Labels, valid: NDArray[np.bool_], blocks: Labels, side: int, start: int
) -> None:
    """Label the valid pixels of labelled blocks with ``start`` plus the block's label."""
    for i in range(blocks.shape[0]):
        for j in range(blocks.shape[1]):
            if blocks[i, j] == 0:
                continue
            for row in range(i * side, min((i + 1) * side, labels.shape[0])):
                for col in range(j * side, min((j + 1) * side, labels.shape[1])):
                    if valid[row, col]:
                        labels[row, col] = start + blocks[i, j]
