"""Tables as ECSV text: ours written, plain ones of anybody read, without `astropy`.

ECSV (Astropy Proposal for Enhancement 6) is a YAML header in comments, then words between
blanks. The header is written in YAML's flow style, one line a column; `astropy` reads it
into quantities and sky positions. What is read comes as bare arrays: who wants more asks
`astropy` (`catalogs.read_catalog`).
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..exposure.source_table import Column, SourceTable

_UNIT: Final = "!astropy.units.Unit {{unit: {}}}"
_COLUMN: Final = "!astropy.table.SerializedColumn {{name: {}}}"
_ANGLE: Final = (
    "!astropy.table.SerializedColumn {{__class__: astropy.coordinates.angles.core.{},"
    " unit: !astropy.units.Unit {{unit: deg}}, value: " + _COLUMN + "{}}}"
)
_WRAP: Final = (
    ", wrap_angle: !astropy.coordinates.Angle {unit: !astropy.units.Unit {unit: deg},"
    " value: 360.0}"
)


def ecsv_text(table: SourceTable) -> str:
    """Return a table as the text of an ECSV file.

    Parameters
    ----------
    table : SourceTable

    Returns
    -------
    str
    """
    meta = [f"- {{{json.dumps(k)}: {_flow(v)}}}" for k, v in table.meta.items()]
    mixed = list(_mixins(table.columns.values()))
    if mixed:
        meta.append("- __serialized_columns__:")
    written = [part for c in table.columns.values() for part in _parts(c)]
    header = [
        "%ECSV 1.0",
        "---",
        "datatype:",
        *(_described(part) for part in written),
        *(["meta: !!omap"] if meta else []),
        *meta,
        *mixed,
        "schema: astropy-2.0",
    ]
    names = " ".join(_word(part.name) for part in written)
    cells = [_cells(part.values) for part in written]
    rows = map(" ".join, zip(*cells, strict=True))
    return "\n".join([*(f"# {line}" for line in header), names, *rows, ""])


def read_ecsv(path: Path) -> SourceTable:
    """Read the plain columns of an ECSV table.

    Parameters
    ----------
    path : Path
        Ours, or one the user gives.

    Returns
    -------
    SourceTable
        Numbers that are left open are NaN, words empty; a position on the sky is two
        columns, ``<name>.ra`` and ``<name>.dec``.

    Raises
    ------
    InputError
        A file that is no ECSV table.
    """
    try:
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        n_header = next(
            (i for i, line in enumerate(lines) if not line.startswith("#")), len(lines)
        )
        if not lines or not lines[0].startswith("# %ECSV "):
            raise ValueError("it does not begin with %ECSV")  # noqa: TRY301
        header = _header([line[2:] for line in lines[1:n_header]])
        delimiter = header.get("delimiter", " ")
        rows = csv.reader(lines[n_header:], delimiter=delimiter, skipinitialspace=True)
        return _table(header, next(rows, []), [row for row in rows if row])
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(str(path), f"no ECSV table ({reason})") from error


def _header(lines: Sequence[str]) -> dict[str, Any]:
    """Read the YAML of a header; what `astropy` makes of its own tags is left out."""
    # it has no types of its own
    yaml: Any = import_module("yaml")
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("_Loader", (base,), {})
    loader.add_multi_constructor("!", lambda *_: None)
    try:
        return dict(yaml.load("\n".join(lines), Loader=loader))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _table(
    header: Mapping[str, Any], names: Sequence[str], rows: Sequence[Sequence[str]]
) -> SourceTable:
    """Turn words into numbers as the header says."""
    described = header["datatype"]
    if [one["name"] for one in described] != list(names):
        raise ValueError("the names of its columns are not those of its header")
    if any(len(row) != len(names) for row in rows):
        raise ValueError(f"a row that has not {len(names)} values")
    cells = list(zip(*rows, strict=True)) or [()] * len(names)
    table = SourceTable(meta=_meta(header.get("meta")))
    for one, words in zip(described, cells, strict=True):
        values = _values(words, str(one["datatype"]), str(one.get("subtype", "")))
        meaning, unit = str(one.get("description", "")), str(one.get("unit", ""))
        form = str(one.get("format", ""))
        table.add(Column(str(one["name"]), values, meaning, unit, form))
    return table


def _meta(found: Any) -> dict[str, Any]:
    """Return the meta data, which may be an ordered list of pairs."""
    pairs = dict(found or {})
    return {str(k): v for k, v in pairs.items() if k != "__serialized_columns__"}


def _values(words: Sequence[str], datatype: str, subtype: str) -> NDArray[Any]:
    """Return a column's array."""
    if subtype:
        return np.array([json.loads(word) for word in words])
    if datatype == "string":
        return np.array(words, object)
    if datatype == "bool":
        return np.array([word == "True" for word in words])
    if datatype.startswith("float"):
        return np.array([float(word or "nan") for word in words], datatype)
    return np.array([int(word) for word in words], datatype)


def _parts(column: Column) -> Iterator[Column]:
    """Yield a column as it is written: positions on the sky are two."""
    if not column.is_sky:
        yield column
        return
    for place, axis in enumerate(("ra", "dec")):
        name, values = f"{column.name}.{axis}", column.values[:, place]
        yield Column(name, values, unit="deg")


def _described(column: Column) -> str:
    """Return the line of a column in the header."""
    kind = _datatype(column.values)
    entries = {"name": column.name, "unit": column.unit, "datatype": kind}
    if column.values.ndim > 1:
        entries["datatype"] = "string"
        entries["subtype"] = f"{kind}[{column.values.shape[1]}]"
    entries |= {"format": column.form, "description": column.meaning}
    return "- " + _flow({key: word for key, word in entries.items() if word})


def _datatype(values: NDArray[Any]) -> str:
    return "string" if values.dtype.kind in "OU" else str(values.dtype.name)


def _mixins(columns: Iterator[Column] | Any) -> Iterator[str]:
    """Yield how `astropy` makes quantities and positions out of columns."""
    for name, _, meaning, unit, _, is_sky in columns:
        word = json.dumps(name)
        if is_sky:
            ra, dec = (json.dumps(f"{name}.{axis}") for axis in ("ra", "dec"))
            yield (
                f"    {word}: {{__class__: astropy.coordinates.sky_coordinate.SkyCoord,"
                f" __info__: {{description: {json.dumps(meaning)}}},"
                f" dec: {_ANGLE.format('Latitude', dec, '')}, frame: icrs,"
                f" ra: {_ANGLE.format('Longitude', ra, _WRAP)},"
                " representation_type: spherical}"
            )
        elif unit:
            yield (
                f"    {word}: {{__class__: astropy.units.quantity.Quantity,"
                f" unit: {_UNIT.format(unit)}, value: {_COLUMN.format(word)}}}"
            )


def _flow(value: Any) -> str:
    """Spell a value in YAML's flow style."""
    if isinstance(value, Mapping):
        inside = (f"{json.dumps(str(k))}: {_flow(v)}" for k, v in value.items())
        return "{" + ", ".join(inside) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, float | np.floating):
        return _real(float(value))
    if isinstance(value, np.integer):
        return str(int(value))
    return json.dumps(value)


def _real(value: float) -> str:
    """Spell a number for YAML, where one without a point is a word."""
    if not np.isfinite(value):
        return ".nan" if np.isnan(value) else (".inf" if value > 0 else "-.inf")
    digits, mark, power = repr(value).partition("e")
    return (digits if "." in digits else f"{digits}.0") + mark + power


def _cells(values: NDArray[Any]) -> list[str]:
    """Return the words of a column."""
    if values.ndim > 1:
        return [json.dumps(row, separators=(",", ":")) for row in values.tolist()]
    if values.dtype.kind in "OU":
        return [_word(str(value)) for value in values]
    # a single float has fewer digits than the same number as a double
    return list(map(str, values if values.dtype == np.float32 else values.tolist()))


def _word(word: str) -> str:
    """Quote a word where it would not stand by itself."""
    needs = not word or any(c in word for c in ' "\n\r')
    return '"' + word.replace('"', '""') + '"' if needs else word
