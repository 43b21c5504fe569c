"""What happened to every task of a run: one SQLite file in the output folder.

Only the process that started the run writes to it; ``rampline status`` reads it, also
while the run goes on.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self, get_args

from ...errors import DiskFullError, RamplineError, name_some

State = Literal["waiting", "running", "done", "reused", "failed", "stopped"]
FILE_NAME = "journal.sqlite"
SKIES, EXPOSURES = "background exposures", "exposures"
EXPOSURES_AGAIN = "second round: exposures"
"""Stages whose tasks make one exposure each."""


class Entry(NamedTuple):
    """One task as the journal knows it."""

    task: str
    stage: str
    """Title of the stage that it belongs to."""
    state: State
    seconds: float
    message: str
    changed_unix_s: float


class Journal:
    """The journal of one output folder.

    Parameters
    ----------
    folder : Path
        The output folder, which must exist.

    Raises
    ------
    RamplineError
        If the file cannot be opened or is no journal; from every method, if it can no longer
        be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        try:
            self._db = sqlite3.connect(self.path, timeout=30)
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS tasks (task TEXT PRIMARY KEY, stage TEXT, "
                "state TEXT, seconds REAL, message TEXT, changed_unix_s REAL)"
            )
            self._take_up()
        except sqlite3.Error as error:
            raise RamplineError(f"{self.path}: cannot be used ({error})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            # an error here must not hide the one that stops the run
            with suppress(RamplineError), self._writing() as db:
                db.execute(
                    "UPDATE tasks SET state='stopped' WHERE state IN ('running', 'waiting')"
                )
        self._db.close()

    def _take_up(self) -> None:
        """Give the tasks of an older version's journal a stage without a title."""
        columns = self._db.execute("SELECT name FROM pragma_table_info('tasks')")
        if ("stage",) not in columns.fetchall():
            self._db.execute("ALTER TABLE tasks ADD COLUMN stage TEXT DEFAULT ''")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Make one transaction."""
        try:
            with self._db:
                yield self._db
        except sqlite3.Error as error:
            is_full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
            kind = DiskFullError if is_full else RamplineError
            raise kind(f"{self.path}: cannot be written ({error})") from error

    def start_run(self) -> None:
        """Forget the tasks of the previous run; those already done will show as reused."""
        with self._writing() as db:
            db.execute("DELETE FROM tasks")

    def note(
        self,
        task: str,
        stage: str,
        state: State,
        seconds: float = 0.0,
        message: str = "",
    ) -> None:
        """Record the state of a task."""
        self.note_all([(task, stage, state, seconds, message)])

    def note_all(self, rows: Iterable[tuple[str, str, State, float, str]]) -> None:
        """Record the states of several tasks in one transaction."""
        now = time.time()
        with self._writing() as db:
            db.executemany(
                "INSERT INTO tasks (task, stage, state, seconds, message, changed_unix_s) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT(task) DO UPDATE SET "
                "stage=excluded.stage, state=excluded.state, seconds=excluded.seconds, "
                "message=excluded.message, changed_unix_s=excluded.changed_unix_s",
                [(*row, now) for row in rows],
            )

    def entries(self) -> list[Entry]:
        """Return all tasks in the order in which they were first recorded."""
        rows = self._db.execute(
            "SELECT task, stage, state, seconds, message, changed_unix_s FROM tasks "
            "ORDER BY rowid"
        )
        return [Entry(*row) for row in rows]


def read_journal(folder: Path) -> list[Entry]:
    """Read the journal of an output folder.

    Raises
    ------
    RamplineError
        Where there is none.
    """
    if not (folder / FILE_NAME).is_file():
        raise RamplineError(f"{folder}: no rampline run has written here")
    with Journal(folder) as journal:
        return journal.entries()


def count_states(entries: Iterable[Entry]) -> dict[State, int]:
    """Return how many tasks are in each state, states without tasks left out."""
    states = [entry.state for entry in entries]
    return {s: states.count(s) for s in get_args(State) if s in states}


def split_failure(line: str) -> tuple[str, str]:
    """Return of whom a line about a failure speaks, and what is wrong."""
    name, _, what = line.partition(": ")
    return (name, what) if what else ("", name)


def group_failures(lines: Iterable[str]) -> Iterator[str]:
    """Yield a line for each reason of failures: the first whom it befell, and how many more.

    A type of reference file that is missing is missing for all exposures of a filter.
    """
    by_reason: dict[str, list[str]] = {}
    for name, what in map(split_failure, lines):
        by_reason.setdefault(what, []).append(name)
    for what, names in by_reason.items():
        yield f"{name_some(names)}: {what}" if names[0] else what
