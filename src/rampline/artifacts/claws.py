"""Claws: light from stars ten degrees away that passes the stop of the aft optics.

A little light from stars brighter than about K = 3 in a region 9 to 11 degrees from the
axis towards +V3 reaches the short-wavelength detectors directly. It is about 13
magnitudes fainter than the star and spread out; its position on a detector changes
little at a fixed roll angle. The transmission over the region is a map that STScI
publishes with its rogue path tool; the Gaussians below agree with it within 3 % of the
peak. A prediction is good to a factor of two, because the stars saturate in 2MASS and
many of them vary.
"""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..params import Params, Unit
from .bits import CLAW_MASKED
from .expected import Expected

Vector = NDArray[np.float64]
DETECTORS: Final = {"A": ("NRCA1", "NRCA3"), "B": ("NRCB1", "NRCB2", "NRCB4")}
"""Detectors of each module that the rogue path reaches."""
ATTENUATION_MAG: Final = 17.0
"""Difference between the effective and the star's magnitude, in addition to the map."""

DnPerSecond = Annotated[float, Field(ge=0), Unit("DN/s")]


class ClawParams(Params):
    """Which claws are reported."""

    least_rate: DnPerSecond = 0.002
    """Minimum expected signal per pixel of a listed claw: 1 to 2 % of a dark sky."""


class BandMagnitudes(NamedTuple):
    """Stars in the telescope's frame with their Vega magnitudes."""

    name: tuple[str, ...]
    v2_deg: Vector
    """(n,) deg."""
    v3_deg: Vector
    """(n,) deg."""
    j_mag: Vector
    """(n,) NaN where unknown."""
    h_mag: Vector
    """(n,)"""
    k_mag: Vector
    """(n,)"""


class ClawRate(NamedTuple):
    """Light that reaches one module."""

    total: float
    """DN/s per pixel."""
    leading: str
    """Name of the star that contributes most."""
    share: float
    """Fraction of the total contributed by this star."""


def claw_transmission(module: str, v2_deg: Vector, v3_deg: Vector) -> Vector:
    """Return the intensity map of the rogue path.

    Parameters
    ----------
    module : str
        ``A`` or ``B``.
    v2_deg, v3_deg : (n,) float64, deg

    Returns
    -------
    (n,) float64
        In the units of STScI's rogue path tool; peak 38 for module A and 27 for B.
    """
    total = np.zeros_like(np.asarray(v2_deg, np.float64))
    for amplitude, v2, v3, sigma_u, sigma_v, angle_deg in _GAUSSIANS[module]:
        c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
        u = c * (v2_deg - v2) + s * (v3_deg - v3)
        v = -s * (v2_deg - v2) + c * (v3_deg - v3)
        total += amplitude * np.exp(-0.5 * ((u / sigma_u) ** 2 + (v / sigma_v) ** 2))
    return total


def claw_rate(stars: BandMagnitudes, module: str, filter_name: str) -> ClawRate:
    """Return the signal from distant stars in one module.

    Parameters
    ----------
    stars : BandMagnitudes
    module : str
    filter_name : str
        Of the short-wavelength channel; others have no claws.

    Returns
    -------
    ClawRate
        ``sum(10 ** (0.4 * (zero - m + 2.5 log10 I - 17)))``, as in the rogue path tool.
    """
    known = _ZERO_POINTS.get(filter_name)
    if known is None or not stars.name:
        return ClawRate(0.0, "", 0.0)
    band, zero_a, zero_b = known
    zero = zero_a if module == "A" else zero_b
    mag = {"J": stars.j_mag, "H": stars.h_mag, "K": stars.k_mag}[band]
    through = claw_transmission(module, stars.v2_deg, stars.v3_deg)
    rates = np.nan_to_num(through * 10.0 ** (0.4 * (zero - mag - ATTENUATION_MAG)))
    total, best = float(rates.sum()), int(rates.argmax())
    return ClawRate(total, stars.name[best], float(rates[best]) / total if total else 0)


def expect_claws(
    stars: BandMagnitudes, detector: str, filter_name: str, params: ClawParams
) -> Sequence[Expected]:
    """Return the claw of a detector, if it is bright enough to be reported.

    Returns
    -------
    sequence of Expected
        Without corners: the map predicts the amount of light, not its position on the
        detector.
    """
    modules = [m for m, detectors in DETECTORS.items() if detector in detectors]
    found = []
    for module in modules:
        rate = claw_rate(stars, module, filter_name)
        if rate.total >= params.least_rate:
            cause = f"{rate.leading} contributes {100 * rate.share:.0f} %"
            found.append(
                Expected(
                    kind="claw",
                    bit=CLAW_MASKED,
                    detector=detector,
                    strength=rate.total,
                    unit="DN/s",
                    cause=cause,
                )
            )
    return found


_GAUSSIANS: Final = {
    "A": (
        (34.28, -1.206, 10.265, 0.414, 0.227, -0.7),
        (20.26, -1.959, 10.278, 0.316, 0.230, 4.5),
        (8.78, -1.552, 9.917, 0.356, 0.239, 8.0),
        (7.94, 0.353, 10.317, 0.249, 0.217, 34.5),
    ),
    "B": (
        (22.61, 1.564, 9.965, 0.457, 0.217, -0.7),
        (10.37, 1.169, 9.785, 0.472, 0.224, -18.6),
        (6.68, -0.193, 9.842, 0.344, 0.220, -48.5),
        (6.09, 2.170, 9.972, 0.273, 0.229, 7.8),
    ),
}
"""Amplitude; centre V2 and V3, deg; widths, deg; angle, deg."""

_ZERO_POINTS: Final = {
    "F070W": ("J", 7.0, 8.0),
    "F090W": ("J", 8.0, 10.8491),
    "F115W": ("H", 9.3934, 9.8801),
    "F140M": ("H", 9.0, 9.5),
    "F150W": ("H", 10.2889, 11.8580),
    "F150W2": ("H", 10.4042, 12.5890),
    "F162M": ("H", 7.5, 8.5),
    "F164N": ("H", 5.5, 6.5),
    "F182M": ("H", 9.7436, 10.9),
    "F187N": ("H", 7.2, 8.3),
    "F200W": ("K", 10.8321, 12.0125),
    "F210M": ("K", 9.5981, 10.7),
    "F212N": ("K", 8.1523, 8.2),
}
"""Band of the star's magnitude and empirical Vega zero points of modules A and B."""
