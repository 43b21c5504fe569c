"""A real calibrated image goes through survey, alignment and drizzle."""

import numpy as np
import pytest

from rampline.astrometry.gwcs_model import geometry_from_gwcs
from rampline.files.read import read_gwcs, read_header, read_sky
from rampline.files.read_mosaic import read_image_cards
from rampline.pipeline.runner import Bench
from rampline.pipeline.sky_to_mosaic import SkyToMosaic, sky_to_mosaic

pytestmark = pytest.mark.shared

CORNER = (100, 400)
"""Row and column of the cut-out's first pixel in its WCS."""


def test_a_real_image_becomes_a_mosaic_with_its_light(shared):
    (path,) = (shared / "real_nircam_cal").glob("*.fits")
    pointing, (_, shape) = read_header(path).pointing, read_image_cards(path)
    wcs = read_gwcs(path)
    geometry = geometry_from_gwcs(wcs, pointing, shape, corner=CORNER)
    image = read_sky(path, geometry)
    bench = Bench()
    made = sky_to_mosaic([image], None, "ngc346", bench, SkyToMosaic())
    survey = made.field.surveys[0]
    assert len(survey.sources) > 10
    (combined,) = made.combined.values()
    mosaic = combined.mosaic
    light = np.nansum(mosaic.sky.astype(float)) * made.grid.pixel_area_sr
    good = np.isfinite(image.sky)
    weight = np.mean(good)
    own = np.nansum(image.sky.astype(float)) * image.photometry.pixel_area_sr
    assert weight > 0.9
    assert light == pytest.approx(own, rel=0.05)
    centre = wcs(CORNER[1] + 50.0, CORNER[0] + 50.0)
    row, col = _pixel_of(made.grid, centre)
    assert np.isfinite(mosaic.sky[row, col])


def _pixel_of(grid, sky):
    from rampline.astrometry.pixel_map import sky_to_grid

    row, col = sky_to_grid(grid, *sky)
    return round(float(row)), round(float(col))
