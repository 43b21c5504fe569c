"""Of several processes that need the same kernels one compiles them, the others wait.

The process that first finds a kernel missing in the cache has the turn until its task
ends; then the others find all but the one that they miss already. Without an engine's task
around it a process compiles at once: nobody could tell when its turn is over. The lock is
the operating system's, so it ends with the process that holds it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

_NAME: Final = "rampline_compiles.lock"
_NONE: Final = -1


class CompileTurn:
    """Whether this process has the turn."""

    def __init__(self) -> None:
        self._n_tasks, self._held, self._own = 0, _NONE, Lock()

    @contextmanager
    def task(self) -> Iterator[None]:
        """Run a task that may compile; at its end the turn is given back."""
        with self._own:
            self._n_tasks += 1
        try:
            yield
        finally:
            with self._own:
                self._n_tasks -= 1
                if self._held != _NONE:
                    os.close(self._held)
                    self._held = _NONE

    def take(self, folder: str) -> bool:
        """Return whether to compile without having waited for another process.

        Parameters
        ----------
        folder : str
            Which exists, the same for all processes that share a cache.
        """
        with self._own:
            if self._n_tasks == 0 or self._held != _NONE:
                return True
            try:
                file = os.open(f"{folder}/{_NAME}", os.O_RDWR | os.O_CREAT, 0o666)
            except OSError:
                # nothing is kept there, so there is nobody to wait for
                return True
            if _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
                self._held = file
                return True
        try:
            # shared: all that wait go on together
            _lock(file, fcntl.LOCK_SH)
        finally:
            os.close(file)
        return False


def _lock(file: int, kind: int) -> bool:
    """Return whether we got the lock; always true on file systems without locks."""
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


turn = CompileTurn()
"""That of this process."""
