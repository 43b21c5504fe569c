"""Writing raw exposures and reference files, as the archive and CRDS have them.

The simulator makes both, and ``rampline sky-flat`` makes flats. They are laid out as the real
ones, so that the reduction and `jwst` read them. RamplineError says why a file cannot be written.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .. import flags
from ..exposure.header import Card, put_cards
from ..exposure.records import Ramp
from .embedded import ASDF_HDU, embedded_tree
from .fits_output import Part, write_fits
from .header_cards import exposure_cards
from .stamp import stamp_cards
from .whole_file import whole_file

REFERENCE_MODEL: Final = {
    "abvegaoffset": "ABVegaOffsetModel",
    "apcorr": "NrcImgApcorrModel",
    "area": "PixelAreaModel",
    "dark": "DarkModel",
    "distortion": "DistortionModel",
    "filteroffset": "FilteroffsetModel",
    "flat": "FlatModel",
    "gain": "GainModel",
    "ipc": "IPCModel",
    "linearity": "LinearityModel",
    "mask": "MaskModel",
    "photom": "NrcImgPhotomModel",
    "readnoise": "ReadnoiseModel",
    "saturation": "SaturationModel",
    "superbias": "SuperBiasModel",
}
"""DATAMODL of each reference type."""


def write_level1b(path: Path, ramp: Ramp) -> str:
    """Write a raw exposure, ``_uncal``.

    Parameters
    ----------
    path : Path
    ramp : Ramp
        With uint16 samples.

    Raises
    ------
    ValueError
        Where the samples are no longer raw.
    RamplineError
        Where the file cannot be written.
    """
    if ramp.samples.dtype != np.uint16:
        raise ValueError(f"raw samples are uint16, not {ramp.samples.dtype}")
    primary, science = exposure_cards(ramp.header)
    parts = [Part("SCI", ramp.samples, science)]
    if ramp.zero_frame is not None:
        parts.append(Part("ZEROFRAME", ramp.zero_frame, (Card("BUNIT", "DN"),)))
    tables = {"GROUP": ramp.group_times, "INT_TIMES": ramp.int_times}
    parts += [Part(name, rows) for name, rows in tables.items() if rows is not None]
    # `jwst` cannot open it without
    parts.append(Part(ASDF_HDU, embedded_tree()))
    stamp = stamp_cards(path, "Level1bModel")
    zero = Card("ZEROFRAM", ramp.zero_frame is not None, "Zero frame was downlinked")
    return write_fits(path, put_cards(primary, (*stamp, zero)), parts)


def write_reference(
    path: Path, kind: str, cards: Sequence[Card], parts: Sequence[Part]
) -> None:
    """Write a CRDS-format reference file in FITS.

    Parameters
    ----------
    path : Path
    kind : str
        Reference type, a key of `REFERENCE_MODEL`.
    cards : sequence of Card
        Primary cards: what the file is for (DETECTOR, FILTER, ...), USEAFTER, DESCRIP,
        AUTHOR, PEDIGREE.
    parts : sequence of Part
        Extensions as the type has them; a DQ plane in JWST's bits gets its DQ_DEF table.
    """
    parts = list(parts)
    if any(part.name == "DQ" for part in parts):
        parts.append(Part("DQ_DEF", _flag_definitions()))
    parts.append(Part(ASDF_HDU, embedded_tree()))
    stamp = stamp_cards(path, REFERENCE_MODEL[kind])
    about = (
        Card("TELESCOP", "JWST", "Telescope used to acquire the data"),
        Card("INSTRUME", "NIRCAM", "Instrument used to acquire the data"),
        Card("REFTYPE", kind.upper(), "Reference file type"),
    )
    write_fits(path, put_cards((*stamp, *about), tuple(cards)), parts)


def write_asdf_reference(
    path: Path, kind: str, meta: Mapping[str, Any], tree: Mapping[str, Any]
) -> None:
    """Write a CRDS-format reference file in ASDF: distortion, filteroffset, abvegaoffset.

    Parameters
    ----------
    path : Path
    kind : str
    meta : mapping
        What the file is for, as CRDS nests it: ``{"instrument": {"detector": ...}, ...}``.
    tree : mapping
        The content beside ``meta``: ``model``, ``filters`` or ``abvega_offset``.
    """
    import asdf  # noqa: PLC0415  takes 0.3 s, and reductions need it late or never

    stamp = {
        card.keyword: card.value for card in stamp_cards(path, REFERENCE_MODEL[kind])
    }
    about = {
        "date": stamp["DATE"],
        "filename": path.name,
        "model_type": stamp["DATAMODL"],
        "reftype": kind,
        "telescope": "JWST",
    }
    instrument = {"name": "NIRCAM", **meta.get("instrument", {})}
    content = {"meta": {**about, **meta, "instrument": instrument}, **tree}
    with whole_file(path) as beside:
        asdf.AsdfFile(content).write_to(beside)


def _flag_definitions() -> NDArray[np.void]:
    """Return the DQ_DEF table of JWST's own bits."""
    rows = [
        (bit.bit_length() - 1, bit, name.encode(), flags.MEANING[bit].encode())
        for bit, name in flags.NAME.items()
    ]
    # Real files hold VALUE as uint32.
    return np.array(
        rows, [("BIT", "i4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")]
    )
