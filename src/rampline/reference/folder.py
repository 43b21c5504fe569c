"""A plain folder of CRDS-format files, matched by their own metadata.

The criteria are those of CRDS' rules for NIRCam. Some must hold (a flat of another filter
is of no use), the others only rank the candidates: the file made for just this subarray
or readout pattern is taken before one that is good for all. Where CRDS would choose by
date, so does this: the latest file that was valid when the exposure began.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from ..errors import MissingReferenceError, name_some
from ..exposure.header import Header
from ..exposure.planes import UsedFile
from .cache import log
from .checksum import verified_sha1
from .metadata import FULL_SIZE, ReferenceMeta, read_metadata
from .selection import ReferenceFiles, missing_line, observed_at

MUST_AGREE: Final = {
    "mask": ("detector",),
    "saturation": ("detector",),
    "superbias": ("detector",),
    "linearity": ("detector",),
    "dark": ("detector",),
    "gain": ("detector",),
    "readnoise": ("detector",),
    "ipc": ("detector",),
    "flat": ("detector", "filter", "pupil"),
    "wfssbkg": ("detector", "filter", "pupil"),
    "area": ("detector", "filter", "pupil"),
    "photom": ("detector",),
    "distortion": ("detector", "filter", "pupil"),
    "filteroffset": ("channel", "module"),
    "apcorr": (),
    "abvegaoffset": (),
}
"""Criteria of each type that a file must meet; all others only rank."""
RANK: Final = (
    "subarray",
    "detector",
    "filter",
    "pupil",
    "readpatt",
    "exp_type",
    "module",
    "channel",
)
"""The first of these on which two candidates differ decides between them."""
SPECTRAL: Final = frozenset({"NRC_WFSS", "NRC_TSGRISM", "NRC_GRISM"})
"""Exposure types whose flux tables are other tables than those of images."""
BY_READOUT: Final = frozenset({"superbias", "dark"})
"""Types that depend on how a subarray is read: not to be taken from another subarray."""
BY_PIXEL: Final = frozenset(
    {*MUST_AGREE}
    - {"photom", "distortion", "filteroffset", "apcorr", "abvegaoffset"}
    - {"ipc"}
)
"""Types with a value per pixel: their window must cover that of the exposure."""


@dataclass(frozen=True)
class FolderSource:
    """Reference files in a folder and the folders below it.

    Parameters
    ----------
    folder : Path
    """

    folder: Path

    @property
    def index(self) -> tuple[ReferenceMeta, ...]:
        """The metadata of every reference file in the folder."""
        return self._scanned[0]

    @cached_property
    def _scanned(self) -> tuple[tuple[ReferenceMeta, ...], tuple[Path, ...]]:
        """The metadata of every reference file, read once, and what cannot be read.

        Raises
        ------
        MissingReferenceError
            If the folder is not there.
        """
        if not self.folder.is_dir():
            raise MissingReferenceError(f"{self.folder}: no such folder of references")
        found, unreadable = [], []
        for path in sorted(self.folder.rglob("*")):
            if path.suffix not in {".fits", ".asdf"}:
                continue
            try:
                meta = read_metadata(path)
            except (OSError, ValueError) as error:
                log.warning("%s: not readable as a reference file: %s", path, error)
                unreadable.append(path)
                continue
            if meta is not None:
                found.append(meta)
        return tuple(found), tuple(unreadable)

    def select(self, header: Header, kinds: Iterable[str]) -> ReferenceFiles:
        """Return the most specific file of each type for the exposure.

        Raises
        ------
        MissingReferenceError
            One line with all types of which no file fits, or a file that is unreadable.
        """
        facts = exposure_facts(header)
        chosen = {kind: self._best(header, facts, kind) for kind in kinds}
        missing = [kind for kind, meta in chosen.items() if meta is None]
        if missing:
            raise MissingReferenceError(
                missing_line(header, missing, str(self.folder)) + self._others(missing)
            )
        paths = {kind: meta.path for kind, meta in chosen.items() if meta is not None}
        used = tuple(
            UsedFile(kind, path.name, verified_sha1(path))
            for kind, path in paths.items()
        )
        return ReferenceFiles(paths=paths, used=used)

    def _best(
        self, header: Header, facts: dict[str, str], kind: str
    ) -> ReferenceMeta | None:
        """Return the most specific file of one type, None where none fits."""
        start = observed_at(header).isoformat()
        fitting = [
            meta
            for meta in self.index
            if meta.kind == kind
            and is_good_for(meta, header, facts)
            and not _starts_later(meta.useafter, start)
        ]
        return max(fitting, key=lambda meta: _rank(meta, facts), default=None)

    def _others(self, kinds: list[str]) -> str:
        """Return, in words, what else there is: for other exposures, or unreadable."""
        count = sum(meta.kind in kinds for meta in self.index)
        words = [f"{count} for other exposures"] if count else []
        if unreadable := self._scanned[1]:
            words.append(f"unreadable: {name_some([p.name for p in unreadable])}")
        return f" ({'; '.join(words)})" if words else ""


def exposure_facts(header: Header) -> dict[str, str]:
    """Return the exposure's value of each criterion, in upper case."""
    facts = {
        "instrument": "NIRCAM",
        "detector": header.detector,
        "channel": header.channel,
        "module": header.module,
        "filter": header.filter,
        "pupil": header.pupil,
        "subarray": header.readout.subarray,
        "readpatt": header.readout.pattern,
        "exp_type": header.exp_type,
    }
    return {key: value.upper() for key, value in facts.items()}


def is_good_for(meta: ReferenceMeta, header: Header, facts: dict[str, str]) -> bool:
    """Return whether a file may be used for the exposure at all."""
    must = ("instrument", *MUST_AGREE.get(meta.kind, ("detector",)))
    if any(_agreement(meta, facts, key) < 0 for key in must):
        return False
    if meta.kind in {"photom", "apcorr"} and "exp_type" in meta.allowed:
        is_spectral = facts["exp_type"] in SPECTRAL
        good_for = meta.allowed["exp_type"]
        if not (good_for & SPECTRAL if is_spectral else good_for - SPECTRAL):
            return False
    readout = header.readout
    groupings = {(1, 0), (readout.n_frames, readout.n_dropped)}
    if meta.kind == "dark" and meta.reads not in groupings:
        return False
    return _covers(meta, header, facts)


def _covers(meta: ReferenceMeta, header: Header, facts: dict[str, str]) -> bool:
    """Tell whether a file of planes has the pixels of the exposure, read as it was."""
    if meta.kind not in BY_PIXEL or _agreement(meta, facts, "subarray") > 0:
        return True
    is_full = meta.window in (None, (0, 0, FULL_SIZE, FULL_SIZE))
    other_subarray = bool(meta.allowed.get("subarray", frozenset()) - {"FULL"})
    if other_subarray and (meta.kind in BY_READOUT or meta.window is None):
        return False
    if meta.window is None or is_full:
        return True
    row, col, rows, cols = meta.window
    readout = header.readout
    return (
        row <= readout.row_start
        and col <= readout.col_start
        and readout.row_start + readout.n_rows <= row + rows
        and readout.col_start + readout.n_cols <= col + cols
    )


def _agreement(meta: ReferenceMeta, facts: dict[str, str], key: str) -> int:
    """Return 1 where the file names the exposure's value, 0 for any, -1 for others."""
    words = meta.allowed.get(key)
    if not words:
        return 0
    return 1 if facts[key] in words else -1


def _starts_later(useafter: str, start: str) -> bool:
    """Tell whether a file is valid only after the exposure; ISO dates sort as text."""
    return useafter[:4].isdigit() and useafter.replace(" ", "T") > start


def _rank(
    meta: ReferenceMeta, facts: dict[str, str]
) -> tuple[tuple[int, ...], str, str]:
    """Return the key by which candidates are sorted, the best last."""
    scores = tuple(_agreement(meta, facts, key) for key in RANK)
    return scores, meta.useafter, meta.path.name
