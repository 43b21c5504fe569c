"""What a source of reference files is asked for, and what it returns.

A reference file belongs to an exposure by rules on the exposure's header (detector,
filter, subarray, date, ...). Who knows the rules is a source: CRDS itself, or a folder
of files that say in their own headers what they are for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from ..errors import MissingReferenceError
from ..exposure.header import Header, card_values
from ..exposure.planes import UsedFile

RAMP_KINDS: Final = (
    "mask",
    "saturation",
    "superbias",
    "linearity",
    "dark",
    "gain",
    "readnoise",
)
"""Reference types of the path from a ramp to a slope image."""
SKY_KINDS: Final = ("flat", "photom", "area", "distortion", "filteroffset")
"""Reference types of the path from a slope image to the sky."""
CATALOG_KINDS: Final = ("apcorr", "abvegaoffset")
"""Reference types of the catalogue."""
KINDS: Final = (*RAMP_KINDS, *SKY_KINDS, *CATALOG_KINDS, "ipc")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFiles:
    """The reference files of one exposure.

    Attributes
    ----------
    paths : mapping of reference type to Path
        Types of which CRDS says that they do not apply are left out.
    used : tuple of UsedFile
        The same files with their sha1.
    context : str
        CRDS context that chose them; empty for a folder.
    """

    paths: Mapping[str, Path]
    used: tuple[UsedFile, ...]
    context: str = ""

    def require(self, header: Header, kinds: Iterable[str]) -> tuple[UsedFile, ...]:
        """Return the records of ``kinds``, in their order.

        Raises
        ------
        MissingReferenceError
            If one of them was not selected.
        """
        missing = [kind for kind in kinds if kind not in self.paths]
        if missing:
            raise MissingReferenceError(missing_line(header, missing, self.context))
        records = {file.kind: file for file in self.used}
        return tuple(records[kind] for kind in kinds)


class ReferenceSource(Protocol):
    """Chooses reference files."""

    def select(self, header: Header, kinds: Iterable[str]) -> ReferenceFiles:
        """Return the files of ``kinds`` for the exposure, whole and with their sha1."""


def describe_exposure(header: Header) -> str:
    """Return the words by which reference files are chosen, for messages."""
    readout = header.readout
    words = (
        header.detector,
        header.filter,
        header.pupil,
        readout.subarray,
        readout.pattern,
        header.exp_type,
    )
    return " ".join(word for word in words if word)


def missing_line(header: Header, kinds: Iterable[str], where: str) -> str:
    """Return the message about reference types that were not found."""
    names = ", ".join(kinds)
    place = f" in {where}" if where else ""
    return (
        f"{header.root}: no {names} reference file{place} "
        f"for {describe_exposure(header)}"
    )


def observed_at(header: Header) -> datetime:
    """Return the start of the exposure, UTC: DATE-OBS and TIME-OBS, else the MJD."""
    cards = card_values(header.primary)
    day, time = cards.get("DATE-OBS"), cards.get("TIME-OBS")
    if isinstance(day, str) and isinstance(time, str):
        try:
            return datetime.fromisoformat(f"{day}T{time}")
        except ValueError as error:
            raise MissingReferenceError(
                f"{header.root}: DATE-OBS {day!r}, TIME-OBS {time!r} is no date, "
                "so no reference file can be chosen"
            ) from error
    epoch = datetime(1858, 11, 17)  # noqa: DTZ001 - UTC, as CRDS compares dates
    return epoch + timedelta(days=header.start_mjd)
