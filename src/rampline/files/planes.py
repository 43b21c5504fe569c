"""Reading the extensions of a product, each checked against the others."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..exposure.header import Header, card_values
from ..exposure.records import Photometry, SlopePlanes, TableData
from .accepted import refuse_foreign, refuse_mosaic
from .embedded import ASDF_HDU
from .fits_layout import (
    AGAIN,
    ORIGINAL,
    Hdu,
    find_hdu,
    map_image,
    read_image,
    read_table,
    scan_fits,
)
from .geometry_table import GEOMETRY_HDU
from .names import parse_product

_OWN_TABLES: Final = ("PARAMETERS", "PROVENANCE", GEOMETRY_HDU, ASDF_HDU, "HDRTAB")
SLOPE_HDUS: Final = ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE", "INT_TIMES")
SKY_HDUS: Final = (*SLOPE_HDUS, "AREA", "VAR_FLAT")
_IN_UNIT: Final = {
    "DN/s": "give the _rate or _rateints file",
    "MJy/sr": "give the _cal or _i2d file",
}
"""Remedy for a file that is not in this unit."""
Read: TypeAlias = Callable[[Path, Hdu], NDArray[Any]]
"""Reads the image of an extension."""


def open_exposure(path: Path) -> tuple[tuple[Hdu, ...], Hdu]:
    """Scan a file that must be a NIRCam imaging exposure; return its extensions and SCI.

    Raises
    ------
    InputError
        A file that is broken, of another kind, or without SCI extension.
    """
    hdus = scan_fits(path)
    refuse_foreign(str(path), hdus[0].header, parse_product(path.name).suffix)
    refuse_mosaic(str(path), hdus[0].header)
    return hdus, find_science(path, hdus)


def find_science(path: Path, hdus: tuple[Hdu, ...]) -> Hdu:
    """Return the SCI extension, an error where there is none."""
    science = find_hdu(hdus, "SCI")
    if science is None:
        raise InputError(str(path), "no SCI extension", ORIGINAL)
    return science


def check_axes(path: Path, header: Header, science: Hdu) -> None:
    """Check the axes of the data against the keywords."""
    readout = header.readout
    n_ints, n_groups = science.shape[:2]
    if n_groups == 0 or n_ints == 0:
        raise InputError(str(path), "no groups in the data", AGAIN)
    for keyword, said, found in (
        ("NGROUPS", readout.n_groups, n_groups),
        ("the number of integrations", readout.n_ints, n_ints),
    ):
        if said != found:
            what = f"the header says {keyword} {said}, the data have {found}"
            raise InputError(str(path), what, ORIGINAL)
    check_subarray(path, header, science)


def check_subarray(path: Path, header: Header, science: Hdu) -> None:
    """Check rows and columns against SUBSIZE2 and SUBSIZE1."""
    cards = card_values(header.primary)
    said = (cards.get("SUBSIZE2"), cards.get("SUBSIZE1"))
    if said != science.shape[-2:]:
        what = f"SUBSIZE2, SUBSIZE1 {said} contradict the data {science.shape[-2:]}"
        raise InputError(str(path), what, ORIGINAL)


def check_unit(
    path: Path, science: Hdu, unit: str, kind: str, n_axes: tuple[int, ...]
) -> None:
    """Refuse images of another processing level."""
    found = str(science.header.get("BUNIT", "no unit")).strip()
    if len(science.shape) not in n_axes or found != unit:
        what = f"no {kind} (SCI has {len(science.shape)} axes, in {found})"
        raise InputError(str(path), what, _IN_UNIT[unit])


def read_slope_planes(path: Path, hdus: tuple[Hdu, ...]) -> SlopePlanes:
    """Read the five planes of slopes."""
    return SlopePlanes(
        slope=read_plane(path, hdus, "SCI"),
        err=read_plane(path, hdus, "ERR"),
        var_poisson=read_plane(path, hdus, "VAR_POISSON"),
        var_read=read_plane(path, hdus, "VAR_RNOISE"),
        flags=read_plane(path, hdus, "DQ"),
    )


def read_or_map(computed: Collection[str] | None) -> Read:
    """Return what reads the extensions of these names and maps all others.

    Parameters
    ----------
    computed : collection of str or None
        Names of the extensions that will be computed with; None for all. Mapped ones are
        big-endian, as they are stored, and cost nothing until they are copied.
    """

    def read(path: Path, hdu: Hdu) -> NDArray[Any]:
        whole = computed is None or hdu.name in computed
        return read_image(path, hdu) if whole else map_image(path, hdu)

    return read


def read_plane(
    path: Path,
    hdus: tuple[Hdu, ...],
    name: str,
    fill: float | None = None,
    n_axes: int = 0,
    read: Read = read_image,
) -> NDArray[Any]:
    """Read a plane of the shape of SCI, or of its last axes.

    A plane that is absent is filled with ``fill``; without a ``fill`` it is an error.
    """
    shape, hdu = find_science(path, hdus).shape[-n_axes:], find_hdu(hdus, name)
    if hdu is None:
        if fill is None:
            raise InputError(str(path), f"no {name} extension", ORIGINAL)
        return np.full(shape, fill, np.float32)
    if hdu.shape != shape:
        what = f"{name} {hdu.shape} does not fit SCI {shape}"
        raise InputError(str(path), what, ORIGINAL)
    return read(path, hdu)


def find_table(path: Path, hdus: tuple[Hdu, ...], name: str) -> TableData | None:
    """Read a table, or None where the file has none."""
    hdu = find_hdu(hdus, name)
    return None if hdu is None else read_table(path, hdu)


def read_extras(
    path: Path,
    hdus: tuple[Hdu, ...],
    known: tuple[str, ...],
    read: Read = read_image,
) -> dict[str, NDArray[Any]]:
    """Read the planes that are neither JWST's nor tables."""
    return {
        hdu.name: read(path, hdu)
        for hdu in hdus[1:]
        if not hdu.is_table and hdu.name not in (*known, *_OWN_TABLES)
    }


def read_photometry(path: Path, cards: Mapping[str, Any]) -> Photometry:
    """Read the flux conversion."""
    factor, area = cards.get("PHOTMJSR"), cards.get("PIXAR_SR")
    if not (
        isinstance(factor, float) and isinstance(area, float) and factor * area > 0
    ):
        what = f"PHOTMJSR {factor} and PIXAR_SR {area} are not two positive numbers"
        raise InputError(str(path), what, "calibrate it again from its _rate file")
    return Photometry(mjy_sr_per_dn_s=factor, pixel_area_sr=area)


def read_background(cards: Mapping[str, Any]) -> float:
    """Read the measured sky level; NaN where none is recorded.

    The BKGLEVEL of `jwst` is something else: a level that is still to be subtracted when
    exposures are combined.
    """
    level = cards.get("SKYLEVEL")
    return float(level) if isinstance(level, int | float) else float("nan")


def is_subtracted(cards: Mapping[str, Any]) -> bool:
    """Whether the sky is subtracted: by our card SKYSUB, else by BKGSUB of `jwst`."""
    return cards.get("SKYSUB", cards.get("BKGSUB")) is True
