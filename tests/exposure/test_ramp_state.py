import numpy as np
import pytest

from rampline.exposure.ramp_state import open_ramp, without_samples
from rampline.numerics.workspace import Workspace

from ..detector.exposures import make_ramp, make_readout

SHAPE = (2, 3, 8, 6)


@pytest.fixture
def ramp():
    samples = np.full(SHAPE, 7, np.uint16)
    zero_frame = np.ones((2, 8, 6), np.uint16)
    raw = make_ramp(samples, make_readout(shape=SHAPE), zero_frame)
    return open_ramp(raw, Workspace())


def test_a_band_is_a_view_of_the_frame(ramp):
    band = ramp.rows(slice(2, 5))
    band.counts[:], band.group_flags[:] = 3.0, 4
    band.pixel_flags[:], band.zero_frame[:] = 5, 6.0
    assert (ramp.counts[:, :, 2:5] == 3.0).all()
    assert (ramp.group_flags[:, :, 2:5] == 4).all()
    assert (ramp.pixel_flags[2:5] == 5).all()
    assert (ramp.zero_frame[:, 2:5] == 6.0).all()
    assert band.counts.shape == (2, 3, 3, 6)


def test_what_steps_take_off_is_kept_by_name_and_the_record_before_stays(ramp):
    drift, glow = np.ones((2, 8, 6), np.float32)
    both = ramp.without("ROWDRIFT", drift).without("PERSIST", glow)
    assert both.removed["ROWDRIFT"] is drift
    assert both.removed["PERSIST"] is glow
    assert not ramp.removed


def test_an_exposure_without_zero_frame_has_none_in_a_band():
    raw = make_ramp(np.zeros(SHAPE, np.uint16), make_readout(shape=SHAPE))
    opened = open_ramp(raw, Workspace())
    assert opened.zero_frame is None
    assert opened.rows(slice(0, 2)).zero_frame is None


def test_samples_are_let_go_but_their_shape_stays(ramp):
    lighter = without_samples(ramp)
    assert lighter.raw.samples.shape == SHAPE
    assert lighter.raw.samples.strides == (0, 0, 0, 0)
    assert (ramp.raw.samples == 7).all()
