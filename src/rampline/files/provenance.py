"""What was done to a product: cards in its header, and tables.

The cards are JWST's own: a step of ours that takes the place of one of `jwst` sets that
step's card, so that `jwst` knows what it need not do again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.header import Card
from ..exposure.planes import UsedFile
from ..params import ParameterRow

STEP_CARD: Final = {
    "group_scale": ("S_GRPSCL", "Group Scale Correction"),
    "data_quality": ("S_DQINIT", "Data Quality Initialization"),
    "saturation": ("S_SATURA", "Saturation Checking"),
    "ipc": ("S_IPC", "Interpixel Capacitance Correction"),
    "superbias": ("S_SUPERB", "Superbias Subtraction"),
    "reference_pixels": ("S_REFPIX", "Reference Pixel Correction"),
    "linearity": ("S_LINEAR", "Linearity Correction"),
    "persistence": ("S_PERSIS", "Persistence Correction"),
    "dark": ("S_DARK", "Dark Subtraction"),
    "charge_migration": ("S_CHGMIG", "Charge Migration"),
    "jumps": ("S_JUMP", "Jump Detection"),
    "flicker_noise": ("S_CLNFNS", "Clean Flicker Noise"),
    "slopes": ("S_RAMP", "Ramp Fitting"),
    "gain_scale": ("S_GANSCL", "Gain Scale Correction"),
    "geometry": ("S_WCS", "Assign World Coordinate System"),
    "dedicated_background": ("S_BKDSUB", "Background Subtraction"),
    "flat": ("S_FLAT", "Flat Field Correction"),
    "flux": ("S_PHOTOM", "Photometric Calibration"),
    "alignment": ("S_TWKREG", "Image Alignment via Astronomical Sources"),
    "sky_matching": ("S_SKYMAT", "Sky Background Equalization or Subtraction"),
    "outliers": ("S_OUTLIR", "Outlier Detection"),
    "drizzle": ("S_RESAMP", "Image resampling"),
    "catalog": ("S_SRCCAT", "Source Catalog Creation"),
}
"""JWST's card and comment of each step that has one."""

KEY_CARD: Final = "TASKKEY"
"""Card of `Provenance.task_key`."""

REFERENCE_CARD: Final = {
    "abvegaoffset": "R_ABVEGA",
    "apcorr": "R_APCORR",
    "area": "R_AREA",
    "dark": "R_DARK",
    "distortion": "R_DISTOR",
    "filteroffset": "R_FILOFF",
    "flat": "R_FLAT",
    "gain": "R_GAIN",
    "ipc": "R_IPC",
    "linearity": "R_LINEAR",
    "mask": "R_MASK",
    "photom": "R_PHOTOM",
    "readnoise": "R_READNO",
    "saturation": "R_SATURA",
    "superbias": "R_SUPERB",
}
"""JWST's card of each reference type; AB-Vega and aperture corrections are ours."""


NOT_MEASURED: Final = math.nan
"""Seconds of a step whose time is part of another's, or was spent elsewhere."""


class StepRun(NamedTuple):
    """One step of the path as it went."""

    step: str
    """Its name in the parameters."""
    seconds: float
    """`NOT_MEASURED` where they are not known."""
    status: Literal["COMPLETE", "SKIPPED"] = "COMPLETE"


class InputFile(NamedTuple):
    """One file that a product was made from."""

    name: str
    """Without folder."""
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How a product came about.

    Attributes
    ----------
    version : str
        Of rampline.
    steps : tuple of StepRun
        In the order run.
    parameters : tuple of ParameterRow
        From ``params.walk_params``.
    references : tuple of UsedFile
    inputs : tuple of InputFile
    crds_context : str
        Context that chose the references; empty where they came from a folder.
    crds_version : str
        Of the ``crds`` client; empty as above.
    problems : tuple of str
        One line for each correction that could not be made as requested.
    task_key : str
        Hash of all that determines the product: as long as it is the same, the product is
        up to date. Empty where that is never checked.
    """

    version: str
    steps: tuple[StepRun, ...] = ()
    parameters: tuple[ParameterRow, ...] = ()
    references: tuple[UsedFile, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    crds_context: str = ""
    crds_version: str = ""
    problems: tuple[str, ...] = ()
    task_key: str = ""


def provenance_cards(provenance: Provenance) -> tuple[Card, ...]:
    """Return the cards of the primary header that say what was done."""
    return (
        Card(
            "CAL_VER", f"rampline {provenance.version}", "Calibration Software Version"
        ),
        Card("CAL_VCS", "RELEASE", "Calibration Software Repository Version"),
        *_key_cards(provenance),
        *_crds_cards(provenance),
        *(
            Card(STEP_CARD[run.step][0], run.status, STEP_CARD[run.step][1])
            for run in provenance.steps
            if run.step in STEP_CARD
        ),
    )


def parameters_table(rows: Sequence[ParameterRow]) -> NDArray[np.void]:
    """Return the rows of the PARAMETERS extension."""
    names = ("name", "value", "unit", "default", "meaning")
    columns = [[str(getattr(row, name)) for row in rows] for name in names]
    return _text_table(names, columns)


def provenance_table(provenance: Provenance) -> NDArray[np.void]:
    """Return the rows of the PROVENANCE extension: kind, name, value, seconds."""
    rows: list[tuple[str, str, str, float]] = [
        ("software", "rampline", provenance.version, np.nan)
    ]
    rows += [
        ("input", file.name, file.content_hash, np.nan) for file in provenance.inputs
    ]
    rows += [
        ("reference", file.kind, f"{file.name} {file.sha1}", np.nan)
        for file in provenance.references
    ]
    rows += [("step", run.step, run.status, run.seconds) for run in provenance.steps]
    rows += [("problem", "", line, np.nan) for line in provenance.problems]
    *words, seconds = zip(*rows, strict=True)
    table = _text_table(("kind", "name", "value"), words)
    return _with_column(table, "seconds", np.array(seconds, np.float64))


def _key_cards(provenance: Provenance) -> tuple[Card, ...]:
    """Return the card by which a product says whether it is up to date."""
    if not provenance.task_key:
        return ()
    return (Card(KEY_CARD, provenance.task_key, "hash of what determines this file"),)


def _crds_cards(provenance: Provenance) -> tuple[Card, ...]:
    """Return the cards about reference files."""
    found: list[Card] = []
    if provenance.crds_context:
        found += [
            Card("CRDS_VER", provenance.crds_version, "Version of CRDS client"),
            Card("CRDS_CTX", provenance.crds_context, "CRDS context (.pmap)"),
        ]
    prefix = "crds://" if provenance.crds_context else ""
    found += [
        Card(REFERENCE_CARD[file.kind], f"{prefix}{file.name}", "Reference file")
        for file in provenance.references
        if file.kind in REFERENCE_CARD
    ]
    return tuple(found)


def _text_table(
    names: Sequence[str], columns: Sequence[Sequence[str]]
) -> NDArray[np.void]:
    """Return a table of words; FITS tables hold ASCII only."""
    encoded = [
        np.array([word.encode("ascii", "replace") for word in column] or [], "S")
        for column in columns
    ]
    width = [max(column.dtype.itemsize, 1) for column in encoded]
    dtype = [(name, f"S{w}") for name, w in zip(names, width, strict=True)]
    table = np.empty(len(encoded[0]), dtype)
    for name, column in zip(names, encoded, strict=True):
        table[name] = column
    return table


def _with_column(
    table: NDArray[np.void], name: str, values: NDArray[Any]
) -> NDArray[np.void]:
    """Return the table with one more column."""
    wider = np.empty(len(table), [*table.dtype.descr, (name, values.dtype)])
    for field in table.dtype.names or ():
        wider[field] = table[field]
    wider[name] = values
    return wider
