import numpy as np

from rampline.calibration import flat as step
from rampline.calibration.flat import (
    FlatPlanes,
    SkyBuffers,
    divide_by_flat,
    leave_flat,
)
from rampline.flags import DO_NOT_USE, NO_FLAT_FIELD, UNRELIABLE_FLAT

from ..twins import calibration as twins
from .scenes import copied, nasty_flat, nasty_slopes


def one_pixel(value, dtype=np.float32):
    return np.full((1, 1), value, dtype)


def test_half_the_response_doubles_the_slope_and_quadruples_the_variances():
    pixel = SkyBuffers(
        signal=one_pixel(3.0),
        err=one_pixel(0.5),
        var_poisson=one_pixel(0.16),
        var_read=one_pixel(0.09),
        var_flat=one_pixel(7.0),
        flags=one_pixel(0, np.uint32),
    )
    divide_by_flat(
        pixel, FlatPlanes(one_pixel(0.5), one_pixel(0.0), one_pixel(0, np.uint32))
    )
    values = [float(plane[0, 0]) for plane in pixel]
    np.testing.assert_allclose(values, [6.0, 1.0, 0.64, 0.36, 0.0, 0], rtol=1e-6)


def test_an_error_of_the_flat_is_a_relative_error_of_the_sky():
    pixel = SkyBuffers(
        signal=one_pixel(4.0),
        err=one_pixel(0.0),
        var_poisson=one_pixel(0.0),
        var_read=one_pixel(0.0),
        var_flat=one_pixel(0.0),
        flags=one_pixel(0, np.uint32),
    )
    divide_by_flat(
        pixel, FlatPlanes(one_pixel(0.8), one_pixel(0.008), one_pixel(0, np.uint32))
    )
    np.testing.assert_allclose(pixel.err / pixel.signal, 0.01, rtol=1e-6)


def test_a_flat_of_one_changes_nothing_but_the_error(rng):
    slopes = nasty_slopes(rng)
    before = copied(slopes)
    shape = slopes.signal.shape
    divide_by_flat(
        slopes,
        FlatPlanes(
            np.ones(shape, np.float32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.uint32),
        ),
    )
    usable = slopes.flags & DO_NOT_USE == 0
    assert np.array_equal(slopes.signal[usable], before.signal[usable])
    assert (slopes.var_flat[usable] == 0).all()


def test_unknown_response_means_unknown_sky(rng):
    slopes = nasty_slopes(rng)
    divide_by_flat(slopes, nasty_flat(rng))
    both = DO_NOT_USE | NO_FLAT_FIELD
    assert (slopes.flags[2, :2] & both == both).all()
    assert slopes.flags[2, 4] & both == both
    assert slopes.flags[2, 3] & DO_NOT_USE
    assert slopes.flags[2, 6] & UNRELIABLE_FLAT
    assert not slopes.flags[2, 6] & DO_NOT_USE


def test_planes_and_flags_agree_on_what_is_unusable(rng):
    slopes = nasty_slopes(rng)
    divide_by_flat(slopes, nasty_flat(rng))
    unusable = slopes.flags & DO_NOT_USE != 0
    for plane in slopes[:5]:
        assert np.array_equal(np.isnan(plane), unusable)


def test_without_a_flat_its_variance_is_zero(rng):
    slopes = nasty_slopes(rng)
    leave_flat(slopes)
    assert (slopes.var_flat[~np.isnan(slopes.signal)] == 0).all()
    assert np.isnan(slopes.var_flat[np.isnan(slopes.signal)]).all()


def test_twin_flat(rng):
    ours = nasty_slopes(rng)
    theirs = copied(ours)
    flat = nasty_flat(rng)
    with np.errstate(all="ignore"):
        step._divide_by_flat(ours, flat, DO_NOT_USE, NO_FLAT_FIELD)
    twins.divide_by_flat(theirs, flat, DO_NOT_USE, NO_FLAT_FIELD)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)
