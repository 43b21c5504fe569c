from dataclasses import replace

import numpy as np
import pytest

from rampline.calibration.zero_points import ZeroPointParams
from rampline.pipeline.sky_to_mosaic import (
    SkyToMosaic,
    align_field,
    survey_exposure,
)
from rampline.pipeline.zero_points import compare_zero_points

from . import dithers

SHIFTS = ((0.0, 0.0), (0.31, 0.12), (-0.22, 0.27), (0.11, -0.35))


@pytest.fixture
def field(rng):
    """Four dithers; NRCB2 saw the last two of them, 5 % too bright."""
    ra, dec, _ = dithers.star_field(rng, 40, 3.4)
    stars = ra, dec, 10 ** rng.uniform(1, 2, 40)
    images = [
        dithers.make_image(rng, k, stars, shift, size=256)
        for k, shift in enumerate(SHIFTS)
    ]
    for k in (2, 3):
        header = replace(images[k].header, detector="NRCB2", visit="002")
        sky = images[k].sky * np.float32(1.05)
        images[k] = replace(images[k], header=header, sky=sky)
    surveys = [survey_exposure(image, SkyToMosaic()) for image in images]
    return align_field(surveys, None, SkyToMosaic().alignment)


def test_a_detector_that_measures_too_much_is_told_by_the_stars_it_shares(field):
    found = compare_zero_points(
        field, range(4), dithers.grid(400), ZeroPointParams(match=0.1)
    )
    assert found.detector == ("NRCB1", "NRCB2")
    apart = np.diff(found.offset_mag)[0]
    assert apart == pytest.approx(2.5 * np.log10(1.05), abs=0.01)
    assert np.all(found.error_mag < 0.01)


def test_one_detector_cannot_be_compared(field):
    grid, params = dithers.grid(400), ZeroPointParams()
    assert compare_zero_points(field, (0, 1), grid, params) is None
    off = ZeroPointParams(enabled=False)
    assert compare_zero_points(field, range(4), grid, off) is None
