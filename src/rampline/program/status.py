"""How far a reduction is, read from its journal."""

from collections.abc import Iterator
from pathlib import Path

from .journal import count_states, read_journal


def status_lines(folder: Path) -> Iterator[str]:
    """Yield a summary, then a line for each task that is not done.

    Raises
    ------
    RamplineError
        Where no run has written into the folder.
    """
    entries = read_journal(folder)
    counts = count_states(entries)
    yield ", ".join(f"{count} {state}" for state, count in counts.items()) or "no tasks"
    for entry in entries:
        if entry.state in {"failed", "running", "waiting", "stopped"}:
            tail = f": {entry.message}" if entry.message else ""
            yield f"{entry.state} {entry.task}{tail}"
