from dataclasses import replace

import numpy as np
import pytest

from rampline.exposure.records import SlopeImage
from rampline.flags import DO_NOT_USE, JUMP, REFERENCE_PIXEL
from rampline.pipeline.bad_pixels import expose_pixels

from ..astrometry.fields import sky_planes
from .exposures import make_header, random_planes

SHAPE = (4, 5)


@pytest.fixture
def image(rng):
    """A sky of 1 DN/s through a flat of 0.5: slopes of 0.5, one pixel 0.3 above."""
    slope = np.full(SHAPE, 0.5, np.float32)
    slope[1, 1] = 0.8
    flags = np.zeros(SHAPE, np.uint32)
    flags[0, 0], flags[0, 1], flags[2, 2] = REFERENCE_PIXEL, DO_NOT_USE, JUMP
    err = np.full(SHAPE, 0.02, np.float32)
    planes = replace(random_planes(rng, SHAPE), slope=slope, err=err, flags=flags)
    return SlopeImage(header=make_header(), planes=planes)


def test_a_pixel_is_told_by_what_it_has_beyond_the_sky(image):
    hidden, is_source = np.zeros((2, *SHAPE), np.bool_)
    hidden[3, 3], is_source[3, 4] = True, True
    planes = sky_planes(SHAPE, flat=np.full(SHAPE, 0.5, np.float32))
    found = expose_pixels(image, planes, hidden, is_source)
    expected = np.zeros(SHAPE)
    expected[1, 1] = 0.6
    for blind in ((0, 0), (0, 1), (3, 3), (3, 4)):
        expected[blind] = np.nan
    np.testing.assert_allclose(found.residual, expected, atol=1e-6)
    np.testing.assert_allclose(found.err, 0.04)
    assert found.sky == pytest.approx(1.0)
    assert np.argwhere(found.is_hit).tolist() == [[2, 2]]
    readout = image.header.readout
    assert found.degrees == readout.n_ints * (readout.n_groups - 2)
    assert found.chi2 is None
