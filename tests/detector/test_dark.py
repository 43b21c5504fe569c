import numpy as np
import pytest

from rampline.detector.dark import subtract_dark, subtract_first_dark

from .exposures import every_row, jwst_ramp, make_readout


def test_each_group_loses_its_own_dark_and_an_unknown_dark_takes_nothing():
    counts = np.full((2, 2, 1, 2), 100, np.float32)
    dark = np.array([[[1, np.nan]], [[2, 3]]], np.float32)
    subtract_dark(counts, dark, slice(0, 1))
    for integration in counts:
        np.testing.assert_array_equal(integration[:, 0], [[99, 100], [98, 97]])


def test_the_zero_frame_loses_the_dark_of_its_read():
    readout = make_readout("BRIGHT2", (2, 2, 2, 2))
    zero = np.full((2, 2, 2), 100, np.float32)
    dark = np.array([[[9, 9], [3, np.nan]], [[0, 0], [0, 0]]], np.float32)
    subtract_first_dark(zero, dark, readout, slice(1, 2))
    # the first of two reads, whose mean time is that of read one and a half
    np.testing.assert_allclose(zero, [[[100, 100], [98, 100]]] * 2)


@pytest.mark.parity
def test_counts_equal_those_of_stcal(rng):
    from stcal.dark_current.dark_sub import do_correction
    from stdatamodels.jwst.datamodels import DarkModel

    shape = (2, 4, 16, 12)
    counts = rng.normal(500, 30, shape).astype(np.float32)
    dark = rng.normal(1, 0.3, shape[1:]).astype(np.float32)
    dark[rng.random(dark.shape) < 0.05] = np.nan
    readout = make_readout(shape=shape)
    model = DarkModel(data=dark.copy(), dq=np.zeros(shape[2:], np.uint32))
    model.meta.exposure.nframes = readout.n_frames
    model.meta.exposure.ngroups = readout.n_groups
    model.meta.exposure.groupgap = readout.n_dropped
    theirs, _ = do_correction(jwst_ramp(counts, readout), model)
    subtract_dark(counts, dark, every_row(counts))
    np.testing.assert_array_equal(counts, theirs.data)
