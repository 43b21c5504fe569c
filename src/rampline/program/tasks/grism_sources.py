"""The sources that may have ghosts on dispersed exposures: a table for each filter.

They come from the catalogue of the direct images of the nearest filter, and from a table of
stars around the field (the user's or 2MASS) for those that lie outside the mosaics or saturate
in them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...artifacts.stars import StarTable, ab_magnitude, filter_wavelength_um
from ...files.catalogs import known_values, read_catalog
from ...files.whole_file import write_ecsv
from ...pipeline.grism_exposure import SourceList, join_sources
from ..input.stars import AB_MAGNITUDE, star_notice

MAGNITUDE = "isophotal_abmag"
"""Of the catalogues, ours and those of `jwst`."""


def nearest_catalog(catalogs: Sequence[tuple[str, Path]], filter_name: str) -> Path:
    """Return the catalogue of the filter nearest in wavelength.

    Parameters
    ----------
    catalogs : sequence of (str, Path)
        Filter and catalogue, at least one.
    filter_name : str
    """
    goal = np.log(filter_wavelength_um(filter_name))
    return min(
        catalogs,
        key=lambda item: (abs(np.log(filter_wavelength_um(item[0])) - goal), item[1]),
    )[1]


def gather_sources(
    catalog: Path | None,
    stars: StarTable,
    given: SourceList | None,
    filter_name: str,
) -> SourceList:
    """Return all sources with their magnitude in a filter.

    Parameters
    ----------
    catalog : Path or None
    stars : StarTable
        Their magnitudes are extrapolated.
    given : SourceList or None
        The user's, taken as they are, like those of the catalogue.
    filter_name : str

    Raises
    ------
    InputError
        A catalogue that is no table.
    """
    ab_mag = ab_magnitude(stars, filter_wavelength_um(filter_name))
    lists = [SourceList(stars.ra_deg, stars.dec_deg, ab_mag)]
    if given is not None:
        lists.append(given)
    if catalog is not None:
        table = read_catalog(catalog)
        place = table["sky_centroid"]
        columns = (place.ra.deg, place.dec.deg, known_values(table[MAGNITUDE]))
        lists.append(SourceList(*(np.asarray(c, np.float64) for c in columns)))
    return join_sources(lists)


def read_given(stars: Path | None) -> SourceList | None:
    """Return what the user's table of stars says of their AB magnitudes.

    Returns
    -------
    SourceList or None
        None where there is no table, or it has no column ABmag.
    """
    if stars is None or AB_MAGNITUDE not in read_catalog(stars).colnames:
        return None
    return read_sources(stars)


def write_sources(path: Path, sources: SourceList, *, are_all: bool = True) -> None:
    """Write a table that `read_sources` reads, and say whether stars are missing in it.

    Raises
    ------
    RamplineError
        Where the file cannot be written.
    """
    from astropy.table import Table  # 0.3 s, for tables only

    columns = dict(zip(("RA", "DEC", AB_MAGNITUDE), sources, strict=True))
    write_ecsv(path, Table(columns, meta=star_notice(are_all=are_all)))


def read_sources(path: Path) -> SourceList:
    """Read the table that `write_sources` wrote.

    Raises
    ------
    InputError
        A file that is no table.
    """
    table = read_catalog(path)
    return SourceList(
        *(known_values(table[name]) for name in ("RA", "DEC", AB_MAGNITUDE))
    )
