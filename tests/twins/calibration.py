"""Slow twins of the kernels of ``rampline.calibration``."""

import numpy as np


def divide_by_flat(planes, flat, do_not_use, no_flat):
    value, flat_err, flat_flags = (np.array(plane) for plane in flat)
    unknown = np.isnan(value) | (value == 0) | (flat_flags & np.uint32(no_flat) != 0)
    flat_flags[np.isnan(value) | (value == 0)] |= np.uint32(no_flat)
    flat_flags[unknown] |= np.uint32(do_not_use)
    with np.errstate(all="ignore"):
        signal = planes.signal / value
        var_flat = signal**2 / value**2 * flat_err**2
        var_poisson = planes.var_poisson / value**2
        var_read = planes.var_read / value**2
        err = np.sqrt(var_poisson + var_read + var_flat)
    flags = planes.flags | flat_flags
    done = [signal, err, var_poisson, var_read, var_flat]
    invalid = np.isnan([*done, planes.err]).any(axis=0)
    invalid |= flags & np.uint32(do_not_use) != 0
    for plane, values in zip(planes, done, strict=False):
        plane[...] = np.where(invalid, np.nan, values)
    planes.flags[...] = np.where(invalid, flags | np.uint32(do_not_use), flags)
