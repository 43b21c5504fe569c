"""A table of named columns with their units and meanings, and what it says of itself.

What flows between those who measure and those who write. `astropy.table`, for which users
ask with ``to_qtable``, takes longer to import than a catalogue to make.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Column(NamedTuple):
    """One column."""

    name: str
    values: NDArray[Any]
    """(rows,), or (rows, n); positions on the sky are (rows, 2), degrees."""
    meaning: str = ""
    unit: str = ""
    form: str = ""
    """How to show its numbers, as `format` takes it."""
    is_sky: bool = False
    """Whether it holds right ascension and declination, ICRS."""


@dataclass(slots=True)
class SourceTable:
    """Columns of equal length.

    Attributes
    ----------
    columns : dict of str to Column
        By name, in order.
    meta : dict
        Words, numbers, lists and dicts of these.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    def add(self, column: Column) -> None:
        """Append a column."""
        self.columns[column.name] = column

    def __len__(self) -> int:
        """Return the number of rows."""
        return next((len(c.values) for c in self.columns.values()), 0)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a column of this name."""
        return name in self.columns

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the values of a column."""
        return self.columns[name].values

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as values by name."""
        for i in range(len(self)):
            yield {name: column.values[i] for name, column in self.columns.items()}

    def to_qtable(self) -> Any:
        """Return an ``astropy.table.QTable`` with units, positions and descriptions."""
        # half a second, for those who ask
        from astropy.coordinates import SkyCoord  # noqa: PLC0415
        from astropy.table import QTable  # noqa: PLC0415
        from astropy.units import Unit  # noqa: PLC0415

        table = QTable()
        for name, values, meaning, unit, form, is_sky in self.columns.values():
            if is_sky:
                table[name] = SkyCoord(*values.T, unit="deg", frame="icrs")
            else:
                table[name] = values * Unit(unit) if unit else values
            table[name].info.description = meaning or None
            table[name].info.format = form or None
        table.meta.update(self.meta)
        return table


def plain(values: Any) -> NDArray[Any]:
    """Return values as a column's array; words as objects."""
    array = np.asarray(values)
    return array.astype(object) if array.dtype.kind == "U" else array
