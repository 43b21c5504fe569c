"""Cones of VizieR catalogues through astroquery, with a time-out that always holds.

A name look-up may hang far longer than the time-out of a connection, so a query runs in a
thread of its own, which is abandoned when its time is over.
"""

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import NetworkError

Columns = dict[str, NDArray[np.float64]]
NO_LIMITS: Mapping[str, str] = MappingProxyType({})


class Service(NamedTuple):
    """Who is asked, and how much is waited for."""

    server: str = "vizier.cds.unistra.fr"
    """The VizieR server, or one of its mirrors."""
    timeout_s: float = 30.0
    """Longest wait for an answer."""
    most: int = 20000
    """At most this many stars are taken."""


class Catalog(NamedTuple):
    """A table of VizieR, and what is wanted of it."""

    name: str
    """For people."""
    table: str
    columns: tuple[str, ...]
    remedy: str
    """What the user can do without it."""


def fetch_cone(
    catalog: Catalog,
    cone: tuple[float, float, float],
    service: Service,
    limits: Mapping[str, str] = NO_LIMITS,
) -> Columns:
    """Fetch the rows of a catalogue within a cone.

    Parameters
    ----------
    catalog : Catalog
    cone : (float, float, float), deg, ICRS
        Right ascension, declination, radius.
    service : Service
    limits : mapping of column name to str
        As VizieR takes them: ``<5``.

    Returns
    -------
    mapping of column name to (n,) float64
        NaN where unknown; without rows where the cone is empty.

    Raises
    ------
    NetworkError
        One line: no answer in time, or none that can be used.
    """
    table = ask_within(
        service.timeout_s,
        lambda: _query(catalog, cone, service, limits),
        f"{catalog.name} stars from {service.server}",
        catalog.remedy,
    )
    if table is None:
        return {name: np.empty(0) for name in catalog.columns}
    absent = [name for name in catalog.columns if name not in table.colnames]
    if absent:
        what = f"{catalog.name} answer without {', '.join(absent)}"
        raise NetworkError(f"{service.server}: {what}")
    return {
        name: np.ma.filled(np.ma.asarray(table[name], np.float64), np.nan)
        for name in catalog.columns
    }


def _query(
    catalog: Catalog,
    cone: tuple[float, float, float],
    service: Service,
    limits: Mapping[str, str],
) -> Any:
    """Return the answer's table, None where it is empty."""
    # a second to import, and few runs ask
    from astropy import units  # noqa: PLC0415
    from astropy.coordinates import SkyCoord  # noqa: PLC0415
    from astroquery.vizier import VizierClass  # noqa: PLC0415

    ra_deg, dec_deg, radius_deg = cone
    client = VizierClass(
        columns=list(catalog.columns),
        column_filters=dict(limits),
        row_limit=service.most,
        timeout=service.timeout_s,
        vizier_server=service.server,
    )
    centre = SkyCoord(ra_deg, dec_deg, unit="deg", frame="icrs")
    tables = client.query_region(
        centre, radius=radius_deg * units.deg, catalog=catalog.table, cache=False
    )
    if tables is None:
        raise NetworkError("the answer is not a table")
    return tables[0] if tables else None


def ask_within(seconds: float, ask: Callable[[], Any], what: str, remedy: str) -> Any:
    """Return the answer to a query, or fail within a time limit.

    Parameters
    ----------
    seconds : float, s
        Longest wait.
    ask : callable
        Without arguments; asks and returns the answer.
    what, remedy : str
        What is asked of whom, and what the user can do without it.

    Raises
    ------
    NetworkError
        One line: no answer in time, or none that can be used.
    """
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = ask()
        except Exception as error:  # noqa: BLE001 (handed over to the caller's thread)
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True, name=what)
    thread.start()
    thread.join(seconds)
    if "value" in outcome:
        return outcome["value"]
    error = outcome.get("error")
    why = f"no answer within {seconds:g} s" if error is None else _reason(error)
    raise NetworkError(f"{what}: {why}; {remedy}") from error


def _reason(error: Exception) -> str:
    """Return what went wrong, on one line."""
    kind = type(error).__name__
    if isinstance(error, OSError) and "Connect" in kind:
        # what stands in it is the address of the query and the innermost of three errors
        return "cannot be reached"
    return f"{kind}: {str(error).strip().partition(chr(10))[0][:200]}"
