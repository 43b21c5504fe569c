"""What all tasks that make a product share: whether it is up to date, its provenance."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .. import __version__
from ..errors import InputError
from ..files.content import content_hash, recorded_hash, recorded_key
from ..files.provenance import NOT_MEASURED, InputFile, Provenance, StepRun
from ..params import Params, walk_params
from ..pipeline.runner import Bench, StepRecord
from ..reference.select import ReferenceFiles, ReferenceSource, open_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """Where and with what the tasks of a run work.

    Attributes
    ----------
    folder : Path
        Products of single exposures.
    pictures : Path
    references : str
        ``crds`` or a folder.
    threads : int
        Of one task.
    """

    folder: Path
    pictures: Path
    references: str
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a task made.

    Attributes
    ----------
    path : Path
    made : tuple of str
        Products that were made; empty where they were up to date.
    note : str
        For the user.
    """

    path: Path
    made: tuple[str, ...]
    note: str = ""


def is_current(path: Path, key: str) -> bool:
    """Return whether a product exists, is whole, and was made with this key."""
    if not path.is_file():
        return False
    try:
        return recorded_key(path) == key
    except InputError:
        # damaged since: it is made again
        return False


def input_file(path: Path) -> InputFile:
    """Return name and content hash of a product: the recorded one, else computed."""
    return InputFile(path.name, recorded_hash(path) or content_hash(path))


def list_steps(trail: Sequence[StepRecord], params: Params) -> tuple[StepRun, ...]:
    """Return the steps that were run, with their times, and those left out."""
    done = {record.step for record in trail}
    skipped = [name for name in type(params).model_fields if name not in done]
    return (
        *(StepRun(record.step, record.seconds) for record in trail),
        *(StepRun(name, 0.0, "SKIPPED") for name in skipped),
    )


def step_run(name: str, *, is_done: bool) -> StepRun:
    """Return a step that is done together with others, or was left out."""
    return StepRun(name, NOT_MEASURED) if is_done else StepRun(name, 0.0, "SKIPPED")


def trace(
    steps: Iterable[StepRun],
    params: Params,
    files: ReferenceFiles,
    inputs: Iterable[InputFile],
    key: str,
    problems: Iterable[str] = (),
) -> Provenance:
    """Return the provenance of a product of one exposure."""
    return Provenance(
        version=__version__,
        steps=tuple(steps),
        parameters=tuple(walk_params(params)),
        references=files.used,
        inputs=tuple(inputs),
        crds_context=files.context,
        crds_version=_crds_version() if files.context else "",
        task_key=key,
        problems=tuple(problems),
    )


@cache
def reference_source(where: str) -> ReferenceSource:
    """Return the source of reference files, opened once a process."""
    return open_source(where)


@cache
def bench(threads: int) -> Bench:
    """Return this process's threads and buffers, which serve exposure after exposure."""
    return Bench(threads)


def _crds_version() -> str:
    from importlib.metadata import version

    return version("crds")
