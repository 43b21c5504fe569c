"""Where the telescope's aperture file puts each detector, through pysiaf.

pysiaf asks the network for its newest version while it is imported, without a time-out.
`load_apertures` keeps that request from being sent; the file itself is part of the package.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError

_GUARD: Final = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aperture:
    """An aperture's place in the telescope's focal plane.

    Attributes
    ----------
    name : str
        For example ``NRCB1_SUB640``.
    v2_ref_arcsec, v3_ref_arcsec : float, arcsec
        Reference point.
    v3i_yang_deg : float, deg
        Angle of the ideal y axis from V3.
    vparity : int
    x_ref, y_ref : float
        1-based pixel of the reference point, in the aperture's own science frame.
    n_cols, n_rows : int
    col_start, row_start : int
        0-based first pixel within the full detector, science frame.
    x_scale_arcsec, y_scale_arcsec : float, arcsec
    x_ideal, y_ideal : (order + 1, order + 1) float64
        Coefficient ``[i, j]`` of ``dx**i * dy**j`` in arcsec, from pixels off the
        reference point to the ideal frame.
    """

    name: str
    v2_ref_arcsec: float
    v3_ref_arcsec: float
    v3i_yang_deg: float
    vparity: int
    x_ref: float
    y_ref: float
    n_cols: int
    n_rows: int
    col_start: int
    row_start: int
    x_scale_arcsec: float
    y_scale_arcsec: float
    x_ideal: NDArray[np.float64]
    y_ideal: NDArray[np.float64]


class _OfflineError(OSError):
    """Raised inside pysiaf's import in place of a request."""


def _refuse(*_: object, **__: object) -> NoReturn:
    raise _OfflineError("no request is sent while pysiaf is imported")


@contextmanager
def _requests_refused() -> Iterator[None]:
    """Let `requests.get` fail at once, and keep pysiaf's warning about it quiet."""
    # Only here: pysiaf brings it along.
    import requests  # noqa: PLC0415

    logger = logging.getLogger("pysiaf")
    with _GUARD:
        kept, level = requests.get, logger.level
        requests.get = _refuse
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            requests.get = kept
            logger.setLevel(level)


@lru_cache(maxsize=1)
def load_apertures() -> Any:  # pysiaf.Siaf, which has no types
    """Return pysiaf's NIRCam apertures without touching the network."""
    with _requests_refused():
        # Slow to import, and asks the network.
        import pysiaf  # noqa: PLC0415

    return pysiaf.Siaf("NIRCam")


@lru_cache(maxsize=128)
def aperture(name: str) -> Aperture:
    """Return one aperture.

    Raises
    ------
    ParameterError
        The aperture file has no such aperture, or it has no pixels.
    """
    apertures = load_apertures()
    if name not in apertures.apernames:
        raise ParameterError(
            f"no aperture {name!r}: this detector has no such subarray"
        )
    entry = apertures[name]
    if entry.XSciSize is None:
        raise ParameterError(f"aperture {name!r} has no pixels; name one of a detector")
    full = apertures[f"{name.partition('_')[0]}_FULL"]
    corner_x, corner_y = full.det_to_sci(*entry.sci_to_det(1.0, 1.0))
    return Aperture(
        name=name,
        v2_ref_arcsec=float(entry.V2Ref),
        v3_ref_arcsec=float(entry.V3Ref),
        v3i_yang_deg=float(entry.V3IdlYAngle),
        vparity=int(entry.VIdlParity),
        x_ref=float(entry.XSciRef),
        y_ref=float(entry.YSciRef),
        n_cols=int(entry.XSciSize),
        n_rows=int(entry.YSciSize),
        col_start=round(float(corner_x)) - 1,
        row_start=round(float(corner_y)) - 1,
        x_scale_arcsec=float(entry.XSciScale),
        y_scale_arcsec=float(entry.YSciScale),
        x_ideal=_coefficients(entry, "Sci2IdlX"),
        y_ideal=_coefficients(entry, "Sci2IdlY"),
    )


def _coefficients(entry: Any, stem: str) -> NDArray[np.float64]:
    """Turn SIAF's triangle (``stem`` + order + power of y) into a matrix."""
    order = int(entry.Sci2IdlDeg)
    matrix = np.zeros((order + 1, order + 1))
    for total in range(1, order + 1):
        for y_power in range(total + 1):
            value = getattr(entry, f"{stem}{total}{y_power}")
            matrix[total - y_power, y_power] = value
    return matrix
