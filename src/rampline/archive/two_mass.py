"""2MASS stars whose light may scatter into the field, from VizieR.

Two cones: the brightest stars as far as claws come from, and all stars about the field.
"""

import numpy as np

from .vizier import Catalog, Columns, Service, fetch_cone

COLUMNS = ("RAJ2000", "DEJ2000", "Jmag", "Hmag", "Kmag")
"""Degrees and Vega magnitudes."""
CLAW_RADIUS_DEG, CLAW_FAINTEST_K = 13.5, 5.0
FIELD_RADIUS_DEG, FIELD_FAINTEST_K = 0.1, 17.0
TWO_MASS = Catalog(
    name="2MASS",
    table="II/246/out",
    columns=COLUMNS,
    remedy="give a table of your own with --stars FILE.ecsv",
)


def fetch_two_mass(ra_deg: float, dec_deg: float, service: Service) -> Columns:
    """Fetch the 2MASS stars that may disturb a field.

    Parameters
    ----------
    ra_deg, dec_deg : float, deg, ICRS
        Where the telescope looks.
    service : Service

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
    cones = (CLAW_RADIUS_DEG, CLAW_FAINTEST_K), (FIELD_RADIUS_DEG, FIELD_FAINTEST_K)
    parts = [
        fetch_cone(
            TWO_MASS, (ra_deg, dec_deg, radius), service, {"Kmag": f"<{limit:g}"}
        )
        for radius, limit in cones
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
