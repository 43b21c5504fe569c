import numpy as np
import pytest

from rampline.calibration.flux import FluxParams, convert_to_sky

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


def test_a_magnitude_added_takes_flux_away_from_that_detector_only():
    params = FluxParams(zero_points="NRCB1 2.5, NRCALONG:F444W -0.01,NRCB1:F150W +.1")
    assert params.factor("NRCB1", "F200W") == pytest.approx(0.1)
    assert params.factor("NRCB1", "F150W") == pytest.approx(10**-0.04)
    assert params.factor("NRCALONG", "F444W") == pytest.approx(1.00925, abs=1e-5)
    assert params.factor("NRCALONG", "F356W") == 1.0
    assert FluxParams().factor("NRCB1", "F200W") == 1.0


@pytest.mark.parametrize("text", ["NRCB7 0.1", "NRCB1=0.1", "NRCB1", "B1 0.1 NRCB2 1"])
def test_zero_points_that_cannot_be_read_are_refused(text):
    with pytest.raises(ValueError, match=r"is not like 'NRCB1:F200W 0\.012'"):
        FluxParams(zero_points=text)
