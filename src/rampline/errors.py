"""The errors a user can cause: each is one line that says which file, what, and what to do."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Final

STOPPED: Final = 130
"""Exit status after Ctrl-C, as shells have it."""


class RamplineError(Exception):
    """A condition with a one-line message for the user; no traceback is shown."""


class InputError(RamplineError):
    """A file that cannot be reduced.

    Parameters
    ----------
    path : str
        The file.
    what : str
        What is wrong with it.
    remedy : str
        What the user can do, or an empty string.
    """

    def __init__(self, path: str, what: str, remedy: str = "") -> None:
        self.path, self.what, self.remedy = path, what, remedy
        super().__init__(f"{path}: {what}" + (f"; {remedy}" if remedy else ""))

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str, str]]:
        """Cross process borders whole: the default would pass only the message."""
        return type(self), (self.path, self.what, self.remedy)


class ForeignError(InputError):
    """A sound file of something else: another instrument, a spectrum, a calibration."""


class MissingReferenceError(RamplineError):
    """A calibration reference file that is missing, damaged or of no use here."""


class ParameterError(RamplineError):
    """A parameter or option that is unknown or out of bounds."""


class NetworkError(RamplineError):
    """An archive that does not answer, or not as it should."""


class DiskFullError(RamplineError):
    """A disk without room: what follows could not be written either."""


def name_some(names: Sequence[str], most: int = 1) -> str:
    """Return, for one line, the first of some names and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error means that a disk, or the user's share of it, has no room."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return isinstance(error, DiskFullError)


def write_error(path: Path, error: OSError) -> RamplineError:
    """Return the one line about a file or folder that cannot be written."""
    kind = DiskFullError if is_disk_full(error) else RamplineError
    return kind(f"{path}: cannot be written ({error.strerror or error})")
