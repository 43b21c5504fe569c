"""Gaia DR3 stars of a field, from VizieR."""

import numpy as np

from .vizier import Catalog, Columns, Service, fetch_cone

EPOCH = 2016.0
MAX_RUWE = 1.4
"""Stars whose astrometric fit is worse are left out (binaries, blends)."""
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
GAIA = Catalog(
    name="Gaia",
    table="I/355/gaiadr3",
    columns=COLUMNS,
    remedy="give a catalogue of your own with --align-to FILE.ecsv, or --align-to none",
)


def fetch_gaia(
    ra_deg: float, dec_deg: float, radius_deg: float, service: Service
) -> Columns:
    """Fetch the Gaia DR3 stars within a cone.

    Parameters
    ----------
    ra_deg, dec_deg, radius_deg : float, deg, ICRS
    service : Service

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
    columns = fetch_cone(GAIA, (ra_deg, dec_deg, radius_deg), service)
    columns["ref_epoch"] = np.full(len(columns["RUWE"]), EPOCH)
    sound = ~(columns["RUWE"] > MAX_RUWE)
    return {name: values[sound] for name, values in columns.items()}
