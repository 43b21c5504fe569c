"""Planes that are too large for memory, kept in files that have no name.

A plane is mapped: what is written goes to disk when the system needs room, or when it is
told that the pages are not needed for now. The files vanish with the last map of them,
however the process ends.
"""

import mmap
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class ScratchPlanes:
    """Makes planes in files of a folder.

    Parameters
    ----------
    folder : Path
        On a disk with room for all of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._maps: list[mmap.mmap] = []

    def make(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return a plane of zeros.

        Raises
        ------
        OSError
            Where there is no room.
        """
        n_bytes = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        with TemporaryFile(dir=self._folder) as file:
            file.truncate(n_bytes)
            mapped = mmap.mmap(file.fileno(), n_bytes)
        self._maps.append(mapped)
        return np.frombuffer(mapped, dtype, int(np.prod(shape))).reshape(shape)

    def release(self) -> None:
        """Release the pages in memory; their content stays on disk."""
        if hasattr(mmap, "MADV_DONTNEED"):
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)
