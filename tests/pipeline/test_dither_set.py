"""What passes over the exposures share: masks kept as bits."""

import numpy as np
import pytest

from rampline.pipeline.dither_set import PackedMask


@pytest.mark.parametrize("n_cols", [1, 8, 13, 64])
def test_a_packed_mask_opens_as_it_was(rng, n_cols):
    mask = rng.random((5, n_cols)) < 0.3
    packed = PackedMask.of(mask)
    assert np.array_equal(packed.open(), mask)
    assert packed.open().dtype == np.bool_
    assert packed.bits.nbytes == 5 * -(-n_cols // 8)
