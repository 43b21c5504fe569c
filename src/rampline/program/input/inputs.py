"""Which files the user means, and which of them can be reduced."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ForeignError, InputError, ParameterError, RamplineError
from ...exposure.header import Header
from ...files.catalogs import read_association
from ...files.read import read_header
from ..output.run_record import FILE_NAME as RUN_RECORD
from ..output.run_record import read_record

SUFFIXES = ("uncal", "rate", "cal")
"""What a reduction can start from; the least reduced file of an exposure wins."""


@dataclass(frozen=True, slots=True)
class Source:
    """One exposure and the file its reduction starts from."""

    path: Path
    suffix: str
    header: Header


@dataclass(frozen=True, slots=True)
class Inputs:
    """The exposures to reduce, and one line for each file that cannot be.

    Attributes
    ----------
    sources : tuple of Source
    refused : tuple of RamplineError
    idle_excludes : tuple of str
        Values of ``--exclude`` that match no file.
    distant : tuple of InputError
        One line for each source that is too far from the others for a common mosaic.
    foreign : tuple of ForeignError
        What lay in a folder beside the exposures and is none; nobody asked for it.
    """

    sources: tuple[Source, ...]
    refused: tuple[RamplineError, ...] = field(default=())
    idle_excludes: tuple[str, ...] = ()
    distant: tuple[InputError, ...] = ()
    foreign: tuple[ForeignError, ...] = ()


def collect_inputs(
    given: Sequence[Path],
    exclude: Sequence[str],
    *,
    mixed: bool,
    suffixes: Sequence[str] = SUFFIXES,
) -> Inputs:
    """Find the exposures among files and folders.

    Parameters
    ----------
    given : sequence of Path
        Files; folders whose ``_uncal``, ``_rate`` and ``_cal`` files are taken (the
        least reduced of each exposure), where there are none those of its subfolders, as
        downloads of the archive have them; associations (``_asn.json``), whose members are.
    exclude : sequence of str
        Roots or parts of roots of exposures to leave out.
    mixed : bool
        Whether exposures of several programmes are one field.
    suffixes : sequence of str
        The products that serve, the least reduced first.

    Raises
    ------
    InputError
        Where a folder holds no exposure.
    ParameterError
        Where nothing is given, or a path that does not exist.
    """
    if not given:
        raise ParameterError("no files or folders given; see rampline reduce --help")
    sources: list[Source] = []
    refused: list[RamplineError] = []
    foreign: list[ForeignError] = []
    idle = dict.fromkeys(exclude)
    for path, is_named in _files(given, suffixes).items():
        if parts := [part for part in exclude if part in path.name]:
            for part in parts:
                idle.pop(part, None)
            continue
        try:
            sources.append(Source(path, _suffix(path, suffixes), read_header(path)))
        except RamplineError as error:
            if isinstance(error, ForeignError) and not is_named:
                foreign.append(error)
            else:
                refused.append(error)
    kept, repeated = _one_per_exposure(sources)
    refused.extend(repeated)
    if not mixed:
        kept, strangers = _one_program(kept)
        refused.extend(strangers)
    return Inputs(
        sources=tuple(kept),
        refused=tuple(refused),
        idle_excludes=tuple(idle),
        foreign=tuple(foreign),
    )


def field_name(inputs: Inputs, name: str) -> str:
    """Return what stands for the field in the names of its mosaics.

    It is the name that the user gave, or the first observation: observations that come
    later leave it as it is.
    """
    apart = {error.path for error in inputs.distant}
    near = (s.header for s in inputs.sources if str(s.path) not in apart)
    return name or f"o{min((h.observation for h in near), default='')}"


def _files(given: Sequence[Path], suffixes: Sequence[str]) -> dict[Path, bool]:
    """Return the files, and of each whether it was named, not only its folder."""
    named: list[Path] = []
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = _in_folder(path, suffixes)
            if not inside:
                what = f"no {_names(suffixes)} file in this folder"
                raise InputError(str(path), what, _hint(path))
            found.extend(inside)
        elif path.suffix == ".json":
            named.extend(read_association(path))
        elif path.exists():
            named.append(path)
        else:
            raise ParameterError(f"{path}: no such file or folder")
    files = {path.resolve(): False for path in found}
    return files | {path.resolve(): True for path in named}


def _hint(folder: Path) -> str:
    """Return how to resume a run, if its output folder was given in place of its input."""
    record = read_record(folder)
    return "" if record is None else f"to go on with the run in it: {record.command}"


def _names(suffixes: Sequence[str]) -> str:
    *others, last = (f"_{suffix}" for suffix in suffixes)
    return f"{', '.join(others)} or {last}" if others else last


def _in_folder(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the least reduced file of each exposure in a folder, or in those below it.

    What runs of this program wrote below it is no input: their folders are named
    themselves where it is to be one.
    """
    inside = _least_reduced(folder.glob("*.fits*"), suffixes)
    if inside or read_record(folder) is not None:
        return inside
    runs = {path.parent for path in folder.rglob(RUN_RECORD)}
    below = (p for p in folder.rglob("*.fits*") if runs.isdisjoint(p.parents))
    return _least_reduced(below, suffixes)


def _least_reduced(files: Iterable[Path], suffixes: Sequence[str]) -> list[Path]:
    """Return the least reduced file of each exposure.

    Compressed files are no input; where an exposure has no other, it is taken, to be
    refused with what to do.
    """
    best: dict[str, tuple[bool, int, Path]] = {}
    for path in sorted(files):
        is_packed = path.name.endswith(".gz")
        root, _, suffix = path.name.partition(".fits")[0].rpartition("_")
        if suffix in suffixes:
            rank = (is_packed, suffixes.index(suffix), path)
            best[root] = min(best.get(root, rank), rank)
    return sorted(path for _, _, path in best.values())


def _suffix(path: Path, suffixes: Sequence[str]) -> str:
    stem = path.name.removesuffix(".gz").removesuffix(".fits")
    suffix = stem.rpartition("_")[2]
    if not path.is_file():
        missing = "not there, though an association or a link names it"
        what = "a folder, not a file" if path.is_dir() else missing
        raise InputError(str(path), what)
    if suffix not in suffixes:
        names = _names(suffixes)
        what = f"the name does not end in {names}"
        raise InputError(str(path), what, f"give {names} files")
    return suffix


def _one_per_exposure(
    sources: list[Source],
) -> tuple[list[Source], list[InputError]]:
    kept: dict[str, Source] = {}
    repeated = []
    for source in sources:
        first = kept.setdefault(source.header.root, source)
        if first is not source:
            what = f"the same exposure as {first.path}"
            repeated.append(InputError(str(source.path), what, "give it once"))
    return list(kept.values()), repeated


def _one_program(
    sources: list[Source],
) -> tuple[list[Source], list[InputError]]:
    """Keep the programme that most exposures belong to; the first one on a tie."""
    count: dict[str, int] = {}
    for source in sources:
        count[source.header.program] = count.get(source.header.program, 0) + 1
    if len(count) < 2:
        return sources, []
    main = max(count, key=lambda program: count[program])
    remedy = "reduce it by itself, or give --name to make one field of all"
    strangers = [
        InputError(
            str(source.path),
            f"programme {source.header.program} among exposures of {main}",
            remedy,
        )
        for source in sources
        if source.header.program != main
    ]
    return [s for s in sources if s.header.program == main], strangers
