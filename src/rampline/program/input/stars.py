"""Stars around a field: the user's table or 2MASS, and the built-in brightest stars."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...archive.two_mass import fetch_two_mass
from ...archive.vizier import Service
from ...artifacts.bright_stars import LIMIT_K, brightest_stars
from ...artifacts.stars import StarTable, join_stars
from ...errors import InputError, NetworkError
from ...exposure.header import Header
from ...files.catalogs import known_values, read_catalog
from ...files.whole_file import write_ecsv

MAGNITUDES = ("Jmag", "Hmag", "Kmag")
SAME_FIELD_DEG = 0.03
"""Pointings this close are served by one cone of 0.1 degrees: NIRCam is 0.06 wide."""
PROBLEM = "problem"
NO_ANSWER = f"2MASS could not be asked: only stars brighter than K = {LIMIT_K:g} known"
AB_MAGNITUDE = "ABmag"
"""In the filter of dispersed exposures, whose ghosts it predicts."""


def find_stars(stars: str, headers: Sequence[Header]) -> tuple[StarTable, str]:
    """Return the stars whose light may reach a field, and why some are missing.

    Parameters
    ----------
    stars : str
        ``2mass``, ``none`` for the built-in brightest stars alone, or an ECSV table with
        RA, DEC and any of Jmag, Hmag, Kmag.
    headers : sequence of Header
        Of the exposures: each of their fields is asked for once.

    Returns
    -------
    table : StarTable
        Without network the brightest stars of the sky.
    problem : str
        Empty if all is well.

    Raises
    ------
    InputError
        The file is no table, or lacks a column.
    """
    if stars == "none":
        return brightest_stars(), ""
    if stars != "2mass":
        return join_stars([read_stars(Path(stars)), brightest_stars()]), ""
    try:
        parts = [fetch_two_mass(*at, Service()) for at in _fields(headers)]
    except NetworkError as error:
        built_in = (
            f"only the brightest stars of the sky (K < {LIMIT_K:g}) are considered"
        )
        return brightest_stars(), f"{error}; {built_in}"
    rows = [
        [part[name] for name in ("RAJ2000", "DEJ2000", *MAGNITUDES)] for part in parts
    ]
    # cones overlap: a star counts once
    columns = np.unique(np.concatenate(rows, axis=1), axis=1)
    names = tuple(f"2MASS K {mag:.1f}" for mag in columns[-1])
    return StarTable(names, *columns), ""


def _fields(headers: Sequence[Header]) -> list[tuple[float, float]]:
    """Return right ascension and declination of pointings too far apart for one cone."""
    fields: list[tuple[float, float]] = []
    for header in headers:
        ra, dec = header.pointing.ra_ref_deg, header.pointing.dec_ref_deg
        around = np.cos(np.radians(dec))
        east = [((ra - a + 180.0) % 360.0 - 180.0) * around for a, _ in fields]
        apart = [np.hypot(x, dec - d) for x, (_, d) in zip(east, fields, strict=True)]
        if not apart or min(apart) > SAME_FIELD_DEG:
            fields.append((ra, dec))
    return fields


def read_stars(path: Path) -> StarTable:
    """Read a table of stars.

    Raises
    ------
    InputError
        A file that is no table, or lacks a column.
    """
    table = read_catalog(path)
    for name in ("RA", "DEC"):
        if name not in table.colnames:
            what, remedy = f"no column {name}", "give RA and DEC in degrees"
            raise InputError(str(path), what, remedy)
    if not {*MAGNITUDES, AB_MAGNITUDE} & set(table.colnames):
        remedy = f"give any of {', '.join(MAGNITUDES)} (Vega), or {AB_MAGNITUDE}"
        raise InputError(str(path), "no magnitudes", remedy)

    def column(name: str) -> Any:
        if name not in table.colnames:
            return np.full(len(table), np.nan)
        return known_values(table[name])

    try:
        ra, dec, *magnitudes = map(column, ("RA", "DEC", *MAGNITUDES))
    except ValueError as error:
        raise InputError(str(path), f"a column without numbers ({error})") from error
    if "name" in table.colnames:
        names = tuple(str(name) for name in table["name"])
    else:
        places = zip(ra, dec, strict=True)
        names = tuple(f"star at {a:.5f} {d:+.5f}" for a, d in places)
    return StarTable(names, ra, dec, *magnitudes)


def star_problems(path: Path) -> tuple[str, ...]:
    """Return why stars are missing from a table of `write_stars`: one line, or none."""
    problem = read_catalog(path).meta.get(PROBLEM, "")
    return (problem,) if problem else ()


def star_notice(*, are_all: bool) -> dict[str, str]:
    """Return the metadata of a table for which the catalogue did not answer."""
    return {} if are_all else {PROBLEM: NO_ANSWER}


def write_stars(path: Path, stars: StarTable, *, are_all: bool = True) -> None:
    """Write a table that `read_stars` reads.

    Parameters
    ----------
    path : Path
    stars : StarTable
    are_all : bool
        Whether the catalogue answered; where not, the table says so, in words that do not
        change from run to run.

    Raises
    ------
    RamplineError
        Where the file cannot be written.
    """
    from astropy.table import Table  # 0.3 s, for tables only

    columns = {"name": list(stars.name), "RA": stars.ra_deg, "DEC": stars.dec_deg}
    magnitudes = zip(MAGNITUDES, stars[3:], strict=True)
    meta = star_notice(are_all=are_all)
    write_ecsv(path, Table({**columns, **dict(magnitudes)}, meta=meta))
