"""Run the tasks of one stage: journal, progress, and what failed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from ..errors import DiskFullError, RamplineError
from .engines.engine import Engine, Outcome, Task
from .engines.progress import Progress
from .output.journal import Journal, State, split_failure

Request = TypeVar("Request")
Value = TypeVar("Value")
Group = TypeVar("Group")


class Result(Protocol):
    """What every task of a run returns."""

    @property
    def made(self) -> tuple[str, ...]:
        """Products that were not up to date."""

    @property
    def note(self) -> str:
        """A line for the user."""


AnyResult = TypeVar("AnyResult", bound=Result)


class FileRequest(Protocol):
    """A request for one file."""

    @property
    def path(self) -> Path:
        """Where it goes."""


AnyFileRequest = TypeVar("AnyFileRequest", bound=FileRequest)


@dataclass
class StageRunner:
    """What all stages of a run share.

    Attributes
    ----------
    engine : Engine
        For tasks that are worth a process of their own.
    here : Engine
        For light tasks, in this process.
    journal : Journal
    progress : Progress
    log_folder : Path
    failures : list of str
        One line for each task that failed.
    """

    engine: Engine
    here: Engine
    journal: Journal
    progress: Progress
    log_folder: Path
    failures: list[str] = field(default_factory=list)

    def task(
        self, name: str, function: Callable[[Request], Value], request: Request
    ) -> Task[Value]:
        """Return a task that logs under its own name."""
        return Task(name, function, request, self.log_folder / f"{name}.log")

    def run_stage(
        self, title: str, tasks: Sequence[Task[AnyResult]], *, light: bool = False
    ) -> list[Outcome[AnyResult]]:
        """Run independent tasks; return the outcomes in the tasks' order.

        Light tasks run in this process. So does a single task: another process would have
        no more cores, and would have to import everything again.

        Raises
        ------
        DiskFullError
            At the first task that finds no room: those after it would not either.
        """
        self.journal.note_all((task.name, title, "waiting", 0.0, "") for task in tasks)
        self.progress.start_stage(title, len(tasks))
        outcomes: dict[str, Outcome[AnyResult]] = {}
        told = _Told(self.progress)
        engine = self.here if light or len(tasks) == 1 else self.engine
        for outcome in engine.run(tasks):
            if outcome.is_disk_full:
                raise DiskFullError(outcome.error)
            outcomes[outcome.task.name] = outcome
            state = _state(outcome)
            note = "" if outcome.value is None else outcome.value.note
            said = outcome.error or note
            self.journal.note(outcome.task.name, title, state, outcome.seconds, said)
            told.tell(outcome, state, note)
            if outcome.error:
                self.failures.append(outcome.error)
        told.sum_up()
        return [outcomes[task.name] for task in tasks]

    def make_files(
        self,
        title: str,
        make: Callable[[AnyFileRequest], Result],
        requests: Mapping[Group, AnyFileRequest],
    ) -> dict[Group, Path]:
        """Make one file for each group of exposures; return those that are there."""
        if not requests:
            return {}
        tasks = [self.task(r.path.stem, make, r) for r in requests.values()]
        outcomes = zip(requests.items(), self.run_stage(title, tasks), strict=True)
        return {
            group: request.path
            for (group, request), outcome in outcomes
            if outcome.value is not None and request.path.is_file()
        }

    def refuse(self, name: str, error: RamplineError) -> None:
        """Record a file that cannot be reduced at all."""
        self.failures.append(str(error))
        self.journal.note(name, "inputs", "failed", 0.0, str(error))
        self.progress.say(f"failed: {error}")


class _Told:
    """Tells why tasks of a stage fail, each reason once.

    Parameters
    ----------
    progress : Progress
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._befallen: dict[str, list[str]] = {}

    def tell(self, outcome: Outcome[object], state: State, note: str) -> None:
        """Tell how a task ended, unless another failed for the same reason."""
        if outcome.error:
            name, what = split_failure(outcome.error)
            befallen = self._befallen.setdefault(what, [])
            befallen.append(name)
            if len(befallen) > 1:
                self._progress.count()
                return
        self._progress.show(outcome, state, note)

    def sum_up(self) -> None:
        """Tell how many failed for each reason."""
        for first, *others in self._befallen.values():
            if others:
                self._progress.say(f"  failed like {first}: {len(others)} more")


def _state(outcome: Outcome[Result]) -> State:
    if outcome.value is None:
        return "failed"
    return "done" if outcome.value.made else "reused"
