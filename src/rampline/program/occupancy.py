"""One run at a time in an output folder, and whether one is at work there.

The lock is the kernel's: it goes with the process that holds it, however that ends.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import RamplineError

FILE_NAME = ".lock"


@contextmanager
def occupy(out: Path) -> Iterator[None]:
    """Hold an output folder, which must exist, for one run; clear up after killed ones.

    Parameters
    ----------
    out : Path

    Raises
    ------
    RamplineError
        Where another run is at work in it.
    """
    with (out / FILE_NAME).open("w") as file:
        if not _lock(file.fileno(), fcntl.LOCK_EX):
            message = f"{out}: another run is at work here; wait, or give another --out"
            raise RamplineError(message)
        for half in out.rglob(".*.part"):
            half.unlink(missing_ok=True)
        yield


def is_occupied(out: Path) -> bool:
    """Return whether a run is at work in an output folder."""
    try:
        with (out / FILE_NAME).open("r") as file:
            return not _lock(file.fileno(), fcntl.LOCK_SH)
    except OSError:
        # no run has been here, or a folder that one may not look into
        return False


def _lock(descriptor: int, kind: int) -> bool:
    """Return whether the lock is ours; where the file system has none, it is."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # some network file systems know no locks: then nobody is kept out
        return True
    return True
