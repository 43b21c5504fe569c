"""Plain binary tables of FITS laid out and taken apart: words, numbers, truth values.

A column of one value a row is a field of the record as it is stored; `astropy`, which knows
all other kinds, takes a hundred times as long to find that out.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..exposure.header import Card

_FORM_OF: Final = {"f8": "D", "f4": "E", "i8": "K", "i4": "J", "i2": "I", "b1": "L"}
_TYPE_OF: Final = {
    "D": ">f8",
    "E": ">f4",
    "K": ">i8",
    "J": ">i4",
    "I": ">i2",
    "L": "S1",
}
_NUMBERED: Final = re.compile(r"T(ZERO|SCAL|NULL|DIM)\d+")
_TRUE, _FALSE = b"T", b"F"


def is_plain(table: NDArray[np.void]) -> bool:
    """Return whether all columns are words, signed numbers or truth values, one a row."""
    return all(_form(table.dtype[name]) for name in table.dtype.names or ())


def table_cards(name: str, table: NDArray[np.void]) -> tuple[Card, ...]:
    """Return the cards that describe a plain table, as `astropy` writes them."""
    names = table.dtype.names or ()
    stored = _stored_type(table)
    columns = [
        card
        for k, column in enumerate(names, 1)
        for card in (
            Card(f"TTYPE{k}", column),
            Card(f"TFORM{k}", _form(table.dtype[column])),
        )
    ]
    return (
        Card("XTENSION", "BINTABLE", "binary table extension"),
        Card("BITPIX", 8, "array data type"),
        Card("NAXIS", 2, "number of array dimensions"),
        Card("NAXIS1", stored.itemsize, "length of dimension 1"),
        Card("NAXIS2", len(table), "length of dimension 2"),
        Card("PCOUNT", 0, "number of group parameters"),
        Card("GCOUNT", 1, "number of groups"),
        Card("TFIELDS", len(names), "number of table fields"),
        *columns,
        Card("EXTNAME", name, "extension name"),
    )


def table_bytes(table: NDArray[np.void]) -> bytes:
    """Return the rows of a plain table as FITS stores them."""
    stored = np.empty(len(table), _stored_type(table))
    for name in table.dtype.names or ():
        column = table[name]
        if column.dtype == np.bool_:
            column = np.where(column, _TRUE, _FALSE)
        stored[name] = column
    return stored.tobytes()


def plain_table(cards: Mapping[str, Any], rows: bytes) -> NDArray[np.void] | None:
    """Take a plain table apart.

    Parameters
    ----------
    cards : mapping of str to object
        Header of the extension.
    rows : bytes
        Its data.

    Returns
    -------
    structured array or None
        In the byte order of this machine, words without trailing blanks; None where a
        column is of another kind.
    """
    if cards.get("PCOUNT") or any(_NUMBERED.fullmatch(key) for key in cards):
        return None
    names, forms = (
        [str(cards[f"{word}{k}"]).strip() for k in range(1, cards["TFIELDS"] + 1)]
        for word in ("TTYPE", "TFORM")
    )
    types = [_type_of(form) for form in forms]
    if None in types or len(set(names)) < len(names):
        return None
    stored = np.frombuffer(rows, list(zip(names, types, strict=True)), cards["NAXIS2"])
    columns = [_native(stored[n], form) for n, form in zip(names, forms, strict=True)]
    found = np.empty(
        len(stored), [(n, c.dtype) for n, c in zip(names, columns, strict=True)]
    )
    for name, column in zip(names, columns, strict=True):
        found[name] = column
    return found


def _native(column: NDArray[Any], form: str) -> NDArray[Any]:
    if form.endswith("L"):
        return np.asarray(column == _TRUE)
    if form.endswith("A"):
        return np.asarray(np.char.rstrip(column))
    return column.astype(column.dtype.newbyteorder("="))


def _form(dtype: np.dtype[Any]) -> str:
    """Return TFORM of a column; empty where it is of another kind."""
    if dtype.kind == "S":
        return f"{dtype.itemsize}A" if dtype.itemsize else ""
    return _FORM_OF.get(dtype.str[1:], "")


def _type_of(form: str) -> str | None:
    if found := re.fullmatch(r"(\d+)A", form):
        return f"S{found[1]}" if int(found[1]) else None
    return _TYPE_OF.get(form.removeprefix("1"))


def _stored_type(table: NDArray[np.void]) -> np.dtype[Any]:
    names = table.dtype.names or ()
    return np.dtype([(name, _type_of(_form(table.dtype[name]))) for name in names])
