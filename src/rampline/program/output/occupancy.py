"""One run at a time in an output folder, and whether one is at work there.

The lock is the operating system's, so it ends with the process that holds it, however that
ends.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import RamplineError

FILE_NAME = ".lock"


@contextmanager
def occupy(out: Path) -> Iterator[None]:
    """Lock an output folder, which must exist, for one run; clean up before and after it.

    Raises
    ------
    RamplineError
        Where another run is at work in it.
    """
    with (out / FILE_NAME).open("w") as file:
        if not _lock(file.fileno(), fcntl.LOCK_EX):
            message = f"{out}: another run is at work here; wait, or give another --out"
            raise RamplineError(message)
        _sweep(out)
        try:
            yield
        finally:
            # tasks that were stopped leave theirs, and a full disk wants the room
            _sweep(out)


def is_occupied(out: Path) -> bool:
    """Return whether a run is at work in an output folder."""
    try:
        with (out / FILE_NAME).open("r") as file:
            return not _lock(file.fileno(), fcntl.LOCK_SH)
    except OSError:
        # no run has been here, or the folder is not readable
        return False


def _sweep(out: Path) -> None:
    """Delete files that are half written."""
    for half in out.rglob(".*.part"):
        half.unlink(missing_ok=True)


def _lock(descriptor: int, kind: int) -> bool:
    """Return whether we got the lock; always true on file systems without locks."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # some network file systems have no locks: then concurrent runs are not prevented
        return True
    return True
