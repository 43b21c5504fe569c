"""One fixed set of pixels for the whole sky, so that all mosaics of a place fit together.

The sky is cut into cells: rows of half a degree of declination, and in each row as many
cells as keep them about as wide. The middle of a cell is the tangent point of all mosaics
in it, whatever their exposures, filter or epoch, and lies on a corner of four pixels. Mosaics
begin and end at multiples of `BLOCK_ARCSEC` from it, so that pixels of 20, 30, 40 and 60 mas
share these edges, and one mosaic can be cut or summed to the pixels of another. A pixel half
a cell away from the tangent point looks at 0.006 per cent less sky than one there.
"""

import re
from collections.abc import Callable

import numpy as np

ROW_DEG = 0.5
"""Height of a row of cells."""
N_ROWS = 361
"""From pole to pole."""
BLOCK_ARCSEC = 1.2
"""What edges of mosaics are multiples of: 60, 40, 30 and 20 pixels of 20, 30, 40, 60 mas."""

MARGIN_ARCSEC = 0.24
"""Left free around the exposures, so that a later alignment stays inside."""


def nearest_cell(ra_deg: float, dec_deg: float) -> str:
    """Return the name of the cell that a place is in.

    Parameters
    ----------
    ra_deg, dec_deg : float, deg

    Returns
    -------
    str
        Of the cell whose middle is the nearest in declination, then in right ascension:
        row, from the south pole, and number in the row, as in ``033x127``.
    """
    row = int(np.floor((dec_deg + 90.0) / ROW_DEG + 0.5))
    n = _cells_in_row(row)
    column = int(np.floor(ra_deg / 360.0 * n + 0.5)) % n
    return f"{row:03d}x{column:03d}"


def tangent_point(cell: str) -> tuple[float, float]:
    """Return right ascension and declination of the middle of a cell, deg.

    Raises
    ------
    ValueError
        If there is no such cell.
    """
    numbers = re.fullmatch(r"(\d{3})x(\d{3})", cell)
    row, column = (int(n) for n in numbers.groups()) if numbers else (N_ROWS, 0)
    if row >= N_ROWS or column >= _cells_in_row(row):
        raise ValueError(f"no cell of the sky is called {cell!r}")
    return 360.0 * column / _cells_in_row(row), ROW_DEG * row - 90.0


def whole_blocks(
    edge_px: float, scale_arcsec: float, towards: Callable[[float], float]
) -> int:
    """Return the multiple of a block that an edge is moved to, in pixels.

    Parameters
    ----------
    edge_px : float, pixels
        From the tangent point.
    scale_arcsec : float, arcsec
        Of the pixels; a block that they do not divide is the nearest whole number of them.
    towards : callable
        ``math.floor`` or ``math.ceil``.
    """
    block = max(1, round(BLOCK_ARCSEC / scale_arcsec))
    return block * int(towards(edge_px / block))


def _cells_in_row(row: int) -> int:
    """Return how many cells a row has: one at the poles."""
    dec = np.radians(ROW_DEG * row - 90.0)
    return max(1, round(360.0 / ROW_DEG * float(np.cos(dec))))
