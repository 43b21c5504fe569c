"""Large buffers that are lent again once nobody refers to them any more.

The first touch of fresh memory costs more than the arithmetic on it (0.75 s for 300 MB
were measured), so the arrays of one exposure serve the next. A lent array is a view of
a block that only the workspace owns: as long as any view of it lives, in a frozen
result or in a slice of one, the block stays taken. Free blocks are given up as soon as
an array fits none of them, so the workspace holds no more than one kind of exposure needs.
"""

import ctypes
import math
import sys
from threading import Lock
from typing import Final, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Options of glibc's ``mallopt``."""
KEPT_BYTES: Final = 1 << 28
"""Free memory at the end of the heap that is not given back to the system."""
_HEAPED_BYTES: Final = 1 << 25
"""Size from which an array has pages of its own; the largest that glibc allows."""


class Workspace:
    """Blocks of memory of one process."""

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.uint8]] = []
        self._lock = Lock()

    def lend(self, shape: tuple[int, ...], dtype: type[Scalar]) -> NDArray[Scalar]:
        """Return an array of arbitrary content that shares memory with no other in use.

        Parameters
        ----------
        shape : tuple of int
        dtype : NumPy scalar type

        Returns
        -------
        array of ``shape`` and ``dtype``, C-contiguous
        """
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        with self._lock:
            block = self._free_block(n_bytes)
            return _shaped(block, n_bytes, shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: type[Scalar]) -> NDArray[Scalar]:
        """Return an array of zeros that shares memory with no other in use."""
        array = self.lend(shape, dtype)
        array.fill(0)
        return array

    def release(self) -> None:
        """Give back the memory that nobody refers to."""
        with self._lock:
            self._forget_free()

    def _free_block(self, n_bytes: int) -> NDArray[np.uint8]:
        """Return the smallest free block that is neither too small nor far too large."""
        best = -1
        for k in range(len(self._blocks)):
            size = self._blocks[k].size
            fits = n_bytes <= size <= 2 * n_bytes
            better = best < 0 or size < self._blocks[best].size
            if fits and better and _is_lonely(self._blocks, k):
                best = k
        if best < 0:
            # what is free now served other shapes: it would only be in the way
            self._forget_free()
            self._blocks.append(np.empty(n_bytes, np.uint8))
        return self._blocks[best]

    def _forget_free(self) -> None:
        """Drop the blocks that nobody refers to."""
        kept = [k for k in range(len(self._blocks)) if not _is_lonely(self._blocks, k)]
        self._blocks = [self._blocks[k] for k in kept]


def keep_freed_memory() -> None:
    """Let this process keep what small arrays free for those that come next.

    glibc gives the end of its heap back as soon as 64 MB of it are free. What the next
    exposure then touches anew is a sixth of all its CPU time. Other C libraries have no such
    setting, and are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _HEAPED_BYTES)


def _shaped(
    block: NDArray[np.uint8],
    n_bytes: int,
    shape: tuple[int, ...],
    dtype: DTypeLike,
) -> NDArray[Scalar]:
    """Return the head of ``block`` as an array; its ``base`` is the block itself."""
    return block[:n_bytes].view(dtype).reshape(shape)


def _is_lonely(blocks: list[NDArray[np.uint8]], k: int) -> bool:
    """Return whether nothing but the list refers to ``blocks[k]``."""
    return sys.getrefcount(blocks[k]) <= _LONELY


def _count_of_a_lonely_block() -> int:
    """Return the reference count of a block that only a list holds, as read here."""
    blocks = [np.empty(1, np.uint8)]
    return sys.getrefcount(blocks[0])


_LONELY = _count_of_a_lonely_block()
