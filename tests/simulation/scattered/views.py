"""Exposures and stars for the tests of scattered light."""

import numpy as np

from rampline.simulation.geometry import Attitude, attitude_from, camera, focal_to_sky
from rampline.simulation.instrument import DETECTORS, passband
from rampline.simulation.scattered.view import View, see_stars
from rampline.simulation.sources import Sources

ATTITUDE = attitude_from((0.0, -495.0), (150.1, 2.2), 20.0)


def view(
    detector="NRCB1",
    band="F200W",
    subarray="FULL",
    grism="",
    attitude: Attitude = ATTITUDE,
    key=0,
):
    made = DETECTORS[detector]
    used = camera(f"{made.siaf}_{subarray}", attitude)
    return View(
        detector=made,
        band=passband(band),
        grism=grism,
        camera=used,
        shape=(used.used.n_rows, used.used.n_cols),
        dn_s_per_mjy_sr=0.5,
        seed=5,
        key=(key, made.number),
    )


def sources(v2, v3, magnitude, colour=-2.0, attitude=ATTITUDE):
    """Stars at places of the focal plane, arcsec."""
    v2, v3, magnitude = (
        np.atleast_1d(np.asarray(x, float)) for x in (v2, v3, magnitude)
    )
    ra, dec = focal_to_sky(attitude, v2, v3)
    zero, one = np.zeros(v2.size), np.ones(v2.size)
    return Sources(
        ra_deg=ra,
        dec_deg=dec,
        flux_jy=10 ** (-0.4 * (magnitude - 8.90)),
        colour=colour * one,
        half_light_arcsec=zero,
        index=one,
        axis_ratio=one,
        position_angle_deg=zero,
        in_band={},
    )


def stars(seen, v2, v3, magnitude, rate=1.0e5, colour=-2.0):
    """The same as a detector has them, each with the same rate."""
    made = sources(v2, v3, magnitude, colour)
    rates = np.full(made.ra_deg.size, rate)
    return see_stars(seen, made, rates, made.ra_deg.size)
