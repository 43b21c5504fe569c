import numpy as np
import pytest

from rampline.photometry.point_source import predict_point_source
from rampline.photometry.sampling import predict_sampling_error

RADII = np.array([1.2, 3.1])


def _errors(fwhm_arcsec, n_exposures, native=0.031, scale=0.03):
    star = predict_point_source(fwhm_arcsec, native, 1.0, scale)
    return predict_sampling_error(star, RADII * star.native_px, np.array(n_exposures))


def test_more_exposures_leave_less():
    found = _errors(0.0286, [1, 4, 16])
    assert (np.diff(found.position_px) < 0).all()
    assert (np.diff(found.flux, axis=1) < 0).all()


def test_wide_stars_are_sampled_well():
    narrow, wide = (_errors(fwhm, [1]) for fwhm in (0.0286, 0.065))
    assert wide.position_px[0] < 0.3 * narrow.position_px[0]
    assert wide.flux[1, 0] < 0.002


def test_f090w_in_one_exposure_is_uncertain_by_a_tenth_of_a_pixel():
    # independent drizzles of random phases gave 2.8 mas for one exposure, 1.85 for four
    found = _errors(0.0286, [1, 4])
    assert found.position_px[0] * 30 == pytest.approx(2.9, abs=0.4)
    assert found.position_px[1] * 30 == pytest.approx(1.9, abs=0.3)


def test_small_apertures_suffer_more():
    found = _errors(0.065, [1])
    assert found.flux[0, 0] > 5 * found.flux[1, 0]


def test_no_exposure_counts_as_one():
    found = _errors(0.065, [0, 1])
    assert found.position_px[0] == found.position_px[1]
