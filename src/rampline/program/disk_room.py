"""Room on the disk of the products: whether it will do, and what to say when it is used up."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import DiskFullError, RamplineError, is_disk_full
from .estimate import TaskEstimate


def room_notice(tasks: Sequence[TaskEstimate], out: Path) -> Iterator[str]:
    """Yield a line if the disk seems to have less room than a run needs.

    Parameters
    ----------
    tasks : sequence of TaskEstimate
        All of the run.
    out : Path
        Output folder, which need not exist.
    """
    free = _free_bytes(out)
    # what an earlier run has made is counted only where it may matter
    if _needed_bytes(tasks) > free and (needed := _missing_bytes(tasks, out)) > free:
        yield (
            f"{out} has {size_words(free)} free and needs about {size_words(needed)}: "
            "the run stops where the disk is full, and can go on when there is room"
        )


@contextmanager
def full_disk_in_words(
    list_tasks: Callable[[], Sequence[TaskEstimate]], out: Path
) -> Iterator[None]:
    """Turn a full disk, wherever a run meets it, into one line that says how to go on.

    Parameters
    ----------
    list_tasks : callable
        Returns all tasks of the run.
    out : Path
        Output folder.

    Raises
    ------
    DiskFullError
        In place of the error that the full disk was.
    """
    try:
        yield
    except (OSError, RamplineError) as error:
        if not is_disk_full(error):
            raise
        needed = _missing_bytes(list_tasks(), out)
        more = f" and needs about {size_words(needed)} more" if needed else ""
        raise DiskFullError(
            f"{error}; stopped: {out} has {size_words(_free_bytes(out))} free{more}; "
            "make room and run the same command to go on"
        ) from error


def size_words(n_bytes: int) -> str:
    """Return a size for people."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.0f} MB"


def _needed_bytes(tasks: Sequence[TaskEstimate]) -> int:
    return sum(task.disk_bytes for task in tasks)


def _missing_bytes(tasks: Sequence[TaskEstimate], out: Path) -> int:
    """Estimate what is still to be written into an output folder."""
    there = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return max(0, _needed_bytes(tasks) - there)


def _free_bytes(out: Path) -> int:
    """Return the free space where a folder is, or would be."""
    there = next(place for place in (out, *out.absolute().parents) if place.is_dir())
    return shutil.disk_usage(there).free
