"""The persistence ledger of one detector: its exposures in the order of time.

It is a chain, so it is one task; detectors run beside each other. It looks at raw counts
only and leaves small files: the charge held at the start of each exposure, and the state
after the last, which the next run can take up (``persistence.take_up``).
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ...detector.trap_amplitudes import fit_amplitudes
from ...detector.trapped_charge import TIMES_S, TrapAmplitudes, Traps, no_traps
from ...errors import InputError, RamplineError
from ...exposure.header import Header
from ...exposure.planes import HeldCharge, RampPlanes, UsedFile
from ...exposure.records import Ramp
from ...files.content import hash_file
from ...files.read import read_ramp
from ...files.whole_file import write_arrays
from ...numerics.workspace import Workspace
from ...pipeline.persistence_ledger import fill_ledger, follow_exposures
from ...pipeline.ramp_to_slope import RampToSlope
from ...reference.ramp_planes import load_ramp_planes
from ...reference.selection import RAMP_KINDS
from ..input.inputs import Source
from .products import reference_source
from .task_key import make_key

log = logging.getLogger(__name__)

MODULE = "program.tasks.make_ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRequest:
    """What the task of one detector is to do.

    Attributes
    ----------
    detector : str
    sources : tuple of Source
        Its raw exposures, in the order of time; those that are not images too.
    folder : Path
        Of the ledger.
    references : str
    params : RampToSlope
    """

    detector: str
    sources: tuple[Source, ...]
    folder: Path
    references: str
    params: RampToSlope

    @property
    def name(self) -> str:
        """Of the task and of the file that keeps the state."""
        return f"{self.detector.lower()}_ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerResult:
    """A ledger.

    Attributes
    ----------
    held : dict of str to Path
        By root, of the exposures at whose start charge is held.
    made : tuple of str
    note : str
    """

    held: dict[str, Path]
    made: tuple[str, ...]
    note: str


def ledger_requests(
    sources: Sequence[Source], folder: Path, references: str, params: RampToSlope
) -> list[LedgerRequest]:
    """Return one request for each detector whose raw exposures can say anything.

    An exposure alone has nothing before it, and cannot tell how much traps hold, unless
    the ledger of an earlier run is taken up.
    """
    if not params.persistence.enabled:
        return []
    least = 1 if params.persistence.take_up else 2
    by_detector: dict[str, list[Source]] = {}
    for source in sorted(sources, key=lambda source: source.header.start_mjd):
        if source.suffix == "uncal":
            by_detector.setdefault(source.header.detector, []).append(source)
    return [
        LedgerRequest(
            detector=detector,
            sources=tuple(own),
            folder=folder,
            references=references,
            params=params,
        )
        for detector, own in by_detector.items()
        if len(own) >= least
    ]


def make_ledger(request: LedgerRequest) -> LedgerResult:
    """Follow the traps of one detector through its exposures unless that is up to date.

    Raises
    ------
    RamplineError
        A ledger to be taken up that cannot be read.
    """
    request = _with_references(request)
    request.folder.mkdir(parents=True, exist_ok=True)
    state = request.folder / f"{request.name}.npz"
    past = _past(request)
    key = _key(request)
    if (stored := _stored(state, key)) is not None:
        return _result(request, stored, made=())
    traps, amplitudes = (no_traps(), None) if past is None else read_state(past)
    pages, seen = follow_exposures(_exposures(request), traps)
    params = request.params.persistence.amplitudes
    amplitudes = fit_amplitudes(seen, params, amplitudes)
    charges, traps = fill_ledger(pages, traps, amplitudes)
    held = []
    for page, charge in zip(pages, charges, strict=True):
        if charge is not None and charge.row.size:
            write_arrays(_held_path(request, page.header.root), charge._asdict())
            held.append(page.header.root)
    _write_state(state, traps, amplitudes, (key, held))
    return _result(request, held, made=("ledger",))


def read_state(path: Path) -> tuple[Traps, TrapAmplitudes | None]:
    """Read the state that a ledger ended with.

    Raises
    ------
    InputError
        A file that is no ledger, or an older version's.
    """
    try:
        with np.load(path) as stored:
            traps = Traps(float(stored["mjd"]), *(stored[n] for n in Traps._fields[1:]))
            charge, covariance, curve, scatter = (
                stored[name] for name in TrapAmplitudes._fields
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(str(path), f"no persistence ledger ({error})") from error
    if len(traps.filling) != len(TIMES_S):
        raise InputError(str(path), "a persistence ledger of another version")
    if not charge.size:
        return traps, None
    return traps, TrapAmplitudes(charge, covariance, curve, float(scatter))


def read_held(path: Path) -> HeldCharge:
    """Read the charge held at the start of an exposure."""
    with np.load(path) as stored:
        return HeldCharge(*(stored[name] for name in HeldCharge._fields))


def _past(request: LedgerRequest) -> Path | None:
    """Return the state that is to be taken up, where there is one for this detector."""
    folder = request.params.persistence.take_up
    path = Path(folder) / f"{request.name}.npz"
    return path if folder and path.is_file() else None


def _key(request: LedgerRequest) -> str:
    past = _past(request)
    used: dict[UsedFile, None] = {}
    for source in request.sources:
        used |= dict.fromkeys(_references(request, source.header))
    inputs = [hash_file(source.path) for source in request.sources]
    inputs.append("" if past is None else hash_file(past))
    return make_key(MODULE, inputs, request.params.persistence.amplitudes, used)


def _with_references(request: LedgerRequest) -> LedgerRequest:
    """Leave out exposures without reference files, before any is read."""
    usable = [s for s in request.sources if _references(request, s.header)]
    return replace(request, sources=tuple(usable))


def _references(request: LedgerRequest, header: Header) -> tuple[UsedFile, ...]:
    """Return the reference files of an exposure; none where it has not all it needs."""
    try:
        found = reference_source(request.references).select(header, RAMP_KINDS)
    except RamplineError as error:
        log.warning("left out of the persistence ledger: %s", error)
        return ()
    return found.used


def _exposures(request: LedgerRequest) -> Iterator[tuple[Ramp, RampPlanes]]:
    """Yield the exposures that can be read, with their reference planes.

    An exposure that nobody refers to any more lends its memory to the next.
    """
    workspace = Workspace()
    for source in request.sources:
        try:
            readout = source.header.readout
            shape = readout.n_ints, readout.n_groups, readout.n_rows, readout.n_cols
            raw = read_ramp(source.path, workspace.lend(shape, np.uint16))
            files = reference_source(request.references).select(
                source.header, RAMP_KINDS
            )
            planes = load_ramp_planes(files, source.header)
        except RamplineError as error:
            # its own task says so
            log.warning("left out of the persistence ledger: %s", error)
            continue
        yield raw, planes


def _held_path(request: LedgerRequest, root: str) -> Path:
    return request.folder / f"{root}_held.npz"


def _result(
    request: LedgerRequest, roots: Sequence[str], made: tuple[str, ...]
) -> LedgerResult:
    held = {root: _held_path(request, root) for root in roots}
    what = f"afterglow in {len(held)}" if held else "no afterglow seen in any"
    note = f"{request.detector}: {what} of {len(request.sources)} exposures"
    if not request.sources:
        note = f"{request.detector}: no exposure with all its reference files"
    return LedgerResult(held=held, made=made, note=note)


def _stored(path: Path, key: str) -> list[str] | None:
    """Return the exposures with held charge of a ledger that is up to date, else None."""
    try:
        with np.load(path) as stored:
            if str(stored["key"]) != key:
                return None
            roots = [str(root) for root in stored["held"]]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        # none, or damaged since: it is made again
        return None
    whole = all((path.parent / f"{root}_held.npz").is_file() for root in roots)
    return roots if whole else None


def _write_state(
    path: Path,
    traps: Traps,
    amplitudes: TrapAmplitudes | None,
    task: tuple[str, list[str]],
) -> None:
    nothing = np.empty(0)
    measured = (
        dict.fromkeys(TrapAmplitudes._fields, nothing)
        if amplitudes is None
        else amplitudes._asdict()
    )
    key, held = task
    write_arrays(path, {**traps._asdict(), **measured, "key": key, "held": held})
