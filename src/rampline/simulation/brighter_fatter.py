"""The brighter-fatter effect: pixels that are fuller than their neighbours shrink.

The border between two pixels moves towards the fuller one in proportion to the difference
of their charges, so light on it goes to the emptier one. With constant rates the charge
that has crossed a border until a read is ``a (Q_1**2 - Q_2**2) / 4``: the flow ``a (Q_1 -
Q_2)`` times the mean rate of both, integrated over time. The noiseless image sets it:
hits and photon noise do not deform pixels here, so the variance is not lowered as it is
on a detector. Size: 0.2 to 0.4 parts in a million per electron and side are measured on
H4RG detectors (Hirata and Choi 2020).
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.timing import Readout
from ..flags import REFERENCE_PIXEL
from ..params import StepParams, Unit
from .photons import Signal
from .pixels import PixelPlanes

Plane = NDArray[np.float32]


class BrighterFatterParams(StepParams):
    """Light that goes to the neighbours of full pixels."""

    enabled: bool = False
    """Whether pixels shrink."""
    per_million: Annotated[float, Field(ge=0, le=10.0), Unit("1e-6/e-")] = 0.3
    """Share of the light that crosses one side per electron of difference, in millions."""


def move_charge(
    signal: Signal,
    rate_e_s: Plane,
    pixels: PixelPlanes,
    readout: Readout,
    params: BrighterFatterParams,
) -> None:
    """Add what has crossed the borders to the counts, in place.

    Parameters
    ----------
    signal : Signal
        Changed.
    rate_e_s : (rows, cols) float32, e-/s
        Without noise.
    pixels : PixelPlanes
    readout : Readout
    params : BrighterFatterParams
    """
    sensitive = (pixels.flags & REFERENCE_PIXEL) == 0
    well_e = pixels.well_dn * pixels.gain
    times = readout.read_times_s()
    planes = [*signal.groups, signal.first]
    mean_squares = [*np.mean(times**2, axis=1), times[0, 0] ** 2]
    for counts, square in zip(planes, mean_squares, strict=True):
        charge = rate_e_s * np.float32(np.sqrt(square))
        gained = crossed_e(np.minimum(charge, well_e), sensitive, params.per_million)
        gained[charge >= well_e] = 0.0
        true_dn = charge / pixels.gain
        bend = (1.0 + pixels.curvature * true_dn) ** 2
        np.add(counts, gained / (pixels.gain * bend), out=counts)


def crossed_e(
    charge_e: Plane, sensitive: NDArray[np.bool_], per_million: float
) -> Plane:
    """Return the charge that each pixel gains from its four neighbours.

    Parameters
    ----------
    charge_e : (rows, cols) float32, e-
    sensitive : (rows, cols) bool
        Pixels that gather light; others neither give nor take.
    per_million : float, 1e-6/e-

    Returns
    -------
    (rows, cols) float32, e-
        Its sum is 0.
    """
    energy = np.float32(0.25e-6 * per_million) * charge_e * charge_e
    gained = np.zeros_like(energy)
    for axis in (0, 1):
        flow = np.diff(energy, axis=axis)
        low = tuple(slice(None, -1) if k == axis else slice(None) for k in (0, 1))
        high = tuple(slice(1, None) if k == axis else slice(None) for k in (0, 1))
        flow *= sensitive[low] & sensitive[high]
        gained[low] += flow
        gained[high] -= flow
    return gained
