"""What a user sees while a reduction runs: bars on a terminal, plain lines elsewhere."""

import sys
from typing import Any, Protocol

from ..output.journal import State
from .engine import Outcome


class Progress(Protocol):
    """Shows how far the tasks of a stage are."""

    def start_stage(self, title: str, n_tasks: int) -> None:
        """Say what begins."""

    def show(self, outcome: Outcome[object], state: State, note: str) -> None:
        """Say how a task ended."""

    def count(self) -> None:
        """Count a task of which nothing is to be said."""

    def say(self, line: str) -> None:
        """Say a line."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class PlainProgress:
    """One line per task, for log files and pipes."""

    def start_stage(self, title: str, n_tasks: int) -> None:
        """Say what begins."""
        self._count, self._total = 0, n_tasks
        self.say(f"{title}: {n_tasks} task{'s' * (n_tasks != 1)}")

    def show(self, outcome: Outcome[object], state: State, note: str) -> None:
        """Say how a task ended."""
        self.count()
        self.say(f"  [{self._count}/{self._total}] {_line(outcome, state, note)}")

    def count(self) -> None:
        """Count a task of which nothing is to be said."""
        self._count += 1

    def say(self, line: str) -> None:
        """Say a line."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def close(self) -> None:
        """Do nothing: every line is out."""


class BarProgress:
    """One bar per stage, for terminals."""

    def __init__(self) -> None:
        # rich is loaded only where there is a terminal to draw on
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.progress import (
            Progress as Bars,
        )

        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._bar: Any = None
        self._bars.start()

    def start_stage(self, title: str, n_tasks: int) -> None:
        """Say what begins."""
        self._bar = self._bars.add_task(title, total=n_tasks)

    def show(self, outcome: Outcome[object], state: State, note: str) -> None:
        """Advance the bar; failures and notes also get a line."""
        self.count()
        if state == "failed" or note:
            self.say(_line(outcome, state, note))

    def count(self) -> None:
        """Count a task of which nothing is to be said."""
        self._bars.advance(self._bar)

    def say(self, line: str) -> None:
        """Say a line above the bars."""
        self._bars.console.print(line, markup=False, highlight=False)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()


def make_progress(*, bars: bool) -> Progress:
    """Return bars where they are wanted and the output is a terminal."""
    return BarProgress() if bars and sys.stdout.isatty() else PlainProgress()


def _line(outcome: Outcome[object], state: State, note: str) -> str:
    if state == "failed":
        return f"failed: {outcome.error}"
    tail = f": {note}" if note else ""
    return f"{state} {outcome.task.name} ({outcome.seconds:.1f} s){tail}"
