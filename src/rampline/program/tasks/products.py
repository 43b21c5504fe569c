"""What all tasks that make a product share: whether it is up to date, its provenance."""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from ... import __version__
from ...errors import InputError
from ...exposure.header import Header
from ...exposure.planes import UsedFile
from ...files.content import content_hash, recorded_hash, recorded_key
from ...files.provenance import NOT_MEASURED, InputFile, Provenance, StepRun
from ...numerics.workspace import keep_freed_memory
from ...params import Params, walk_params
from ...pipeline.runner import Bench, StepRecord
from ...reference.select import open_source
from ...reference.selection import ReferenceFiles, ReferenceSource
from .task_key import make_key

log = logging.getLogger(__name__)

NO_REFERENCES = ReferenceFiles(paths={}, used=())


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


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a product is made of and how: whether it is up to date, and its provenance.

    Attributes
    ----------
    module : str
        Whose code makes it, relative to the package: ``program.make_rate``.
    params : Params
    inputs : tuple of InputFile
    references : ReferenceFiles
    also_used : tuple of UsedFile
        Reference files that it depends on and does not name as its own.
    words : tuple of str
        What else it depends on: hashes of small files, options that are no parameters.
    """

    module: str
    params: Params
    inputs: tuple[InputFile, ...]
    references: ReferenceFiles = NO_REFERENCES
    also_used: tuple[UsedFile, ...] = ()
    words: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """Hash of all of it, which the product carries."""
        hashes = [file.content_hash for file in self.inputs]
        used = dict.fromkeys((*self.references.used, *self.also_used))
        return make_key(self.module, [*hashes, *self.words], self.params, used)

    def is_made(self, path: Path) -> bool:
        """Return whether a product exists, is whole, and was made like this."""
        made = is_current(path, self.key)
        if made:
            log.info("%s is up to date", path.name)
        return made

    def provenance(
        self, steps: Iterable[StepRun], problems: Iterable[str] = ()
    ) -> Provenance:
        """Return what the product says of its origin; the log says files and steps too."""
        context, steps = self.references.context, tuple(steps)
        for file in self.references.used:
            log.info("%s: %s", file.kind, file.name)
        for step in steps:
            time = "" if math.isnan(step.seconds) else f" {step.seconds:.3f} s"
            log.info("%s: %s%s", step.step, step.status.lower(), time)
        return Provenance(
            version=__version__,
            steps=steps,
            parameters=tuple(walk_params(self.params)),
            references=self.references.used,
            inputs=self.inputs,
            crds_context=context,
            crds_version=_crds_version() if context else "",
            task_key=self.key,
            problems=tuple(problems),
        )


def log_findings(before: Header, after: Header) -> None:
    """Log what steps have measured: the cards that they put into the header of an image."""
    known = set(before.primary)
    for card in after.primary:
        if card not in known:
            value = f"{card.value:.4g}" if isinstance(card.value, float) else card.value
            log.info("%s: %s (%s)", card.comment, value, card.keyword)


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


def input_files(paths: Iterable[Path]) -> tuple[InputFile, ...]:
    """Return names and content hashes of products, each once."""
    return tuple(input_file(path) for path in dict.fromkeys(paths))


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


@cache
def reference_source(where: str) -> ReferenceSource:
    """Return the source of reference files, opened once a process."""
    return open_source(where)


@cache
def bench(threads: int) -> Bench:
    """Return this process's threads and buffers, which serve exposure after exposure."""
    keep_freed_memory()
    return Bench(threads)


def _crds_version() -> str:
    from importlib.metadata import version

    return version("crds")
