import numpy as np
import pytest

from rampline.numerics import fourier


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_streams_come_back_in_their_precision(rng, dtype):
    streams = rng.standard_normal((3, 60)).astype(dtype)
    back = fourier.irfft(fourier.rfft(streams, 64), 64)
    assert back.dtype == dtype
    np.testing.assert_allclose(back[:, :60], streams, atol=1e-5)
    np.testing.assert_allclose(back[:, 60:], 0.0, atol=1e-5)


def test_fast_lengths_have_small_factors():
    assert fourier.fast_length(2039) >= 2039
    assert fourier.fast_length(2048) == 2048


def test_modes_of_a_plane_give_it_back(rng):
    plane = rng.standard_normal((6, 9))
    modes = fourier.dctn(plane)
    np.testing.assert_allclose((modes**2).sum(), (plane**2).sum())
    np.testing.assert_allclose(fourier.idctn(modes, plane.shape), plane)
