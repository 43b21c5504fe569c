"""From counts to surface brightness: one factor for each detector, filter and pupil.

The factor (PHOTMJSR) comes from standard stars and may drift with time, as the
reference file describes. The nominal pixel area is recorded with it, so that sums over
pixels can be turned into fluxes; the area of each pixel relative to the nominal one is
a separate plane and is not applied.
"""

import re
from typing import Annotated, Final

import numpy as np
from pydantic import AfterValidator

from ..params import Params
from .flat import SkyBuffers

_ENTRY: Final = re.compile(
    r"\s*(NRC[AB](?:[1-4]|LONG))(?::(F\d{3}[MNW]2?))?\s+([-+]?\d*\.?\d+)\s*"
)


def parse_zero_points(text: str) -> dict[tuple[str, str], float]:
    """Return magnitude offsets by (detector, filter); filter is "" where none is given.

    Raises
    ------
    ValueError
        If the text is not a list of entries such as ``NRCB1:F200W 0.012``.
    """
    found = {}
    for entry in filter(str.strip, text.split(",")):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError(f"{entry.strip()!r} is not like 'NRCB1:F200W 0.012'")
        detector, filter_, value = match.groups()
        found[detector, filter_ or ""] = float(value)
    return found


def _check_zero_points(text: str) -> str:
    parse_zero_points(text)
    return text


class FluxParams(Params):
    """How count rates are converted to surface brightness."""

    zero_points: Annotated[str, AfterValidator(_check_zero_points)] = ""
    """Magnitudes to add for a detector, or for a detector in one filter, as listed in
    the ZEROPOINTS table of a mosaic: ``NRCB1 0.012, NRCB2:F200W -0.004``."""

    def factor(self, detector: str, filter_: str) -> float:
        """Return the factor applied to fluxes of a detector in a filter."""
        known = parse_zero_points(self.zero_points)
        offset = known.get((detector, filter_), known.get((detector, ""), 0.0))
        return float(10.0 ** (-0.4 * offset))


def convert_to_sky(planes: SkyBuffers, mjy_sr_per_dn_s: float) -> None:
    """Convert DN/s to MJy/sr in place, including errors and variances.

    Parameters
    ----------
    planes : SkyBuffers
        Owned by the caller; changed. Signal in DN/s, variances in (DN/s)**2.
    mjy_sr_per_dn_s : float
        Conversion factor at the time of the exposure.

    Notes
    -----
    Agrees with the ``photom`` step of ``jwst``. As there, the error of the factor is
    not propagated, because all exposures of a filter share it.
    """
    factor = np.float32(mjy_sr_per_dn_s)
    square = np.float32(mjy_sr_per_dn_s**2)
    for plane in (planes.signal, planes.err):
        np.multiply(plane, factor, out=plane)
    for plane in (planes.var_poisson, planes.var_read, planes.var_flat):
        np.multiply(plane, square, out=plane)
