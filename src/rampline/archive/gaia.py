"""Gaia DR3 stars of a field, from VizieR.

One cone query through astroquery, in bounded time.
"""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..errors import NetworkError
from ..params import Count, Factor, Params, Seconds
from .within import ask_within

CATALOG = "I/355/gaiadr3"
EPOCH = 2016.0
COLUMNS = (
    "RA_ICRS",
    "DE_ICRS",
    "e_RA_ICRS",
    "e_DE_ICRS",
    "pmRA",
    "pmDE",
    "e_pmRA",
    "e_pmDE",
    "Plx",
    "Gmag",
    "RUWE",
)
"""Positions in degrees, motions, parallaxes and errors in mas (per year)."""
REMEDY = "give a catalogue of your own with --align-to FILE.ecsv, or --align-to none"
Columns = dict[str, NDArray[np.float64]]


class GaiaParams(Params):
    """How Gaia stars are asked for."""

    server: str = "vizier.cds.unistra.fr"
    """The VizieR server, or one of its mirrors."""
    timeout: Annotated[Seconds, Field(gt=0)] = 30.0
    """Longest wait for an answer."""
    most: Count = 20000
    """At most this many stars are taken."""
    max_ruwe: Factor = 1.4
    """Stars whose astrometric fit is worse are left out (binaries, blends)."""


def fetch_gaia(
    ra_deg: float, dec_deg: float, radius_deg: float, params: GaiaParams
) -> Columns:
    """Fetch the Gaia DR3 stars within a cone.

    Parameters
    ----------
    ra_deg, dec_deg, radius_deg : float, deg, ICRS
    params : GaiaParams

    Returns
    -------
    mapping of column name to (n,) float64
        The columns of `COLUMNS` and ``ref_epoch``, NaN where unknown, as
        ``astrometry.reference_catalog.read_reference_stars`` reads them. Without rows where
        the cone holds no stars.

    Raises
    ------
    NetworkError
        If there is no answer in time or no usable one.
    """
    table = ask_within(
        params.timeout,
        lambda: _query(ra_deg, dec_deg, radius_deg, params),
        f"Gaia stars from {params.server}",
        REMEDY,
    )
    columns = {name: np.empty(0) for name in (*COLUMNS, "ref_epoch")}
    if table is None:
        return columns
    absent = [name for name in COLUMNS if name not in table.colnames]
    if absent:
        raise NetworkError(f"{params.server}: Gaia answer without {', '.join(absent)}")
    for name in COLUMNS:
        values = np.ma.filled(np.ma.asarray(table[name], np.float64), np.nan)
        columns[name] = np.asarray(values, np.float64)
    columns["ref_epoch"] = np.full(len(table), EPOCH)
    sound = ~(columns["RUWE"] > params.max_ruwe)
    return {name: values[sound] for name, values in columns.items()}


def _query(ra_deg: float, dec_deg: float, radius_deg: float, params: GaiaParams) -> Any:
    """Return the answer's table, None where it is empty."""
    # Imported here: they take a second, and only an alignment to Gaia needs them.
    from astropy import units  # noqa: PLC0415
    from astropy.coordinates import SkyCoord  # noqa: PLC0415
    from astroquery.vizier import VizierClass  # noqa: PLC0415

    service = VizierClass(
        columns=list(COLUMNS),
        row_limit=params.most,
        timeout=params.timeout,
        vizier_server=params.server,
    )
    centre = SkyCoord(ra_deg, dec_deg, unit="deg", frame="icrs")
    tables = service.query_region(
        centre, radius=radius_deg * units.deg, catalog=CATALOG, cache=False
    )
    if tables is None:
        raise NetworkError("the answer is not a table")
    return tables[0] if tables else None
