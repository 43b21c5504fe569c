import numpy as np
import pytest

from rampline.detector.ipc import correct_ipc

from .exposures import jwst_ramp, make_readout

KERNEL = np.array(
    [[0.0, -0.005, 0.001], [-0.004, 1.02, -0.006], [0.0, -0.007, 0.0]], np.float32
)


def test_a_lit_pixel_leaves_its_share_in_its_neighbours():
    samples = np.zeros((1, 1, 5, 5), np.uint16)
    samples[0, 0, 2, 2] = 1000
    readout = make_readout(shape=samples.shape, start=(100, 100))
    spread = correct_ipc(samples, KERNEL, readout, slice(0, 5))
    np.testing.assert_allclose(spread[0, 0, 1:4, 1:4], 1000 * KERNEL, rtol=1e-6)


@pytest.mark.parity
@pytest.mark.parametrize("start", [(0, 0), (2028, 2030), (700, 0)])
def test_bands_put_together_equal_jwst(rng, start):
    from jwst.ipc.ipc_corr import do_correction
    from stdatamodels.jwst.datamodels import IPCModel

    samples = rng.integers(0, 60000, (2, 2, 20, 18)).astype(np.uint16)
    readout = make_readout(shape=samples.shape, start=start)
    theirs = do_correction(jwst_ramp(samples, readout), IPCModel(data=KERNEL)).data
    bands = [
        correct_ipc(samples, KERNEL, readout, slice(k, min(k + 7, 20)))
        for k in range(0, 20, 7)
    ]
    np.testing.assert_allclose(np.concatenate(bands, axis=2), theirs, atol=0.01)
