import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from rampline.simulation.pointing import plan_exposures
from rampline.simulation.presets import smacs_scene
from rampline.simulation.scene import PointingErrorParams
from rampline.simulation.true_wcs import true_wcs_cards
from tests.simulation.scenes import small


def _read_back(exposure):
    header = fits.Header()
    for card in true_wcs_cards(exposure):
        header[card.keyword] = card.value, card.comment
    readout = exposure.readout
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = (
        2,
        readout.n_cols,
        readout.n_rows,
    )
    return WCS(header)


@pytest.mark.parametrize("number", range(10))
def test_any_reader_finds_the_true_sky_on_every_detector(number, rng):
    exposure = plan_exposures(smacs_scene())[number]
    row, col = rng.uniform(-0.5, 2047.5, (2, 300))
    ra, dec = _read_back(exposure).all_pix2world(col, row, 0)
    ra_true, dec_true = exposure.true.pixel_to_sky(row, col)
    assert np.abs((ra - ra_true) * np.cos(np.radians(dec))).max() * 3.6e6 < 1e-3
    assert np.abs(dec - dec_true).max() * 3.6e6 < 1e-3


def test_it_is_the_true_one_not_the_believed_one():
    scene = small().model_copy(
        update={"pointing_error": PointingErrorParams(visit_arcsec=5.0)}
    )
    exposure = plan_exposures(scene)[0]
    ra, dec = _read_back(exposure).all_pix2world(80.0, 80.0, 0)
    place = np.array([80.0])
    true, believed = (
        camera.pixel_to_sky(place, place)
        for camera in (exposure.true, exposure.believed)
    )
    assert np.hypot(ra - true[0], dec - true[1])[0] * 3.6e6 < 1e-2
    assert np.hypot(true[0] - believed[0], true[1] - believed[1])[0] * 3600 > 0.5
