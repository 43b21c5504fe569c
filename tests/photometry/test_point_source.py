import numpy as np
import pytest
from scipy.special import j0, j1

from rampline.photometry.point_source import (
    encircled_energy,
    narrowing_factor,
    predict_point_source,
    radial_profile,
)

ARCSEC = {"F200W": 0.065, "F444W": 0.145}
NATIVE = {"F200W": 0.031, "F444W": 0.063}


def test_without_pixels_it_is_the_airy_image():
    radius = np.array([0.5, 1.0, 1.22, 2.0])
    v = np.pi * radius
    airy = 1 - j0(v) ** 2 - j1(v) ** 2
    np.testing.assert_allclose(encircled_energy(radius, 1.0, ()), airy, atol=2e-3)
    peak = radial_profile(np.zeros(1), 1.0, ())
    np.testing.assert_allclose(peak, np.pi / 4, rtol=1e-3)


def test_the_profile_holds_the_encircled_energy():
    radius = np.linspace(0, 3, 3001)
    light = 2 * np.pi * radius * radial_profile(radius, 2.0, (1.0, 1.0))
    summed = np.sum((light[1:] + light[:-1]) / 2) * (radius[1] - radius[0])
    energy = encircled_energy(radius[-1:], 2.0, (1.0, 1.0))
    assert summed == pytest.approx(energy[0], rel=1e-3)


def test_narrow_light_takes_the_width_of_the_pixels():
    star = predict_point_source(0.001, 0.031, 1.0, 0.031)
    # two squares of one pixel give a pyramid-like image about one pixel wide
    assert star.fwhm_px == pytest.approx(1.5, abs=0.3)


@pytest.mark.parametrize("band", ["F200W", "F444W"])
def test_on_the_exposures_own_pixels_the_correction_stays(band):
    star = predict_point_source(ARCSEC[band], NATIVE[band], 1.0, NATIVE[band])
    assert narrowing_factor(star, 3.0, (8.0, 13.0)) == pytest.approx(1.0, abs=1e-12)


def test_on_smaller_pixels_the_correction_shrinks_by_a_few_thousandths():
    star = predict_point_source(ARCSEC["F444W"], NATIVE["F444W"], 1.0, 0.03)
    px = star.native_px
    factor = narrowing_factor(star, 3.07 * px, (8 * px, 13 * px))
    assert 0.995 < factor < 0.9995
    assert star.fwhm_px * 0.03 < 0.17


def test_smaller_drops_make_sharper_stars():
    wide, sharp = (
        predict_point_source(0.065, 0.031, pixfrac, 0.02) for pixfrac in (1.0, 0.5)
    )
    assert sharp.fwhm_px < wide.fwhm_px
