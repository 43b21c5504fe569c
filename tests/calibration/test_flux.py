import numpy as np

from rampline.calibration.flux import convert_to_sky

from .scenes import copied, nasty_slopes


def test_signal_and_error_scale_with_the_factor_and_variances_with_its_square(rng):
    planes = nasty_slopes(rng)
    before = copied(planes)
    convert_to_sky(planes, 2.5)
    for after, plane in zip(planes[:2], before[:2], strict=True):
        np.testing.assert_allclose(after, 2.5 * plane, rtol=1e-6)
    for after, plane in zip(planes[2:5], before[2:5], strict=True):
        np.testing.assert_allclose(after, 6.25 * plane, rtol=1e-6)
    assert np.array_equal(planes.flags, before.flags)


def test_planes_stay_in_single_precision(rng):
    planes = nasty_slopes(rng)
    convert_to_sky(planes, 1.23456789)
    assert {plane.dtype for plane in planes[:5]} == {np.dtype(np.float32)}
