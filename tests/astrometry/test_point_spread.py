import numpy as np
import pytest

from rampline.astrometry.point_spread import predict_point_spread

from .star_field import airy


@pytest.mark.parametrize(
    ("names", "channel", "fwhm_arcsec"),
    [
        # JDox, NIRCam point spread functions: empirical FWHM.
        (("F115W", "CLEAR"), "SHORT", 0.040),
        (("F200W", "CLEAR"), "SHORT", 0.066),
        (("F277W", "CLEAR"), "LONG", 0.092),
        (("F444W", "CLEAR"), "LONG", 0.145),
        (("F150W2", "F164N"), "SHORT", 0.056),
        (("F444W", "F470N"), "LONG", 0.160),
    ],
)
def test_widths_are_those_of_the_telescope(names, channel, fwhm_arcsec):
    scale = {"SHORT": 0.031, "LONG": 0.063}[channel]
    spread = predict_point_spread(*names, channel)
    assert spread.fwhm_px * scale == pytest.approx(fwhm_arcsec, rel=0.12)


@pytest.mark.parametrize(
    ("name", "channel", "scale"),
    [("F200W", "SHORT", 0.031), ("F356W", "LONG", 0.063), ("F480M", "LONG", 0.063)],
)
def test_concentration_is_that_of_a_painted_airy_disc(name, channel, scale):
    width_px = int(name[1:4]) * 1e-8 / 6.5 * 206264.8 / scale
    rows, cols = np.indices((61, 61)) - 30
    distance = np.hypot(rows, cols)
    disc = airy(width_px, 61)
    inner, outer = (
        (disc * np.clip(r + 0.5 - distance, 0, 1)).sum() for r in (1.5, 3.5)
    )
    spread = predict_point_spread(name, "CLEAR", channel)
    assert spread.concentration == pytest.approx(inner / outer, rel=0.1)


def test_no_filter_is_an_error():
    with pytest.raises(ValueError, match="no filter"):
        predict_point_spread("WLP4", "GRISMR", "SHORT")
