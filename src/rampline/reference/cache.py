"""Reduced reference planes, kept between processes.

Averaging a dark cube to a readout pattern or turning big-endian planes with their flags
into house form costs a second or more for a detector, and is the same for all its
exposures. The result is kept as plain ``.npy`` files that every process maps into
memory, so that a second process has them at once and all share the same pages.

An entry is a folder named by a hash of what went into it. It is written beside its
place and renamed, so a reader sees it whole or not at all; the entries that were not
used for longest go when the cache grows beyond its limit. Writing takes as long as the
disk likes, so it has a thread of its own, which only reads what it writes.
"""

import hashlib
import logging
import os
import shutil
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Final, TypeAlias
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Arrays: TypeAlias = dict[str, NDArray[Any]]

DEFAULT_LIMIT_GB: Final = 12.0
"""A detector and readout pattern take 0.25 to 0.5 GB."""
KEPT_IN_PROCESS: Final = 4
"""Detector planes, dark, flat and areas of the current detector and filter."""

UNFINISHED: Final = "part-"
"""Names of folders that are being written or removed begin like this."""
STALE_S: Final = 3600.0
"""Age at which an unfinished entry is taken to be that of a killed process."""

_recent: OrderedDict[str, Arrays] = OrderedDict()
_writers: list[Thread] = []
_lock = Lock()


def cache_dir() -> Path:
    """Return the cache folder: ``RAMPLINE_CACHE``, else the platform's own place."""
    chosen = os.environ.get("RAMPLINE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "rampline"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "rampline"


def limit_bytes() -> int:
    """Return the size limit: ``RAMPLINE_CACHE_GB`` (0: keep nothing on disk), bytes."""
    return int(float(os.environ.get("RAMPLINE_CACHE_GB", DEFAULT_LIMIT_GB)) * 1e9)


def entry_name(*ingredients: object) -> str:
    """Return the name of the entry made of ``ingredients`` (their ``repr`` counts)."""
    text = "\n".join(map(repr, ingredients))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def recall(
    name: str, build: Callable[[], Mapping[str, NDArray[Any]]], *, on_disk: bool = True
) -> Arrays:
    """Return the arrays of an entry: from memory, from disk, or newly built.

    Parameters
    ----------
    name : str
        From `entry_name`.
    build : callable
        Makes the arrays, by name, where nobody has them.
    on_disk : bool
        Whether other processes shall find them.

    Returns
    -------
    dict of str to ndarray
        C-contiguous, native byte order. Shared: not to be written into (a write would
        stay in this process, the mapping is copy-on-write).
    """
    with _lock:
        if name in _recent:
            _recent.move_to_end(name)
            return _recent[name]
    arrays = _load(name) if on_disk else None
    if arrays is None:
        arrays = dict(build())
        if on_disk and sum(array.nbytes for array in arrays.values()) <= limit_bytes():
            _store_aside(name, arrays)
    with _lock:
        _recent[name] = arrays
        while len(_recent) > KEPT_IN_PROCESS:
            _recent.popitem(last=False)
    return arrays


def forget() -> None:
    """Forget the entries held by this process; the files stay."""
    with _lock:
        _recent.clear()


def settle() -> None:
    """Wait until all entries are on disk; a process that ends waits by itself."""
    with _lock:
        writers = list(_writers)
        _writers.clear()
    for writer in writers:
        writer.join()


def _folder() -> Path:
    return cache_dir() / "planes"


def _load(name: str) -> Arrays | None:
    """Map an entry into memory; None where there is none."""
    place = _folder() / name
    try:
        files = sorted(place.glob("*.npy"))
        arrays = {file.stem: _mapped(file) for file in files}
        if os.access(place, os.W_OK):
            os.utime(place)
    except (OSError, ValueError):
        # evicted by another process in the meantime, or damaged: build again
        return None
    return arrays or None


def _mapped(file: Path) -> NDArray[Any]:
    """Map one file, copy-on-write: kernels compiled for writable arrays take it."""
    return np.asarray(np.load(file, mmap_mode="c", allow_pickle=False))


def _store_aside(name: str, arrays: Arrays) -> None:
    """Write an entry in the background while its arrays are already in use."""
    writer = Thread(target=_store, args=(name, arrays), name="reference planes")
    with _lock:
        _writers[:] = [other for other in _writers if other.is_alive()]
        _writers.append(writer)
    writer.start()


def _store(name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an entry; if that fails, the next process builds it again."""
    place = _folder() / name
    beside = _folder() / f"{UNFINISHED}{os.getpid()}-{uuid4().hex}"
    try:
        beside.mkdir(parents=True)
        for key, array in arrays.items():
            np.save(beside / f"{key}.npy", array, allow_pickle=False)
        if place.exists():
            # an entry that could not be loaded, or another process was faster
            _remove(place)
        beside.rename(place)
        _evict(limit_bytes(), keep=place)
    except OSError as error:
        log.info("reference planes not kept in %s: %s", _folder(), error)
        shutil.rmtree(beside, ignore_errors=True)


def _evict(limit: int, keep: Path) -> None:
    """Remove the entries not used for longest until the rest fits in ``limit``."""
    sizes: list[tuple[float, int, Path]] = []
    for place in _folder().iterdir():
        try:
            age = place.stat().st_mtime
            size = sum(file.stat().st_size for file in place.iterdir())
        except OSError as error:
            log.debug("%s went while it was measured: %s", place, error)
            continue
        if not place.name.startswith(UNFINISHED):
            sizes.append((age, size, place))
        elif time.time() - age > STALE_S:
            shutil.rmtree(place, ignore_errors=True)
    total = sum(size for _, size, _ in sizes)
    for _, size, place in sorted(sizes):
        if total <= limit:
            return
        if place != keep:
            _remove(place)
            total -= size


def _remove(place: Path) -> None:
    """Remove an entry in one step; processes that mapped it keep their pages."""
    aside = place.with_name(f"{UNFINISHED}{os.getpid()}-{uuid4().hex}")
    try:
        place.rename(aside)
    except OSError as error:
        log.debug("%s was removed by another process: %s", place, error)
        return
    shutil.rmtree(aside, ignore_errors=True)
