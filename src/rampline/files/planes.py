"""The parts of a product one by one, each checked against the others when it is read."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..exposure.geometry import Geometry
from ..exposure.header import Header, card_values
from ..exposure.records import Photometry, SlopePlanes, TableData
from .accepted import refuse_foreign, refuse_mosaic
from .embedded import ASDF_HDU, embedded_sha256
from .fits_layout import Hdu, find_hdu, read_bytes, read_image, read_table, scan_fits
from .geometry_table import GEOMETRY_HDU, geometry_from_table, stored_sha256
from .names import parse_product

_OWN_TABLES: Final = ("PARAMETERS", "PROVENANCE", GEOMETRY_HDU, ASDF_HDU, "HDRTAB")
SLOPE_HDUS: Final = ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE", "INT_TIMES")
SKY_HDUS: Final = (*SLOPE_HDUS, "AREA", "VAR_FLAT")


def open_exposure(path: Path) -> tuple[tuple[Hdu, ...], Hdu]:
    """Scan a file that must be of NIRCam's imaging; return its parts, and SCI of them.

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
        raise InputError(str(path), "no SCI extension")
    return science


def check_axes(path: Path, header: Header, science: Hdu) -> None:
    """Hold the data's axes against the keywords, once for all."""
    readout = header.readout
    n_ints, n_groups = science.shape[:2]
    if n_groups == 0 or n_ints == 0:
        raise InputError(str(path), "no groups in the data")
    for keyword, said, found in (
        ("NGROUPS", readout.n_groups, n_groups),
        ("the number of integrations", readout.n_ints, n_ints),
    ):
        if said != found:
            what = f"the header says {keyword} {said}, the data have {found}"
            raise InputError(str(path), what)
    check_subarray(path, header, science)


def check_subarray(path: Path, header: Header, science: Hdu) -> None:
    """Hold rows and columns against SUBSIZE2 and SUBSIZE1."""
    cards = card_values(header.primary)
    said = (cards.get("SUBSIZE2"), cards.get("SUBSIZE1"))
    if said != science.shape[-2:]:
        what = f"SUBSIZE2, SUBSIZE1 {said} contradict the data {science.shape[-2:]}"
        raise InputError(str(path), what)


def check_unit(
    path: Path, science: Hdu, unit: str, kind: str, n_axes: tuple[int, ...]
) -> None:
    """Refuse images of another processing level."""
    found = str(science.header.get("BUNIT", "no unit")).strip()
    if len(science.shape) not in n_axes or found != unit:
        what = f"no {kind} (SCI has {len(science.shape)} axes, in {found})"
        raise InputError(str(path), what)


def read_slope_planes(path: Path, hdus: tuple[Hdu, ...]) -> SlopePlanes:
    """Read the five planes of slopes."""
    return SlopePlanes(
        slope=read_plane(path, hdus, "SCI"),
        err=read_plane(path, hdus, "ERR"),
        var_poisson=read_plane(path, hdus, "VAR_POISSON"),
        var_read=read_plane(path, hdus, "VAR_RNOISE"),
        flags=read_plane(path, hdus, "DQ"),
    )


def read_plane(
    path: Path,
    hdus: tuple[Hdu, ...],
    name: str,
    fill: float | None = None,
    n_axes: int = 0,
    read: Callable[[Path, Hdu], NDArray[Any]] = read_image,
) -> NDArray[Any]:
    """Read a plane of the shape of SCI, or of its last axes.

    A plane that is absent is filled with ``fill``, an error where there is none.
    """
    shape, hdu = find_science(path, hdus).shape[-n_axes:], find_hdu(hdus, name)
    if hdu is None:
        if fill is None:
            raise InputError(str(path), f"no {name} extension")
        return np.full(shape, fill, np.float32)
    if hdu.shape != shape:
        raise InputError(str(path), f"{name} {hdu.shape} does not fit SCI {shape}")
    return read(path, hdu)


def find_table(path: Path, hdus: tuple[Hdu, ...], name: str) -> TableData | None:
    """Read a table, or None where the file has none."""
    hdu = find_hdu(hdus, name)
    return None if hdu is None else read_table(path, hdu)


def read_extras(
    path: Path,
    hdus: tuple[Hdu, ...],
    known: tuple[str, ...],
    read: Callable[[Path, Hdu], NDArray[Any]] = read_image,
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
        raise InputError(str(path), what)
    return Photometry(mjy_sr_per_dn_s=factor, pixel_area_sr=area)


def read_background(cards: Mapping[str, Any]) -> float:
    """Read the measured sky level; NaN where none is recorded.

    The BKGLEVEL of `jwst` is another thing: what is to go before exposures are combined.
    """
    level = cards.get("SKYLEVEL")
    return float(level) if isinstance(level, int | float) else float("nan")


def is_subtracted(cards: Mapping[str, Any]) -> bool:
    """Whether the sky is out of the image: our word for it, else that of `jwst`."""
    return cards.get("SKYSUB", cards.get("BKGSUB")) is True


def read_geometry(path: Path, hdus: tuple[Hdu, ...]) -> Geometry | None:
    """Read our geometry unless the WCS was replaced after we wrote it."""
    table, embedded = find_hdu(hdus, GEOMETRY_HDU), find_hdu(hdus, ASDF_HDU)
    if table is None or embedded is None:
        return None
    if stored_sha256(table.header) != embedded_sha256(read_bytes(path, embedded)):
        return None
    return geometry_from_table(read_image(path, table), table.header)
