"""An output folder at a glance: every exposure and mosaic, its state and what is outdated.

Read from the journal, from the headers of the products and from the alignment table; no
pixel is read and nothing is changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import InputError
from ...files.catalogs import read_catalog
from ...files.names import optical_element, product_name
from ...files.read_provenance import StoredProvenance, read_provenance
from .folders import Folders
from .journal import (
    EXPOSURES,
    EXPOSURES_AGAIN,
    SKIES,
    Entry,
    State,
    read_journal,
)
from .occupancy import is_occupied
from .run_record import RunRecord, read_record

CLOCK_TICK_S = 0.1
"""A file's time may lag behind the clock by this much."""
EXPOSURE_SUFFIXES = ("rate", "cal", "flatfield", "crf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One file.

    Attributes
    ----------
    path : Path
    suffix : str
    stored : StoredProvenance
    outdated : str
        Why a further run would make it again, judged by the files alone; empty where it
        would not.
    """

    path: Path
    suffix: str
    stored: StoredProvenance
    outdated: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How an exposure was aligned: a row of the alignment table.

    Attributes
    ----------
    status : str
        OK, WEAK or FAILED.
    reason : str
    n_matched, n_catalog : int
    rms_mas, shift_mas : float
        Scatter of its stars; length of the shift that was found.
    """

    status: str
    reason: str
    n_matched: int
    n_catalog: int
    rms_mas: float
    shift_mas: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureState:
    """One exposure.

    Attributes
    ----------
    root : str
    entry : Entry or None
        Of the last run; None where the last run had no task for it.
    products : mapping of suffix to Product
    verdict : Verdict or None
    """

    root: str
    entry: Entry | None
    products: dict[str, Product]
    verdict: Verdict | None

    @property
    def stored(self) -> StoredProvenance | None:
        """The provenance of the furthest product."""
        for suffix in ("cal", "flatfield", "rate"):
            if suffix in self.products:
                return self.products[suffix].stored
        return None

    @property
    def optics(self) -> str:
        """Filter and pupil as mosaic names carry them; a dash where unknown."""
        if self.stored is None:
            return "-"
        cards = self.stored.primary
        return optical_element(str(cards.get("FILTER")), str(cards.get("PUPIL", "")))

    @property
    def stage(self) -> str:
        """The furthest product there is."""
        known = [s for s in reversed(EXPOSURE_SUFFIXES) if s in self.products]
        return known[0] if known else "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicState:
    """One mosaic.

    Attributes
    ----------
    product : Product
    n_exposures : int
    n_sources : int or None
        Of its catalogue; None where there is none.
    catalog_outdated : str
        Why the catalogue would be made again.
    """

    product: Product
    n_exposures: int
    n_sources: int | None
    catalog_outdated: str = ""

    @property
    def root(self) -> str:
        """Name without suffix and ending."""
        return self.product.path.name.removesuffix("_i2d.fits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """An output folder, or that of its second round.

    Attributes
    ----------
    folders : Folders
    record : RunRecord or None
    entries : tuple of Entry
        The journal.
    exposures : tuple of ExposureState
    mosaics : tuple of MosaicState
    damaged : tuple of str
        One line for each file that is no whole product.
    second : Overview or None
        Of the second round's products.
    is_running : bool
        Whether a run is at work.
    """

    folders: Folders
    record: RunRecord | None
    entries: tuple[Entry, ...]
    exposures: tuple[ExposureState, ...]
    mosaics: tuple[MosaicState, ...]
    damaged: tuple[str, ...] = ()
    second: "Overview | None" = None
    is_running: bool = False


def look_at(out: Path) -> Overview:
    """Return the overview of an output folder.

    Raises
    ------
    RamplineError
        Where no run has written into it.
    """
    record, folders, is_running = read_record(out), Folders(out), is_occupied(out)
    entries = [
        entry._replace(state=_state_now(entry, folders.logs, is_running=is_running))
        for entry in read_journal(out)
    ]
    alone = [entry for entry in entries if entry.stage in {SKIES, EXPOSURES}]
    hashes: dict[str, str] = {}
    seen = _look(folders, alone, record, hashes)
    first = replace(seen, entries=tuple(entries), is_running=is_running)
    if not folders.second.exposures.is_dir():
        return first
    again = [
        entry._replace(task=entry.task.removesuffix("_2"))
        for entry in entries
        if entry.stage == EXPOSURES_AGAIN
    ]
    return replace(first, second=_look(folders.second, again, record, hashes))


def _state_now(entry: Entry, logs: Path, *, is_running: bool) -> State:
    """Return the true state of a task that the journal has as waiting.

    The journal is written when a task ends. A task that has begun has opened its log, and
    without a run no task waits: it was stopped.
    """
    if entry.state not in {"waiting", "running"}:
        return entry.state
    if not is_running:
        return "stopped"
    try:
        began_unix_s = (logs / f"{entry.task}.log").stat().st_mtime
    except OSError:
        # no log: it has never begun
        return "waiting"
    has_begun = began_unix_s > entry.changed_unix_s - CLOCK_TICK_S
    return "running" if has_begun else "waiting"


def _look(
    folders: Folders,
    entries: list[Entry],
    record: RunRecord | None,
    hashes: dict[str, str],
) -> Overview:
    """Return the overview of the exposures that these tasks made, and of their mosaics.

    ``hashes``, by file name, are those of the products of the first round, from which those
    of the second are made, and become those of the products seen here.
    """
    damaged: list[str] = []
    products = list(_products(folders, record, damaged, hashes))
    return Overview(
        folders=folders,
        record=record,
        entries=tuple(entries),
        exposures=_exposures(folders, entries, products),
        mosaics=tuple(_mosaic(p, products) for p in products if p.suffix == "i2d"),
        damaged=tuple(damaged),
    )


def _products(
    folders: Folders,
    record: RunRecord | None,
    damaged: list[str],
    hashes: dict[str, str],
) -> Iterator[Product]:
    """Yield every product after those that it is made from."""
    # products record parameters without the name of the stage
    wanted = {} if record is None else record.parameters
    last = {name.partition(".")[2]: value for name, value in wanted.items()}
    for place, suffixes in (
        (folders.exposures, EXPOSURE_SUFFIXES),
        (folders.mosaics, ("i2d", "segm")),
    ):
        for suffix in suffixes:
            for path in sorted(place.glob(f"*_{suffix}.fits")):
                try:
                    stored = read_provenance(path)
                except InputError as error:
                    damaged.append(str(error))
                    continue
                # slopes of the second round are made from those of the same name
                why = _why_outdated(stored, hashes, last)
                hashes[path.name] = stored.content_hash
                yield Product(path=path, suffix=suffix, stored=stored, outdated=why)


def _why_outdated(
    stored: StoredProvenance, hashes: Mapping[str, str], last: Mapping[str, str]
) -> str:
    """Return why a product would be made again, judged by the files alone."""
    for name, content in stored.inputs.items():
        if hashes.get(name, content) != content:
            return f"{name} was made anew since"
    for name, value in stored.parameters.items():
        if last.get(name, value) != value:
            return f"made with {name} {value}, the last run has {last[name]}"
    return ""


def _exposures(
    folders: Folders, entries: list[Entry], products: list[Product]
) -> tuple[ExposureState, ...]:
    table = folders.alignment
    verdicts = _verdicts(table) if table.is_file() else {}
    tasks = {entry.task: entry for entry in entries}
    found: dict[str, dict[str, Product]] = {}
    for product in products:
        if product.suffix in EXPOSURE_SUFFIXES:
            root = product.path.name.removesuffix(f"_{product.suffix}.fits")
            found.setdefault(root, {})[product.suffix] = product
    return tuple(
        ExposureState(
            root=root,
            entry=tasks.get(root),
            products=found.get(root, {}),
            verdict=verdicts.get(root),
        )
        for root in sorted({*found, *tasks})
    )


def _verdicts(table: Path) -> dict[str, Verdict]:
    return {
        str(row["exposure"]): Verdict(
            status=str(row["status"]),
            reason="" if getattr(row["reason"], "mask", False) else str(row["reason"]),
            n_matched=int(row["n_matched"]),
            n_catalog=int(row["n_catalog"]),
            rms_mas=1000.0 * float(row["rms_arcsec"]),
            shift_mas=1000.0
            * float(row["shift_east_arcsec"] ** 2 + row["shift_north_arcsec"] ** 2)
            ** 0.5,
        )
        for row in read_catalog(table)
    }


def _mosaic(product: Product, products: list[Product]) -> MosaicState:
    root = product.path.name.removesuffix("_i2d.fits")
    catalog = product.path.with_name(product_name(root, "cat", "ecsv"))
    n_sources = None
    if catalog.is_file():
        with catalog.open(encoding="utf-8") as lines:
            # the line after the comments names the columns
            n_sources = sum(not line.startswith("#") for line in lines) - 1
    maps = [p for p in products if p.path.name == product_name(root, "segm")]
    return MosaicState(
        product=product,
        n_exposures=len(product.stored.inputs),
        n_sources=n_sources,
        catalog_outdated=maps[0].outdated if maps else "",
    )
