"""Slopes and flats for the tests, with all that can go wrong."""

import numpy as np

from rampline.calibration.flat import FlatPlanes, SkyBuffers
from rampline.flags import DO_NOT_USE, JUMP, NO_FLAT_FIELD, UNRELIABLE_FLAT

SHAPE = (24, 40)


def nasty_slopes(rng, shape=SHAPE):
    def plane(low, high):
        return rng.uniform(low, high, shape).astype(np.float32)

    slopes = SkyBuffers(
        signal=plane(-0.1, 5.0),
        err=plane(0.01, 0.2),
        var_poisson=plane(1e-4, 1e-2),
        var_read=plane(1e-4, 1e-3),
        var_flat=plane(0, 9),
        flags=np.where(rng.random(shape) < 0.1, np.uint32(JUMP), np.uint32(0)),
    )
    slopes.signal[0, :2] = np.nan
    slopes.flags[0, :2] |= DO_NOT_USE
    slopes.signal[1, 1] = np.nan
    slopes.err[1, 2] = np.nan
    slopes.var_read[1, 3] = np.nan
    slopes.flags[1, 4] |= DO_NOT_USE
    slopes.signal[1, 5] = np.inf
    slopes.signal[1, 6] = 0.0
    return slopes


def nasty_flat(rng, shape=SHAPE):
    flat = FlatPlanes(
        value=rng.uniform(0.7, 1.2, shape).astype(np.float32),
        err=rng.uniform(1e-4, 1e-2, shape).astype(np.float32),
        flags=np.zeros(shape, np.uint32),
    )
    flat.value[2, 0] = np.nan
    flat.value[2, 1] = 0.0
    flat.value[2, 2] = -0.5
    flat.err[2, 3] = np.nan
    flat.flags[2, 4] = NO_FLAT_FIELD
    flat.flags[2, 5] = DO_NOT_USE
    flat.flags[2, 6] = UNRELIABLE_FLAT
    flat.flags[2, 7] = NO_FLAT_FIELD | DO_NOT_USE
    return flat


def copied(planes):
    return type(planes)(*(plane.copy() for plane in planes))
