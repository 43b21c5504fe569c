"""Exposures as they entered their mosaic: what is written looks where we look."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from rampline.astrometry.distortion_update import update_geometry
from rampline.astrometry.geometry import make_geometry, pixel_to_sky
from rampline.files.read import read_gwcs, stored_geometry
from rampline.files.write import write_sky
from rampline.pipeline.dither_set import PackedMask
from rampline.pipeline.exposure_geometry import product_wcs
from rampline.program.tasks.make_crf import CrfRequest, are_current, make_crf

from ...astrometry.fields import (
    CORRECTION,
    offset_mas,
    random_pixels,
    sky_planes,
    some_update,
)
from ...files.making import COLS, PROVENANCE, ROWS, full_header, make_sky

MOSAIC = replace(PROVENANCE, task_key="of the mosaic")
FURTHER = np.array([[1.00001, 2e-5, 0.12], [-2.1e-5, 0.99999, -0.4]])


def write_both(folder, rng, earlier, update):
    """Write a calibrated exposure and its `crf`; return that and its geometry."""
    header, planes = full_header(), sky_planes()
    before = make_geometry(planes, header.pointing, header.readout, earlier)
    cal = folder / f"{header.root}_cal.fits"
    world = product_wcs(before, planes, header)
    image = replace(make_sky(rng), header=header, geometry=before)
    write_sky(cal, image, world.gwcs, world.cards, PROVENANCE)
    nodes = before.v2v3_arcsec if update is None else update_geometry(before, update)
    after = replace(before, v2v3_arcsec=nodes, correction=FURTHER)
    request = CrfRequest(
        name="",
        cal=cal,
        before=before,
        after=after,
        update=update,
        level_mjy_sr=0.1,
        outliers=PackedMask.of(np.zeros((ROWS, COLS), bool)),
        provenance=MOSAIC,
        folder=folder,
    )
    assert make_crf(request).path == folder / f"{header.root}_crf.fits"
    return folder / f"{header.root}_crf.fits", after


@pytest.mark.parametrize("earlier", [np.eye(2, 3), CORRECTION], ids=["new", "aligned"])
@pytest.mark.parametrize("is_updated", [True, False])
def test_a_crf_looks_where_the_mosaic_took_it_from(tmp_path, rng, earlier, is_updated):
    # a frame smaller than the nodes' distance; of real ones 3 mas are met to 0.005
    update = some_update(rng, size_arcsec=1e-4) if is_updated else None
    crf, after = write_both(tmp_path, rng, earlier, update)
    rows, cols = random_pixels(rng, (ROWS, COLS))
    sky = pixel_to_sky(after, rows, cols)
    gwcs = read_gwcs(crf)
    assert offset_mas(*gwcs(cols, rows), *sky) < 0.01
    cal = read_gwcs(crf.with_name(crf.name.replace("_crf", "_cal")))
    steps = [w.get_transform("detector", "v2v3").n_submodels for w in (cal, gwcs)]
    assert is_updated == (steps[1] > steps[0])
    stored = stored_geometry(crf)
    assert offset_mas(*pixel_to_sky(stored, rows, cols), *sky) < 1e-6
    with fits.open(crf) as file:
        found = WCS(file["SCI"].header, fix=False).pixel_to_world_values(cols, rows)
    assert offset_mas(*found, *sky) < 0.005 * 31.0


def test_a_mosaic_is_not_done_before_its_exposures_are_written(tmp_path, rng):
    crf, _ = write_both(tmp_path, rng, np.eye(2, 3), None)
    root, key = crf.name.removesuffix("_crf.fits"), MOSAIC.task_key
    assert are_current(tmp_path, [root], key)
    assert not are_current(tmp_path, [root, "another"], key)
    assert not are_current(tmp_path, [root], "another key")
    assert are_current(None, [root], "exposures are not kept")
