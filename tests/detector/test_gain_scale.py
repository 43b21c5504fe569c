import numpy as np

from rampline.detector.gain_scale import scale_gain
from rampline.exposure.records import SlopePlanes


def make_planes(rng):
    return SlopePlanes(
        **{
            name: rng.uniform(1, 2, (3, 4)).astype(np.float32)
            for name in ("slope", "err", "var_poisson", "var_read")
        },
        flags=np.arange(12, dtype=np.uint32).reshape(3, 4),
    )


def test_slopes_scale_with_the_gain_and_variances_with_its_square(rng):
    planes = make_planes(rng)
    scaled = scale_gain(planes, 2.0)
    np.testing.assert_array_equal(scaled.slope, 2 * planes.slope)
    np.testing.assert_array_equal(scaled.err, 2 * planes.err)
    np.testing.assert_array_equal(scaled.var_poisson, 4 * planes.var_poisson)
    np.testing.assert_array_equal(scaled.var_read, 4 * planes.var_read)
    np.testing.assert_array_equal(scaled.flags, planes.flags)


def test_the_standard_gain_changes_nothing(rng):
    planes = make_planes(rng)
    assert scale_gain(planes, 1.0) is planes
