from dataclasses import replace

import numpy as np
import pytest

from rampline.artifacts.bright_stars import brightest_stars
from rampline.artifacts.stars import StarTable
from rampline.exposure.header import Pointing
from rampline.pipeline.expect_artifacts import ExpectParams, expect_artifacts

from .exposures import make_header

FULL = make_header().readout


def header(ra=150.1, dec=2.2, roll=334.0, detector="NRCB1", band="F150W", **readout):
    # NRCALL_FULL
    pointing = Pointing(
        ra_ref_deg=ra,
        dec_ref_deg=dec,
        roll_ref_deg=roll,
        v2_ref_arcsec=-0.3276,
        v3_ref_arcsec=-492.9683,
        v3i_yang_deg=-0.107,
        vparity=-1,
        va_scale=1.0,
    )
    size = {"n_rows": 2048, "n_cols": 2048, "row_start": 0, "col_start": 0}
    return make_header(
        detector=detector,
        filter=band,
        pointing=pointing,
        readout=replace(FULL, **(size | readout)),
    )


def kinds(found):
    return {item.kind for item in found}


def test_r_leonis_reaches_module_b_in_cosmos_at_one_angle_and_not_at_another():
    stars = brightest_stars()
    at_334 = expect_artifacts(header(roll=334.0), stars, ExpectParams())
    assert "claw" in kinds(at_334)
    (claw,) = (item for item in at_334 if item.kind == "claw")
    assert "R Leo" in claw.cause
    # facts: 444 DN per pixel in 1000 s, good to a factor of two
    assert 0.22 < claw.strength < 0.9
    at_60 = expect_artifacts(header(roll=60.0), stars, ExpectParams())
    assert "claw" not in kinds(at_60)


def test_stars_behind_the_telescope_do_not_count():
    behind = StarTable(
        ("it",), *(np.array([v]) for v in (330.1, -2.2, -4.0, -4.0, -4.0))
    )
    assert not expect_artifacts(header(), behind, ExpectParams())


def test_wisps_are_told_in_pixels_of_the_subarray():
    none = brightest_stars().take(np.arange(0))
    cut = {"n_rows": 640, "n_cols": 640, "row_start": 1200, "col_start": 600}
    (whole,) = expect_artifacts(header(detector="NRCB4"), none, ExpectParams())
    (part,) = expect_artifacts(header(detector="NRCB4", **cut), none, ExpectParams())
    assert (whole.corners - part.corners == (600, 1200)).all()
    away = {"n_rows": 64, "n_cols": 64, "row_start": 0, "col_start": 0}
    assert not expect_artifacts(header(detector="NRCB4", **away), none, ExpectParams())


@pytest.mark.parametrize("band", ["F150W", "F070W"])
def test_filters_without_wisps_have_none(band):
    none = brightest_stars().take(np.arange(0))
    found = expect_artifacts(header(detector="NRCA3", band=band), none, ExpectParams())
    assert ("wisp" in kinds(found)) == (band == "F150W")
