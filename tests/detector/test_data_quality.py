import numpy as np
import pytest

from rampline.detector.data_quality import initialize_flags
from rampline.flags import DEAD, DO_NOT_USE, HOT

from .exposures import jwst_ramp, make_readout


def filled(mask, shape):
    pixels, groups = np.full(shape[2:], 77, np.uint32), np.full(shape, 77, np.uint8)
    initialize_flags(mask, out_pixels=pixels, out_groups=groups)
    return pixels, groups


def test_a_dead_pixel_must_not_be_used_in_any_group_but_a_hot_one_may():
    mask = np.array([[0, DEAD | DO_NOT_USE, HOT]], np.uint32)
    pixels, groups = filled(mask, (2, 3, 1, 3))
    np.testing.assert_array_equal(pixels, mask)
    assert (groups[:, :, 0] == [0, DO_NOT_USE, 0]).all()


def test_without_a_mask_nothing_is_flagged():
    pixels, groups = filled(None, (1, 2, 3, 3))
    assert not pixels.any()
    assert not groups.any()


@pytest.mark.parity
def test_flags_equal_those_of_jwst(rng):
    from jwst.dq_init.dq_initialization import do_dqinit
    from stdatamodels.jwst.datamodels import MaskModel

    shape = (2, 3, 8, 6)
    mask = rng.integers(0, 1 << 32, shape[2:], dtype=np.uint32)
    model = jwst_ramp(np.zeros(shape), make_readout(shape=shape))
    reference = MaskModel(dq=mask.copy())
    reference.meta.subarray.instance.update(model.meta.subarray.instance)
    theirs = do_dqinit(model, reference)
    pixels, groups = filled(mask, shape)
    np.testing.assert_array_equal(pixels, theirs.pixeldq)
    np.testing.assert_array_equal(groups, theirs.groupdq)
