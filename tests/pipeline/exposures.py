"""Slope images for the tests of the path from slopes to sky."""

from dataclasses import replace

import numpy as np

from rampline.exposure.header import Header
from rampline.exposure.records import SlopeImage, SlopePlanes
from rampline.flags import DO_NOT_USE, JUMP, SATURATED

from ..astrometry.fields import POINTING, SMALL, sky_planes

SHAPE = (SMALL.n_rows, SMALL.n_cols)


def make_header(**changes):
    header = Header(
        root="jw02736001001_02103_00001_nrcb1",
        program="02736",
        observation="001",
        visit="001",
        detector="NRCB1",
        module="B",
        channel="SHORT",
        filter="F200W",
        pupil="CLEAR",
        exp_type="NRC_IMAGE",
        start_mjd=59737.4,
        end_mjd=59737.5,
        exposure_s=94.0,
        first_integration=1,
        is_moving_target=False,
        readout=SMALL,
        pointing=POINTING,
    )
    return replace(header, **changes)


def random_planes(rng, shape=SHAPE):
    def plane(low, high):
        return rng.uniform(low, high, shape).astype(np.float32)

    var_poisson, var_read = plane(1e-4, 1e-3), plane(1e-4, 1e-3)
    slope = rng.normal(0.2, 0.03, shape).astype(np.float32)
    flags = np.zeros(shape, np.uint32)
    flags[rng.random(shape) < 0.05] |= JUMP
    bad = rng.random(shape) < 0.02
    flags[bad] |= DO_NOT_USE | SATURATED
    err = np.sqrt(var_poisson + var_read)
    for values in (slope, err, var_poisson, var_read):
        values[bad] = np.nan
    return SlopePlanes(
        slope=slope, err=err, var_poisson=var_poisson, var_read=var_read, flags=flags
    )


def slope_image(rng, n_ints=0, **changes):
    return SlopeImage(
        header=make_header(**changes),
        planes=random_planes(rng),
        integrations=random_planes(rng, (n_ints, *SHAPE)) if n_ints else None,
    )


def reference_planes(rng, **changes):
    values = {
        "flat": rng.uniform(0.9, 1.1, SHAPE).astype(np.float32),
        "flat_err": rng.uniform(0.001, 0.01, SHAPE).astype(np.float32),
        "area": rng.uniform(0.98, 1.02, SHAPE).astype(np.float32),
    }
    return sky_planes(SHAPE, **(values | changes))
