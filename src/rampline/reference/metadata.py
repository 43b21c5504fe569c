"""What a CRDS-format file says about itself, read without its pixels.

FITS files carry it in the primary header, ASDF files in the ``meta`` tree. A pattern
keyword (``P_FILTER = 'F150W|F200W|'``) lists every value a file is good for and stands
above the plain one (``FILTER``); ``ANY``, ``N/A`` and ``GENERIC`` allow everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import InputError
from ..files.fits_layout import read_first_cards
from .asdf_file import read_plain

WILDCARDS: Final = frozenset({"", "ANY", "N/A", "GENERIC", "*", "UNDEFINED"})
FULL_SIZE: Final = 2048
"""Rows and columns of a whole detector."""

_FITS_KEYWORDS: Final = {
    "instrument": ("INSTRUME",),
    "detector": ("P_DETECT", "DETECTOR"),
    "channel": ("P_CHANNE", "CHANNEL"),
    "module": ("P_MODULE", "MODULE"),
    "filter": ("P_FILTER", "FILTER"),
    "pupil": ("P_PUPIL", "PUPIL"),
    "subarray": ("P_SUBARR", "SUBARRAY"),
    "readpatt": ("P_READPA", "READPATT"),
    "exp_type": ("P_EXP_TY", "EXP_TYPE"),
}
_ASDF_PATHS: Final = {
    "instrument": ("instrument.name",),
    "detector": ("instrument.p_detector", "instrument.detector"),
    "channel": ("instrument.p_channel", "instrument.channel"),
    "module": ("instrument.p_module", "instrument.module"),
    "filter": ("instrument.p_filter", "instrument.filter"),
    "pupil": ("instrument.p_pupil", "instrument.pupil"),
    "subarray": ("subarray.p_subarray", "subarray.name"),
    "readpatt": ("exposure.p_readpatt", "exposure.preadpatt", "exposure.readpatt"),
    "exp_type": ("exposure.p_exptype", "exposure.type"),
}
_WINDOW: Final = ("SUBSTRT2", "SUBSTRT1", "SUBSIZE2", "SUBSIZE1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceMeta:
    """One reference file as its own header describes it.

    Attributes
    ----------
    path : Path
    kind : str
        Reference type, lower case.
    allowed : mapping of criterion to frozenset of str
        Values that the file is good for; a criterion that allows everything is absent.
    useafter : str
        ISO date from which the file is valid; empty if it says none.
    window : (int, int, int, int) or None
        0-based first row, first column, rows, columns within the detector.
    reads : (int, int)
        Frames averaged into a group and frames dropped after it (dark files).
    """

    path: Path
    kind: str
    allowed: Mapping[str, frozenset[str]]
    useafter: str = ""
    window: tuple[int, int, int, int] | None = None
    reads: tuple[int, int] = (1, 0)


def read_metadata(path: Path) -> ReferenceMeta | None:
    """Return what the file says about itself; None if it is no reference file.

    Raises
    ------
    OSError, ValueError
        If the file is not FITS or ASDF, or damaged at its head.
    """
    if path.suffix == ".asdf":
        meta = read_plain(path, "meta")
        values = {key: _first(meta, names) for key, names in _ASDF_PATHS.items()}
        return _record(
            path, _lookup(meta, "reftype"), values, _lookup(meta, "useafter")
        )
    try:
        header = read_first_cards(path)
    except InputError as error:
        raise ValueError(str(error)) from error
    cards = {key: _first(header, names) for key, names in _FITS_KEYWORDS.items()}
    found = _record(path, header.get("REFTYPE"), cards, header.get("USEAFTER"))
    return None if found is None else _with_readout(found, header)


def allowed_values(value: object) -> frozenset[str]:
    """Return the values in a keyword, ``A|B|`` split; empty if everything is allowed."""
    words = {word.strip().upper() for word in str(value or "").split("|")} - {""}
    return frozenset() if words & WILDCARDS else frozenset(words)


def _record(
    path: Path, kind: object, values: Mapping[str, object], useafter: object
) -> ReferenceMeta | None:
    """Return the record, or None where the file names no reference type."""
    if not isinstance(kind, str) or not kind.strip():
        return None
    allowed = {key: allowed_values(value) for key, value in values.items()}
    return ReferenceMeta(
        path=path,
        kind=kind.strip().lower(),
        allowed={key: words for key, words in allowed.items() if words},
        useafter=useafter if isinstance(useafter, str) else "",
    )


def _with_readout(found: ReferenceMeta, header: Mapping[str, Any]) -> ReferenceMeta:
    """Add the window and the grouping, which only FITS files have."""
    numbers: list[Any] = [header.get(name) for name in _WINDOW]
    window = None
    if all(isinstance(number, int) for number in numbers):
        window = (numbers[0] - 1, numbers[1] - 1, numbers[2], numbers[3])
    return ReferenceMeta(
        path=found.path,
        kind=found.kind,
        allowed=found.allowed,
        useafter=found.useafter,
        window=window,
        reads=(int(header.get("NFRAMES") or 1), int(header.get("GROUPGAP") or 0)),
    )


def _first(source: Mapping[str, Any], names: tuple[str, ...]) -> object:
    """Return the first of ``names`` that is filled in."""
    for name in names:
        value = _lookup(source, name)
        if value not in (None, ""):
            return value
    return None


def _lookup(source: Mapping[str, Any], dotted: str) -> object:
    """Return the value at a dotted path, None where there is none."""
    value: Any = source
    for name in dotted.split("."):
        value = value.get(name) if hasattr(value, "get") else None
    return value
