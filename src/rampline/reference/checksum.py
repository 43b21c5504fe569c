"""The sha1 of reference files, computed once per file.

A dark cube of 1.5 GB takes seconds to hash, so the result is kept, in the process and in
the local cache, for as long as path, size and time of change stay the same.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

from ..errors import MissingReferenceError
from .cache import cache_dir, log

Stamp: TypeAlias = tuple[str, int, int]
_known: dict[Stamp, str] = {}


def no_record(_name: str) -> str | None:
    """Return None: the sha1 of this file is not on record."""
    return None


def verified_sha1(path: Path, record: Callable[[str], str | None] = no_record) -> str:
    """Return the sha1 of a file, compared with its record where there is one.

    Parameters
    ----------
    path : Path
    record : callable
        From a file name to the sha1 that CRDS has on record, or None. Asked only when
        the file is hashed, that is, once for each state of the file.

    Raises
    ------
    MissingReferenceError
        If the file cannot be read or is not what the record says.
    """
    try:
        stamp = _stamp(path)
        known = _known.get(stamp) or _remembered(stamp)
        if known is None:
            with path.open("rb") as file:
                known = hashlib.file_digest(file, "sha1").hexdigest()
            expected = record(path.name)
            if expected is not None and expected != known:
                raise MissingReferenceError(
                    f"{path}: reference file is damaged: its sha1 is {known}, "
                    f"CRDS has {expected} on record; delete it to fetch it again"
                )
            _remember(stamp, known)
    except OSError as error:
        raise MissingReferenceError(
            f"{path}: reference file cannot be read: {error.strerror or error}"
        ) from error
    _known[stamp] = known
    return known


def _stamp(path: Path) -> Stamp:
    """Return what changes when the file changes."""
    status = path.stat()
    return str(path.resolve()), status.st_size, status.st_mtime_ns


def _note(stamp: Stamp) -> Path:
    """Return where the sha1 of this path is kept."""
    name = hashlib.sha1(stamp[0].encode(), usedforsecurity=False).hexdigest()
    return cache_dir() / "sha1" / f"{name}.json"


def _remembered(stamp: Stamp) -> str | None:
    """Return the sha1 from the local cache if the file is still the same."""
    try:
        path, size, time, sha1 = json.loads(_note(stamp).read_text("utf-8"))
    except (OSError, ValueError):
        # no note, or one that another version wrote: hash again
        return None
    return str(sha1) if (path, size, time) == stamp else None


def _remember(stamp: Stamp, sha1: str) -> None:
    """Keep the sha1 in the local cache; without a writable cache, in the process only."""
    note = _note(stamp)
    beside = note.with_suffix(f".{os.getpid()}-{uuid4().hex}")
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps([*stamp, sha1]), "utf-8")
        beside.replace(note)
    except OSError as error:
        log.info("sha1 of %s not kept: %s", stamp[0], error)
