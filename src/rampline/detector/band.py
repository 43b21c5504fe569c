"""Input of the jump search and the slope fit: a band of ramps and the pixels' noise.

A band is any number of complete rows with all their groups. The kernels work on a few rows
at a time, copied to contiguous arrays, so that their results depend neither on the memory
layout of the band nor on its height.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import kernel

Scalar = TypeVar("Scalar", bound=np.generic)

_BLOCK_SAMPLES = 1 << 21
"""Samples processed at a time: 8 MB of float32, which fit in the last-level cache."""
_NEAR = 512
"""Pixels processed at a time."""


class RampBand(NamedTuple):
    """Ramps of some rows of one exposure."""

    counts: NDArray[np.float32]
    """(ints, groups, rows, cols), DN: linear counts."""
    group_flags: NDArray[np.uint8]
    """(ints, groups, rows, cols): JWST's group bits."""
    pixel_flags: NDArray[np.uint32]
    """(rows, cols)"""
    zero_frame: NDArray[np.float32] | None = None
    """(ints, rows, cols), DN: the first read; NaN where it is unusable."""


class PixelNoise(NamedTuple):
    """The parameters of each pixel's noise."""

    gain: NDArray[np.float32]
    """(rows, cols), e-/DN; NaN or not positive where unknown."""
    read_noise_dn: NDArray[np.float32]
    """(rows, cols), DN: noise of a single read."""
    dark_dn_s: NDArray[np.float32] | None = None
    """(rows, cols), DN/s: dark current that adds shot noise; None for no dark current."""


def row_blocks(shape: tuple[int, int, int, int]) -> Iterator[slice]:
    """Yield slices of rows with a few megabytes of counts each."""
    n_ints, n_groups, n_rows, n_cols = shape
    height = max(1, _BLOCK_SAMPLES // (n_ints * n_groups * n_cols))
    for first in range(0, n_rows, height):
        yield slice(first, min(first + height, n_rows))


def flat_block(cube: NDArray[Scalar], rows: slice) -> NDArray[Scalar]:
    """Copy rows of a (..., rows, cols) array to a contiguous (..., pixels) array."""
    block = cube[..., rows, :]
    flat = np.empty(block.shape, cube.dtype)
    flat[:] = block
    return flat.reshape(*cube.shape[:-2], -1)


def in_memory(cube: NDArray[Scalar]) -> tuple[NDArray[Scalar], int]:
    """Return the groups of a band as a flat array, and the distance between groups.

    Parameters
    ----------
    cube : (groups, rows, cols)
        A view of complete rows is used as it is; a view with gaps in a group is copied.

    Returns
    -------
    flat : (n,)
        From the first sample to the last, including rows of other bands in between.
    plane : int
        Number of samples from one group to the next.
    """
    n_groups, n_rows, n_cols = cube.shape
    size = cube.itemsize
    if cube.strides[1:] != (n_cols * size, size) or cube.strides[0] % size:
        cube = np.ascontiguousarray(cube)
    plane = cube.strides[0] // size
    n = (n_groups - 1) * plane + n_rows * n_cols
    return np.lib.stride_tricks.as_strided(cube, (n,), (size,)), plane


def pick_pixels(cube: NDArray[Scalar], pixels: NDArray[np.int32]) -> NDArray[Scalar]:
    """Copy selected pixels of a (groups, rows, cols) band: (groups, n)."""
    flat, plane = in_memory(cube)
    picked = np.empty((len(cube), pixels.size), cube.dtype)
    _pick_pixels(flat, plane, pixels, picked)
    return picked


@kernel
def _pick_pixels(
    flat: NDArray[Scalar],
    plane: int,
    pixels: NDArray[np.int32],
    picked: NDArray[Scalar],
) -> None:
    """Copy selected pixels of each plane, a few hundred nearby ones at a time."""
    for start in range(0, pixels.size, _NEAR):
        stop = min(start + _NEAR, pixels.size)
        for group in range(len(picked)):
            own, ramp = flat[group * plane :], picked[group]
            for c in range(start, stop):
                ramp[c] = own[np.uint32(pixels[c])]


class Hits(NamedTuple):
    """Flagged differences of one block of pixels."""

    where: NDArray[np.int32]
    """(3, n): integration, later group, pixel of the block."""
    size: NDArray[np.float32]
    """(2, n): step over its noise; step in DN."""
