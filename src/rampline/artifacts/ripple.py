"""A ripple over a whole exposure, as shorts in NIRSpec's micro-shutters make in parallels.

A short glows, and NIRCam, which observes in parallel, sees regular bands. Their geometry is
not known beforehand, but a regular pattern is a peak in the Fourier transform of the sky
between sources, where noise has none.
"""

from typing import Annotated, Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.records import Plane
from ..params import StepParams, Unit

BIN: Final = 8
"""Pixels to a side of a bin: no band is narrower than two of them."""
LOWEST: Final = 4
"""Waves across the frame; fewer cannot be told from light that is not flat."""
AROUND: Final = 15
"""Side of the square of frequencies whose mean power is that of the noise."""
PEAK: Final = 5
"""Side of the square in its middle that is left out: a peak is as wide as that."""


class RippleParams(StepParams):
    """How a ripple of a parallel exposure is found."""

    false_alarm: Annotated[float, Field(gt=0, lt=1), Unit("1")] = 1e-4
    """Probability to find one in noise, an exposure."""


class Ripple(NamedTuple):
    """A regular pattern.

    Attributes
    ----------
    period : float, pixels
    angle_deg : float, deg
        Direction in which it varies, from the row axis (x) towards y; 0 to 180.
    amplitude : float
        Half of the difference between bright and dark, in the unit of the image.
    significance : float
        Power over that of the noise at the same frequencies; ``exp(-significance)`` is the
        probability of as much in one frequency of noise.
    """

    period: float
    angle_deg: float
    amplitude: float
    significance: float


def find_ripple(
    sky: Plane, is_free: NDArray[np.bool_], params: RippleParams
) -> Ripple | None:
    """Find the strongest regular pattern of an exposure.

    Parameters
    ----------
    sky : (rows, cols) float32
        Any unit; NaN where unknown.
    is_free : (rows, cols) bool
        Usable pixels without sources.
    params : RippleParams

    Returns
    -------
    Ripple or None
        None where there is no more than noise has, or nearly no sky.

    Notes
    -----
    Of noise whose power is smooth in frequency, the power over its local mean is
    exponentially distributed with mean one. Frequencies along rows and columns are left
    out: there stripes and amplifiers, not the sky, are regular.
    """
    image, weight = _bin(sky, is_free)
    if weight.sum() == 0:
        return None
    mean = (image * weight).sum() / weight.sum()
    power = np.abs(np.fft.rfft2(weight * (image - mean))) ** 2
    y = np.fft.fftfreq(image.shape[0])[:, None] * image.shape[0]
    x = np.arange(power.shape[1])[None]
    eligible = (np.hypot(x, y) >= LOWEST) & (np.abs(x) > 1) & (np.abs(y) > 1)
    # the last column has no neighbours on its other side
    eligible &= x < power.shape[1] - 1
    if not eligible.any():
        return None
    excess = np.where(eligible, power / _noise_power(power, eligible), 0.0)
    row, col = np.unravel_index(np.argmax(excess), excess.shape)
    significance = float(excess[row, col])
    if significance < np.log(eligible.sum() / params.false_alarm):
        return None
    # cycles a pixel, along columns and rows of the exposure
    v, u = float(y[row, 0]) / sky.shape[0], float(col) / sky.shape[1]
    return Ripple(
        period=1.0 / float(np.hypot(u, v)),
        angle_deg=float(np.degrees(np.arctan2(v, u))) % 180.0,
        amplitude=float(2.0 * np.sqrt(power[row, col]) / weight.sum()),
        significance=significance,
    )


def _bin(
    sky: Plane, is_free: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means of bins and the share of their pixels that is free."""
    rows, cols = (n // BIN * BIN for n in sky.shape)
    free = is_free[:rows, :cols] & np.isfinite(sky[:rows, :cols])
    blocks = rows // BIN, BIN, cols // BIN, BIN
    total = np.where(free, sky[:rows, :cols], np.float32(0)).reshape(blocks)
    count = free.reshape(blocks).sum(axis=(1, 3))
    mean = total.sum(axis=(1, 3), dtype=np.float64) / np.maximum(count, 1)
    return mean, count / BIN**2


def _noise_power(
    power: NDArray[np.float64], eligible: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the mean power around each frequency, the frequency itself left out."""
    known = np.where(eligible, power, 0.0)
    sums = []
    for plane in (known, eligible.astype(np.float64)):
        outer, inner = (
            scipy.ndimage.uniform_filter(plane, side, mode=("wrap", "constant"))
            * side**2
            for side in (AROUND, PEAK)
        )
        sums.append(outer - inner)
    total, count = sums
    few = count < 0.5 * (AROUND**2 - PEAK**2) / 2
    return np.where(few | (total <= 0), np.inf, total / np.maximum(count, 1.0))
