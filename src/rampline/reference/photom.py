"""The flux conversion of a filter and pupil at the time of an exposure.

The table has one row for each filter and pupil. Throughput changes with time: further
tables, row by row like the first, hold the light recorded now over that on day ``t0`` as
a line, an exponential or a power law; the conversion is divided by their product.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from ..errors import MissingReferenceError
from ..exposure.header import Header, card_values
from .fits_file import open_fits

DAYS_PER_YEAR: Final = 365.0
"""As the reference files are made; not the Julian year."""


class FluxConversion(NamedTuple):
    """From counts to surface brightness."""

    mjy_sr_per_dn_s: float
    """MJy/sr for 1 DN/s."""
    pixel_area_sr: float | None
    """The file's nominal pixel area, sr, where it says one."""


def read_photom(path: Path, header: Header) -> FluxConversion:
    """Return the conversion for the exposure's filter, pupil and time.

    Parameters
    ----------
    path : Path
        Photom reference file of NIRCam images.
    header : Header

    Raises
    ------
    MissingReferenceError
        If the file has no row, or several, for this filter and pupil, or is damaged.

    Notes
    -----
    As `jwst` step ``photom`` with ``apply_time_correction``: rows are matched by filter
    and pupil, and by subarray where the table has that column. On purpose not as there:
    a missing row is an error, where `jwst` leaves the image in DN/s.
    """
    with open_fits(path, "photom", header) as hdus:
        table = hdus["PHOTOM"].data
        row = _find_row(table, header, path)
        fraction = 1.0
        for name, law in LAWS.items():
            if name in hdus:
                fraction *= law(hdus[name].data[row], mid_time_mjd(header))
        conversion = float(table["photmjsr"][row])
        area = hdus[0].header.get("PIXAR_SR")
    if not (np.isfinite(conversion) and fraction > 0.0):
        raise MissingReferenceError(
            f"{header.root}: photom reference file {path.name} has no finite conversion "
            f"for {header.filter} {header.pupil}"
        )
    return FluxConversion(conversion / fraction, None if area is None else float(area))


def mid_time_mjd(header: Header) -> float:
    """Return the middle of the exposure, MJD: EXPMID, else the mean of both ends."""
    middle = card_values(header.primary).get("EXPMID")
    if isinstance(middle, float):
        return middle
    return 0.5 * (header.start_mjd + header.end_mjd)


def line(row: Any, mjd: float) -> float:
    """Return the throughput that falls by ``lossperyear`` each year."""
    years = (mjd - float(row["t0"])) / DAYS_PER_YEAR
    return 1.0 - float(row["lossperyear"]) * years


def exponential(row: Any, mjd: float) -> float:
    """Return the throughput that settles to ``const`` with e-folding time ``tau``."""
    decay = np.exp(-(mjd - float(row["t0"])) / float(row["tau"]))
    return float(row["amplitude"]) * float(decay) + float(row["const"])


def power_law(row: Any, mjd: float) -> float:
    """Return the throughput that falls as a softened power of time.

    It is ``year1value`` one year after ``t0``.
    """
    soft, alpha = float(row["tsoft"]), float(row["alpha"])
    days = mjd - float(row["t0"])
    ratio = (days + soft) / (DAYS_PER_YEAR + soft)
    return float(row["year1value"]) * float(ratio**alpha)


LAWS: Final[dict[str, Callable[[Any, float], float]]] = {
    "TIMECOEFF_LINEAR": line,
    "TIMECOEFF_EXPONENTIAL": exponential,
    "TIMECOEFF_POWERLAW": power_law,
}
"""Extensions with a time dependence; more than one multiply."""


def _find_row(table: Any, header: Header, path: Path) -> int:
    """Return the index of the exposure's row."""
    wanted = {"filter": header.filter, "pupil": header.pupil}
    if "subarray" in {name.lower() for name in table.names}:
        wanted["subarray"] = header.readout.subarray
    matches = np.ones(len(table), bool)
    for column, value in wanted.items():
        cells = np.char.upper(np.char.strip(np.asarray(table[column], str)))
        matches &= cells == value.upper()
    rows = np.flatnonzero(matches)
    if len(rows) != 1:
        words = " ".join(wanted.values())
        raise MissingReferenceError(
            f"{header.root}: photom reference file {path.name} has "
            f"{len(rows) or 'no'} row{'s' * (len(rows) > 1)} for {words}, one is needed"
        )
    return int(rows[0])
