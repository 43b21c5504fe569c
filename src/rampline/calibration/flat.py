"""Divide by the flat field: the response of each pixel to uniform light, mean near one.

The flat's own error becomes a third variance, because it does not average down over
groups and dithers of the same pixel as the others do. Pixels without a flat become
unusable.
"""

from typing import NamedTuple

import numpy as np

from ..exposure.records import Flags32, Plane
from ..flags import DO_NOT_USE, NO_FLAT_FIELD
from ..numerics.jit import kernel
from ..params import StepParams


class FlatParams(StepParams):
    """Whether slopes are divided by the flat field."""


class FlatPlanes(NamedTuple):
    """A flat field, (rows, cols) each."""

    value: Plane
    err: Plane
    flags: Flags32


class SkyBuffers(NamedTuple):
    """The planes of an exposure that calibration changes in place, (rows, cols) each."""

    signal: Plane
    """Slope in DN/s, or sky in MJy/sr."""
    err: Plane
    var_poisson: Plane
    var_read: Plane
    var_flat: Plane
    """Filled by `divide_by_flat`."""
    flags: Flags32


def divide_by_flat(planes: SkyBuffers, flat: FlatPlanes) -> None:
    """Divide slopes by the flat and propagate all errors, in place.

    Parameters
    ----------
    planes : SkyBuffers of (rows, cols)
        Owned by the caller; changed. Signal in DN/s, variances in (DN/s)**2.
    flat : FlatPlanes of (rows, cols)
        Cut to the same rows and columns.

    Notes
    -----
    Agrees with the ``flat_field`` step of ``jwst``: a flat of NaN or zero, or flagged
    NO_FLAT_FIELD, makes the pixel DO_NOT_USE; ``var_flat`` is signal**2 / flat**2 *
    err**2 with the signal already divided; ERR is the root of the three variances; a
    NaN in any plane, or DO_NOT_USE, makes all planes NaN and the pixel DO_NOT_USE.
    """
    _divide_by_flat(planes, flat, DO_NOT_USE, NO_FLAT_FIELD)


def leave_flat(planes: SkyBuffers) -> None:
    """Fill ``var_flat`` when no flat is applied: 0, and NaN where the slope is NaN."""
    planes.var_flat.fill(0)
    planes.var_flat[np.isnan(planes.signal)] = np.nan


@kernel
def _divide_by_flat(
    planes: SkyBuffers, flat: FlatPlanes, do_not_use: int, no_flat: int
) -> None:
    """Divide pixel by pixel; the two integers are flag bits."""
    value, flat_err, flat_flags = flat
    signal, err, var_poisson, var_read, var_flat, flags = planes
    bad = np.uint32(do_not_use)
    unknown = np.uint32(no_flat)
    for row in range(signal.shape[0]):
        for col in range(signal.shape[1]):
            f = value[row, col]
            bits = flat_flags[row, col]
            if np.isnan(f) or f == np.float32(0.0):
                bits |= bad | unknown
            if bits & unknown:
                bits |= bad
            bits |= flags[row, col]
            square = f * f
            s = signal[row, col] / f
            e = flat_err[row, col]
            v_flat = s * s / square * (e * e)
            v_poisson = var_poisson[row, col] / square
            v_read = var_read[row, col] / square
            total = v_poisson + v_read + v_flat
            if bits & bad or np.isnan(s + total + err[row, col]):
                bits |= bad
                s = v_flat = v_poisson = v_read = total = np.float32(np.nan)
            signal[row, col] = s
            err[row, col] = np.sqrt(total)
            var_poisson[row, col] = v_poisson
            var_read[row, col] = v_read
            var_flat[row, col] = v_flat
            flags[row, col] = bits
