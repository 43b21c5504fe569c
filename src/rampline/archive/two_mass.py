"""2MASS stars whose light may scatter into the field, from VizieR.

Two cone queries through astroquery: the brightest stars as far as claws come from, and all
stars about the field.
"""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..errors import NetworkError
from ..params import Count, Params, Seconds
from .within import ask_within

CATALOG = "II/246/out"
COLUMNS = ("RAJ2000", "DEJ2000", "Jmag", "Hmag", "Kmag")
"""Degrees and Vega magnitudes."""
CLAW_RADIUS_DEG = 13.5
CLAW_FAINTEST_K = 5.0
FIELD_RADIUS_DEG = 0.1
FIELD_FAINTEST_K = 17.0
REMEDY = "give a table of your own with --stars FILE.ecsv"
Columns = dict[str, NDArray[np.float64]]


class TwoMassParams(Params):
    """How 2MASS stars are asked for."""

    server: str = "vizier.cds.unistra.fr"
    """The VizieR server, or one of its mirrors."""
    timeout: Annotated[Seconds, Field(gt=0)] = 30.0
    """Longest wait for an answer."""
    most: Count = 20000
    """At most this many stars are taken."""


def fetch_two_mass(ra_deg: float, dec_deg: float, params: TwoMassParams) -> Columns:
    """Fetch the 2MASS stars that may disturb a field.

    Parameters
    ----------
    ra_deg, dec_deg : float, deg, ICRS
        Where the telescope looks.
    params : TwoMassParams

    Returns
    -------
    mapping of column name to (n,) float64
        The columns of `COLUMNS`, NaN where unknown: bright stars within 13.5 degrees and
        all stars within 0.1.

    Raises
    ------
    NetworkError
        If there is no answer in time or no usable one.
    """
    cones = ((CLAW_RADIUS_DEG, CLAW_FAINTEST_K), (FIELD_RADIUS_DEG, FIELD_FAINTEST_K))
    parts = [_fetch_cone((ra_deg, dec_deg, *cone), params) for cone in cones]
    return {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}


def _fetch_cone(
    cone: tuple[float, float, float, float], params: TwoMassParams
) -> Columns:
    """Return the stars within a radius and brighter than a limit."""
    what = f"2MASS stars from {params.server}"
    table = ask_within(params.timeout, lambda: _query(cone, params), what, REMEDY)
    if table is None:
        return {name: np.empty(0) for name in COLUMNS}
    return _columns(table, params.server)


def _columns(table: Any, server: str) -> Columns:
    absent = [name for name in COLUMNS if name not in table.colnames]
    if absent:
        raise NetworkError(f"{server}: 2MASS answer without {', '.join(absent)}")
    return {
        name: np.ma.filled(np.ma.asarray(table[name], np.float64), np.nan)
        for name in COLUMNS
    }


def _query(cone: tuple[float, float, float, float], params: TwoMassParams) -> Any:
    """Return the answer's table, None where it is empty."""
    # Imported here: they take a second, and only predictions need them.
    from astropy import units  # noqa: PLC0415
    from astropy.coordinates import SkyCoord  # noqa: PLC0415
    from astroquery.vizier import VizierClass  # noqa: PLC0415

    ra_deg, dec_deg, radius_deg, faintest = cone
    service = VizierClass(
        columns=list(COLUMNS),
        column_filters={"Kmag": f"<{faintest:g}"},
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
