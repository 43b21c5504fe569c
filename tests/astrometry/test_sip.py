from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from rampline.astrometry.geometry import make_geometry, pixel_to_sky
from rampline.astrometry.gwcs_model import geometry_from_gwcs
from rampline.astrometry.sip import fit_sip

from .fields import (
    CORRECTION,
    POINTING,
    READOUT,
    SUB640,
    open_real,
    random_pixels,
    real_pointing,
    sky_planes,
)

PROMISED_PX = 0.005


def astropy_wcs(fit):
    return WCS(fits.Header([tuple(card) for card in fit.cards]))


def errors_px(wcs, geometry, rows, cols):
    """Largest error of pixel to sky, and of sky to pixel by AP and BP, in pixels."""
    ra, dec = pixel_to_sky(geometry, rows, cols)
    ours = wcs.wcs_world2pix(ra, dec, 0)
    theirs = wcs.wcs_world2pix(*wcs.all_pix2world(cols, rows, 0), 0)
    forward = np.hypot(*np.subtract(ours, theirs)).max()
    u, v = (
        axis - reference + 1
        for axis, reference in zip(ours, wcs.wcs.crpix, strict=True)
    )
    x = np.polynomial.polynomial.polyval2d(u, v, wcs.sip.ap) + ours[0]
    y = np.polynomial.polynomial.polyval2d(u, v, wcs.sip.bp) + ours[1]
    return forward, np.hypot(x - cols, y - rows).max()


@pytest.mark.parametrize("readout", [READOUT, SUB640])
@pytest.mark.parametrize("crpix", [None, (300.5, 12.0), (-999.0, 12.0)])
def test_sip_is_good_to_the_promise_and_says_how_good(rng, readout, crpix):
    geometry = make_geometry(sky_planes(), POINTING, readout, CORRECTION)
    fit = fit_sip(geometry, crpix)
    found = errors_px(
        astropy_wcs(fit), geometry, *random_pixels(rng, geometry.shape, 2000)
    )
    said = (fit.error_px, fit.inverse_error_px)
    assert max(said) < PROMISED_PX
    assert (np.array(found) <= 1.2 * np.array(said) + 1e-6).all()


def test_the_reference_pixel_is_the_headers_where_it_is_on_the_frame():
    geometry = make_geometry(sky_planes(), POINTING, READOUT)
    cards = {c.keyword: c.value for c in fit_sip(geometry, (300.5, 12.0)).cards}
    assert (cards["CRPIX1"], cards["CRPIX2"]) == (300.5, 12.0)
    ra, dec = pixel_to_sky(geometry, 11.0, 299.5)
    np.testing.assert_allclose(
        (cards["CRVAL1"], cards["CRVAL2"]), (ra, dec), atol=1e-12
    )


def test_residuals_are_in_the_cards():
    fit = fit_sip(make_geometry(sky_planes(), POINTING, READOUT))
    cards = {c.keyword: c.value for c in fit.cards}
    assert cards["SIPMXERR"] == fit.error_px
    assert cards["SIPIVERR"] == fit.inverse_error_px
    assert cards["CTYPE1"] == "RA---TAN-SIP"


def test_a_field_at_the_pole_is_as_good(rng):
    at_pole = replace(POINTING, dec_ref_deg=89.999)
    geometry = make_geometry(sky_planes(), at_pole, READOUT)
    fit = fit_sip(geometry)
    found = errors_px(astropy_wcs(fit), geometry, *random_pixels(rng, geometry.shape))
    assert max(found) < PROMISED_PX


@pytest.mark.shared
def test_real_exposures_are_within_the_promise(shared, rng):
    files = sorted((shared / "real_gwcs").glob("*.asdf"))
    for path in files[:10] + files[-2:]:
        real, wcsinfo = open_real(path)
        geometry = geometry_from_gwcs(real, real_pointing(real, wcsinfo), (2048, 2048))
        fit = fit_sip(geometry)
        rows, cols = random_pixels(rng, geometry.shape, 2000)
        found = errors_px(astropy_wcs(fit), geometry, rows, cols)
        assert max(found) < PROMISED_PX, path.name
