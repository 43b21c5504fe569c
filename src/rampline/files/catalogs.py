"""Catalogues as ECSV and associations as JSON: text files, written whole or not at all."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .content import HASH_CARD
from .provenance import Provenance
from .whole_file import write_ecsv, write_json


def write_catalog(path: Path, table: Any, provenance: Provenance) -> str:
    """Write a catalogue, ``_cat.ecsv``, with its content hash in the meta data.

    Parameters
    ----------
    path : Path
    table : astropy.table.Table
    provenance : Provenance
        Its version, parameters and inputs go into the meta data.

    Returns
    -------
    str
        sha256 over names, units and values of all columns.
    """
    described = table.copy(copy_data=False)
    found = _table_hash(described)
    described.meta = {
        **table.meta,
        "software": f"rampline {provenance.version}",
        "inputs": {file.name: file.content_hash for file in provenance.inputs},
        "parameters": {row.name: row.value for row in provenance.parameters},
        HASH_CARD.lower(): found,
    }
    write_ecsv(path, described)
    return found


def read_catalog(path: Path) -> Any:
    """Read a catalogue: ours, that of `jwst`, or one the user gives.

    Returns
    -------
    astropy.table.QTable

    Raises
    ------
    InputError
        A file that is no ECSV table.
    """
    from astropy.table import QTable  # noqa: PLC0415  0.3 s, for catalogues only

    try:
        return QTable.read(path, format="ascii.ecsv")
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(str(path), f"no ECSV table ({reason})") from error


def known_values(column: Any) -> NDArray[np.float64]:
    """Return the values of a column of numbers, (rows,) float64, NaN where masked."""
    values = np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)
    return np.asarray(values, np.float64)


def write_association(
    path: Path, product: str, members: Sequence[str], program: str, version: str
) -> None:
    """Write the association of a mosaic, ``_asn.json``, for `jwst`'s stage 3.

    Parameters
    ----------
    path : Path
    product : str
        Root of the mosaic's name.
    members : sequence of str
        Files of the exposures, relative to the association's folder.
    program : str
    version : str
        Of rampline.
    """
    content = {
        "asn_type": "image3",
        "asn_rule": "DMS_Level3_Base",
        "version_id": None,
        "code_version": f"rampline {version}",
        "degraded_status": "No known degraded exposures in association.",
        "program": program,
        "constraints": "No constraints",
        "asn_id": "a3001",
        "target": "none",
        "asn_pool": "none",
        "products": [
            {
                "name": product,
                "members": [
                    {"expname": name, "exptype": "science"} for name in members
                ],
            }
        ],
    }
    write_json(path, content)


def read_association(path: Path) -> list[Path]:
    """Read which exposures an association names: science and dedicated backgrounds.

    Returns
    -------
    list of Path
        Each once, in the order given; relative names are beside the association.

    Raises
    ------
    InputError
        A file that is no association.
    """
    try:
        content = json.loads(path.read_text())
        names = [
            member["expname"]
            for product in content["products"]
            for member in product["members"]
            if member["exptype"] in {"science", "background"}
        ]
        return [path.parent / name for name in dict.fromkeys(names)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(str(path), f"no association ({error})") from error


def _table_hash(table: Any) -> str:
    """Hash names, units and values, column by column."""
    digest = hashlib.sha256()
    for name in table.colnames:
        for part in _plain_columns(table[name]):
            digest.update(f"{name} {getattr(table[name], 'unit', None)}".encode())
            digest.update(part)
    return digest.hexdigest()


def _plain_columns(column: Any) -> list[bytes]:
    """Return a column's values as bytes; sky positions are two columns."""
    if hasattr(column, "spherical"):
        return [_bytes(column.ra.deg), _bytes(column.dec.deg)]
    return [_bytes(getattr(column, "value", column))]


def _bytes(values: Any) -> bytes:
    """Return values in one byte order with one kind of NaN."""
    array = np.array(values)
    if array.dtype.kind == "f":
        array[np.isnan(array)] = np.nan
    if array.dtype.kind in "OU":
        return "\n".join(map(str, array.reshape(-1))).encode()
    return array.astype(array.dtype.newbyteorder("<")).tobytes()
