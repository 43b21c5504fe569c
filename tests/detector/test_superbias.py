import numpy as np
import pytest

from rampline.detector import subtraction
from rampline.detector.superbias import subtract_superbias
from tests.twins.detector import pixels as twins

from .exposures import every_row, jwst_ramp, make_readout


def test_the_bias_leaves_every_group_and_an_unknown_one_leaves_nothing():
    counts = np.array([110, 120, 110, 120], np.float32).reshape(1, 2, 1, 2)
    bias = np.array([[100, np.nan]], np.float32)
    subtract_superbias(counts, bias, slice(0, 1))
    np.testing.assert_array_equal(counts[0, :, 0], [[10, 120], [10, 120]])


def test_rows_outside_of_the_band_stay(rng):
    counts = rng.normal(size=(2, 3, 6, 4)).astype(np.float32)
    before = counts.copy()
    subtract_superbias(counts, np.ones((6, 4), np.float32), slice(2, 4))
    changed = (counts != before).any(axis=(0, 1, 3))
    assert changed.tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize("n_planes", [1, 3])
def test_the_kernel_equals_its_twin(rng, n_planes):
    counts = rng.normal(size=(2, 3, 6, 37)).astype(np.float32)
    planes = rng.normal(size=(n_planes, 6, 37)).astype(np.float32)
    planes[rng.random(planes.shape) < 0.1] = np.nan
    twin = counts.copy()
    subtraction._subtract_known(counts, planes, 1, 5)
    twins.subtract_known(twin, planes, 1, 5)
    np.testing.assert_array_equal(counts, twin)


@pytest.mark.parity
def test_counts_equal_those_of_jwst(rng):
    from jwst.superbias.bias_sub import do_correction
    from stdatamodels.jwst.datamodels import SuperBiasModel

    counts = rng.integers(8000, 60000, (2, 4, 16, 12)).astype(np.float32)
    zero = counts[:, 0].copy()
    bias = rng.normal(9000, 30, (16, 12)).astype(np.float32)
    bias[rng.random(bias.shape) < 0.1] = np.nan
    model = SuperBiasModel(data=bias.copy(), dq=np.zeros(bias.shape, np.uint32))
    model.meta.subarray.xstart = model.meta.subarray.ystart = 1
    model.meta.subarray.xsize, model.meta.subarray.ysize = 12, 16
    model.meta.subarray.fastaxis, model.meta.subarray.slowaxis = -1, 2
    readout = make_readout(shape=counts.shape)
    theirs = do_correction(jwst_ramp(counts, readout, zero_frame=zero), model)
    subtract_superbias(counts, bias, every_row(counts))
    subtract_superbias(zero[:, None], bias, every_row(zero))
    np.testing.assert_array_equal(counts, theirs.data)
    np.testing.assert_array_equal(zero, theirs.zeroframe)
