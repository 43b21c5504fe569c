"""The provenance of a product, read back from its header and its two tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .content import HASH_CARD
from .fits_layout import Hdu, find_hdu, read_table, scan_fits


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProvenance:
    """What a product says about itself.

    Attributes
    ----------
    primary, science : mapping of keyword to value
    content_hash, version : str
        Empty where the product is not ours.
    inputs, references, parameters : mapping of str to str
        Content hash by file name; name and sha1 by reference type; value by dotted path.
    steps : mapping of str to float
        Seconds by step, of those that were run; NaN where not measured.
    """

    primary: Mapping[str, Any]
    science: Mapping[str, Any]
    content_hash: str
    version: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, float] = field(default_factory=dict)


def read_provenance(path: Path) -> StoredProvenance:
    """Read what a product says about itself; no pixel is read.

    Raises
    ------
    InputError
        A file that is no whole FITS file.
    """
    hdus = scan_fits(path)
    primary, science = hdus[0].header, find_hdu(hdus, "SCI")
    rows = [
        (kind.decode(), name.decode(), value.decode(), float(seconds))
        for kind, name, value, seconds in _rows(path, find_hdu(hdus, "PROVENANCE"))
    ]
    return StoredProvenance(
        primary=primary,
        science={} if science is None else science.header,
        content_hash=str(primary.get(HASH_CARD, "")),
        version=next((value for kind, _, value, _ in rows if kind == "software"), ""),
        inputs={name: value for kind, name, value, _ in rows if kind == "input"},
        references={
            name: value for kind, name, value, _ in rows if kind == "reference"
        },
        parameters={
            row[0].decode(): row[1].decode()
            for row in _rows(path, find_hdu(hdus, "PARAMETERS"))
        },
        steps={
            name: seconds
            for kind, name, value, seconds in rows
            if kind == "step" and value == "COMPLETE"
        },
    )


def _rows(path: Path, hdu: Hdu | None) -> list[tuple[Any, ...]]:
    return [] if hdu is None else [tuple(row) for row in read_table(path, hdu)]
