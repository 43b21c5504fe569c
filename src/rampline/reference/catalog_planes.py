"""What the source catalogue needs: aperture corrections, and the AB-to-Vega offset."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingReferenceError
from ..exposure.header import Header
from ..exposure.planes import CatalogPlanes
from ..files.fits_layout import find_hdu, read_table, scan_fits
from .asdf_file import read_columns
from .selection import CATALOG_KINDS, ReferenceFiles

ENCIRCLED_ENERGY = (0.3, 0.5, 0.7)
"""The three apertures of step ``source_catalog``."""


def load_catalog_planes(files: ReferenceFiles, header: Header) -> CatalogPlanes:
    """Load apertures, their corrections and the Vega offset of a filter.

    Parameters
    ----------
    files : ReferenceFiles
        With `CATALOG_KINDS`.
    header : Header
        Of one of the exposures of the mosaic.

    Raises
    ------
    MissingReferenceError
        One line with exposure, type and file: missing, damaged or without a row.
    """
    used = files.require(header, CATALOG_KINDS)
    rows = [_apcorr_row(files.paths["apcorr"], header, ee) for ee in ENCIRCLED_ENERGY]
    skies = {(row["skyin"], row["skyout"]) for row in rows}
    if len(skies) != 1:
        raise _no_row(header, "apcorr", files.paths["apcorr"], "one sky annulus")
    sky_in, sky_out = skies.pop()
    return CatalogPlanes(
        encircled_energy=np.array(ENCIRCLED_ENERGY),
        radius_px=_column(rows, "radius"),
        correction=_column(rows, "apcorr"),
        sky_in_px=sky_in,
        sky_out_px=sky_out,
        ab_minus_vega=_ab_minus_vega(files.paths["abvegaoffset"], header),
        files=used,
    )


def _apcorr_row(path: Path, header: Header, fraction: float) -> dict[str, float]:
    """Return the row of this filter, pupil and fraction, by column."""
    names = ("eefraction", "radius", "apcorr", "skyin", "skyout")
    table = _apcorr_table(path, header)
    try:
        index = np.flatnonzero(
            _is_filter(table["filter"], table["pupil"], header)
            & (np.round(table["eefraction"] * 100) == round(fraction * 100))
        )
        rows = [{name: float(table[name][i]) for name in names} for i in index]
    except KeyError as error:
        raise _no_row(header, "apcorr", path, f"column {error}") from error
    if len(rows) != 1:
        what = f"row for encircled energy {fraction:g}"
        raise _no_row(header, "apcorr", path, what)
    return rows[0]


def _apcorr_table(path: Path, header: Header) -> dict[str, NDArray[Any]]:
    """Return the columns of the table of aperture corrections."""
    try:
        table = find_hdu(scan_fits(path), "APCORR")
        rows = None if table is None else read_table(path, table)
    except InputError as error:
        raise MissingReferenceError(
            f"{header.root}: apcorr reference file cannot be read: {error}"
        ) from error
    if rows is None:
        raise _no_row(header, "apcorr", path, "APCORR extension")
    return {name.lower(): rows[name] for name in rows.dtype.names or ()}


def _ab_minus_vega(path: Path, header: Header) -> float:
    """Return the AB magnitude minus the Vega magnitude of the filter."""
    table = read_columns(path, "abvegaoffset", header, "abvega_offset")
    index = np.flatnonzero(_is_filter(table["filter"], table["pupil"], header))
    offsets = [float(table["abvega_offset"][i]) for i in index]
    if len(offsets) != 1:
        raise _no_row(header, "abvegaoffset", path, "row")
    return offsets[0]


def _is_filter(filters: Any, pupils: Any, header: Header) -> NDArray[np.bool_]:
    """Tell which rows are those of the exposure's filter and pupil."""
    is_filter = np.char.strip(np.asarray(filters, str)) == header.filter
    is_pupil = np.char.strip(np.asarray(pupils, str)) == header.pupil
    return np.asarray(is_filter & is_pupil, np.bool_)


def _column(rows: list[dict[str, float]], name: str) -> NDArray[np.float64]:
    return np.array([row[name] for row in rows], np.float64)


def _no_row(header: Header, kind: str, path: Path, what: str) -> MissingReferenceError:
    return MissingReferenceError(
        f"{header.root}: {kind} reference file {path.name} has no {what} "
        f"for {header.filter} {header.pupil}"
    )
