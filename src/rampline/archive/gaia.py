"""Gaia DR3 stars of a field, from VizieR.

One cone query through astroquery. Nothing waits for a network that is not there: name
look-ups may hang far longer than any time-out of a connection, so the query runs in a thread
of its own that is left behind when its time is over.
"""

import threading
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..errors import NetworkError
from ..params import Count, Factor, Params, Seconds

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
Columns = dict[str, NDArray[np.float64]]


class GaiaParams(Params):
    """How Gaia stars are asked for."""

    server: str = "vizier.cds.unistra.fr"
    """The VizieR server, or one of its mirrors."""
    timeout: Annotated[Seconds, Field(gt=0)] = 30.0
    """Longest wait for an answer."""
    most: Count = 20000
    """Only so many stars are taken."""
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
    table = _within(
        params.timeout,
        lambda: _query(ra_deg, dec_deg, radius_deg, params),
        params.server,
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


def _within(seconds: float, call: Callable[[], Any], server: str) -> Any:
    """Return what ``call`` returns, or raise within ``seconds`` that the server failed."""
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = call()
        except Exception as error:  # noqa: BLE001 (handed over to the caller's thread)
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True, name="gaia query")
    thread.start()
    thread.join(seconds)
    if "value" in outcome:
        return outcome["value"]
    remedy = (
        "give a catalogue of your own with --align-to FILE.ecsv, or --align-to none"
    )
    if "error" not in outcome:
        why = f"no answer within {seconds:g} s"
    else:
        first_line = str(outcome["error"]).strip().partition("\n")[0]
        why = f"{type(outcome['error']).__name__}: {first_line[:200]}"
    raise NetworkError(f"Gaia stars from {server}: {why}; {remedy}") from outcome.get(
        "error"
    )
