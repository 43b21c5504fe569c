"""Planes that are too large for memory, kept in files that have no name.

A plane is mapped: what is written goes to disk when the system needs room, or when it is
told that the pages are not needed for now. The files vanish with the last map of them,
however the process ends.
"""

import errno
import mmap
import os
from pathlib import Path
from shutil import disk_usage
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
        self._free_bytes = disk_usage(folder).free

    def make(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return a plane of zeros.

        Raises
        ------
        OSError
            Where there is no room.
        """
        n_bytes = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        self._free_bytes -= n_bytes
        if self._free_bytes < 0:
            # a page that finds no room once it is mapped would end the process
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))
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
