"""Reference stars: columns as catalogues name them, positions at the epoch of the exposures.

Gaia's mean positions are those of 2016.0; a star of 20 mas/yr has moved 130 mas when JWST
looks, more than its header is wrong. The parallax of nearby stars is added where known, as
seen from the Earth's distance (JWST is 1 % further out).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError
from ..units import DEG_PER_ARCSEC, MAS_PER_ARCSEC

Floats = NDArray[np.float64]
J2000_MJD = 51544.5
DAYS_PER_YEAR = 365.25
PRECESSION = 3.8246e-5
"""Of the equinox, deg/day: the Almanac's longitudes are those of date."""
ORBIT_AU = 1.01
"""Mean distance of L2 from the Sun."""
NAMES = {
    "ra": ("ra", "ra_deg", "raj2000", "ra_icrs", "_raj2000", "alpha_j2000"),
    "dec": (
        "dec",
        "dec_deg",
        "dej2000",
        "de_icrs",
        "_dej2000",
        "decj2000",
        "delta_j2000",
    ),
    "pm_ra": ("pmra", "pm_ra", "pm_ra_cosdec"),
    "pm_dec": ("pmdec", "pmde", "pm_dec"),
    "parallax": ("parallax", "plx"),
    "ra_error": ("ra_error", "e_ra_icrs", "e_raj2000", "ra_err", "e_ra"),
    "dec_error": ("dec_error", "e_de_icrs", "e_dej2000", "dec_err", "e_dec"),
    "pm_ra_error": ("pmra_error", "e_pmra"),
    "pm_dec_error": ("pmdec_error", "e_pmde"),
    "epoch": ("ref_epoch", "epoch"),
    "magnitude": ("phot_g_mean_mag", "gmag", "mag", "magnitude", "abmag"),
}
"""Lower-case column names that are understood; motions and errors are in mas(/yr)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceStars:
    """Reference stars at one epoch.

    Attributes
    ----------
    ra_deg, dec_deg : (n,) float64, deg, ICRS
    error_arcsec : (n,) float64, arcsec
        On either axis at that epoch, the proper motion's error included; NaN where unknown.
    """

    ra_deg: Floats
    dec_deg: Floats
    error_arcsec: Floats


def read_reference_stars(
    columns: Mapping[str, NDArray[np.generic]],
    epoch_mjd: float,
    default_epoch: float | None = None,
) -> ReferenceStars:
    """Make reference stars of the columns of a table, brightest first where it tells.

    Parameters
    ----------
    columns : mapping of column name to (n,) array
        Names as in `NAMES`, in any case; right ascension and declination in degrees, the
        proper motion in right ascension with the cosine of the declination, motions,
        parallaxes and errors in mas (per year), epochs in Julian years. Masked or NaN
        motions and parallaxes count as none.
    epoch_mjd : float, days
        To which positions are moved: the middle of the exposures.
    default_epoch : float or None, Julian year
        Epoch of a table without such a column; None: its positions stay as they are.

    Raises
    ------
    ParameterError
        If there is no right ascension or declination, or no finite position.
    """
    found = {kind: _find_column(columns, kind) for kind in NAMES}
    ra, dec = found["ra"], found["dec"]
    if ra is None or dec is None:
        raise ParameterError(
            f"reference catalogue: no columns of right ascension and declination in degrees "
            f"(RA, DEC or similar) among {', '.join(columns)}"
        )
    epoch = found["epoch"]
    if epoch is None and default_epoch is not None:
        epoch = np.full(len(ra), default_epoch)
    years = np.zeros(len(ra))
    if epoch is not None:
        years = np.nan_to_num(2000.0 + (epoch_mjd - J2000_MJD) / DAYS_PER_YEAR - epoch)
    motion = [_known(found[kind], len(ra)) for kind in ("pm_ra", "pm_dec", "parallax")]
    ra, dec = move_to_epoch(
        (ra, dec), (motion[0], motion[1]), motion[2], years, epoch_mjd
    )
    error = np.hypot(
        _mean_error(found["ra_error"], found["dec_error"], len(ra)),
        np.nan_to_num(
            years * _mean_error(found["pm_ra_error"], found["pm_dec_error"], len(ra))
        ),
    )
    kept = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90.0)
    if not kept.any():
        raise ParameterError("reference catalogue: not a single finite position")
    order = np.flatnonzero(kept)
    if found["magnitude"] is not None:
        order = order[np.argsort(found["magnitude"][order], kind="stable")]
    return ReferenceStars(
        ra_deg=ra[order], dec_deg=dec[order], error_arcsec=error[order]
    )


def move_to_epoch(
    position_deg: tuple[Floats, Floats],
    motion_mas_yr: tuple[Floats, Floats],
    parallax_mas: Floats,
    years: Floats,
    epoch_mjd: float,
) -> tuple[Floats, Floats]:
    """Return right ascension and declination at another epoch, deg.

    Parameters
    ----------
    position_deg : (ra, dec), each (n,) float64, deg, ICRS
    motion_mas_yr : (ra, dec), each (n,) float64, mas/yr
        In right ascension with the cosine of the declination.
    parallax_mas : (n,) float64, mas
    years : (n,) float64, years
        From the epoch of the positions to the new one.
    epoch_mjd : float, days
        The new epoch, for the place of the Earth.

    Returns
    -------
    ra, dec : (n,) float64, deg

    Notes
    -----
    Straight motion in the tangent plane, good to a microarcsecond for motions of arcseconds
    away from the poles. Sun's position: low-precision formulae of the Astronomical Almanac
    (page C5), good to 0.01 deg, so to 2e-4 of the parallax.
    """
    ra, dec = np.radians(position_deg[0]), np.radians(position_deg[1])
    x, y, z = ORBIT_AU * earth_au(epoch_mjd)
    # The observer's displacement moves the star the other way (Green 1985, eq. 8.15).
    along_ra = x * np.sin(ra) - y * np.cos(ra)
    along_dec = (x * np.cos(ra) + y * np.sin(ra)) * np.sin(dec) - z * np.cos(dec)
    moved_ra = motion_mas_yr[0] * years + parallax_mas * along_ra
    moved_dec = motion_mas_yr[1] * years + parallax_mas * along_dec
    to_deg = DEG_PER_ARCSEC / MAS_PER_ARCSEC
    cosine = np.maximum(np.cos(dec), 1e-9)
    return (
        (position_deg[0] + moved_ra * to_deg / cosine) % 360.0,
        position_deg[1] + moved_dec * to_deg,
    )


def earth_au(mjd: float) -> Floats:
    """Return the Earth's heliocentric position, equator and equinox of J2000, au."""
    n = mjd - J2000_MJD
    anomaly = np.radians(357.528 + 0.9856003 * n)
    longitude = np.radians(
        280.460
        + (0.9856474 - PRECESSION) * n
        + 1.915 * np.sin(anomaly)
        + 0.020 * np.sin(2 * anomaly)
    )
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)
    tilt = np.radians(23.439)
    to_sun = np.array(
        [
            np.cos(longitude),
            np.cos(tilt) * np.sin(longitude),
            np.sin(tilt) * np.sin(longitude),
        ]
    )
    return np.asarray(-distance * to_sun)


def _find_column(
    columns: Mapping[str, NDArray[np.generic]], kind: str
) -> Floats | None:
    """Return the first column with one of the names of a kind, masked values as NaN."""
    lower = {name.lower(): name for name in columns}
    for name in NAMES[kind]:
        if name in lower:
            column = np.ma.asarray(columns[lower[name]]).astype(np.float64)
            return np.asarray(np.ma.filled(column, np.nan), np.float64)
    return None


def _known(column: Floats | None, n: int) -> Floats:
    """Return a column with zero for what is unknown."""
    return np.zeros(n) if column is None else np.nan_to_num(column)


def _mean_error(ra_error: Floats | None, dec_error: Floats | None, n: int) -> Floats:
    """Return the error on either axis, mas to arcsec, NaN where unknown."""
    if ra_error is None or dec_error is None:
        return np.full(n, np.nan)
    return np.asarray(np.sqrt((ra_error**2 + dec_error**2) / 2.0) / MAS_PER_ARCSEC)
