import numpy as np
import pytest

from rampline.astrometry.gwcs_model import align_gwcs, build_gwcs
from rampline.astrometry.pixel_map import grid_to_sky
from rampline.astrometry.wcs_tree import correction_tree
from rampline.exposure.grid import Grid
from rampline.files.asdf_tree import align_bytes
from rampline.files.embedded import embedded_tree

from .fields import (
    CORRECTION,
    POINTING,
    READOUT,
    SUB640,
    offset_mas,
    open_real,
    opened,
    opened_grid,
    random_pixels,
    real_pointing,
    sky_planes,
    without_correction,
)

GRID = Grid(
    ra_deg=359.99,
    dec_deg=-73.0,
    col_ref=411.0,
    row_ref=200.0,
    scale_arcsec=0.03,
    position_angle_deg=37.0,
    n_rows=512,
    n_cols=700,
)


FURTHER = np.array([[1.00001, 2e-5, 0.12], [-2.1e-5, 0.99999, -0.4]])


def test_the_grid_and_its_gwcs_agree(rng):
    wcs = opened_grid(GRID)
    rows, cols = random_pixels(rng, (GRID.n_rows, GRID.n_cols))
    sky = grid_to_sky(GRID, rows, cols)
    assert offset_mas(*wcs(cols, rows), *sky) < 1e-4
    np.testing.assert_allclose(wcs.invert(*sky), (cols, rows), atol=1e-6)
    assert wcs.array_shape == (GRID.n_rows, GRID.n_cols)
    assert np.isnan(wcs(-1.0, 5.0)).all()
    assert not np.isnan(wcs(-0.4, 5.0)).any()


@pytest.mark.parametrize("readout", [READOUT, SUB640])
def test_an_alignment_written_down_is_that_of_tweakwcs(rng, readout):
    plain = build_gwcs(sky_planes(), POINTING, readout)
    theirs = align_gwcs(plain, POINTING, CORRECTION)
    tree = align_bytes(embedded_tree(plain), correction_tree(POINTING, CORRECTION))
    ours = opened(tree)
    assert ours.available_frames == theirs.available_frames
    assert repr(ours.bounding_box) == repr(theirs.bounding_box)
    names = [wcs.pipeline[2].transform.submodel_names for wcs in (ours, theirs)]
    assert names[0] == names[1]
    rows, cols = random_pixels(rng, (readout.n_rows, readout.n_cols))
    sky = theirs(cols, rows)
    assert offset_mas(*ours(cols, rows), *sky) < 1e-6
    np.testing.assert_allclose(ours.invert(*sky), theirs.invert(*sky), atol=1e-9)


def test_tweakwcs_goes_on_from_an_alignment_written_down(rng):
    plain = build_gwcs(sky_planes(), POINTING, READOUT)
    tree = align_bytes(embedded_tree(plain), correction_tree(POINTING, CORRECTION))
    twice = align_gwcs(opened(tree), POINTING, FURTHER)
    theirs = align_gwcs(align_gwcs(plain, POINTING, CORRECTION), POINTING, FURTHER)
    rows, cols = random_pixels(rng, (2048, 2048))
    assert offset_mas(*twice(cols, rows), *theirs(cols, rows)) < 1e-6


@pytest.mark.shared
def test_real_exposures_are_aligned_as_tweakwcs_does_it(shared, rng):
    """All of them are aligned, so that their own alignment is taken off first."""
    rows, cols = random_pixels(rng, (2048, 2048))
    for path in sorted((shared / "real_gwcs").glob("*.asdf"))[::4]:
        real, wcsinfo = open_real(path)
        pointing = real_pointing(real, wcsinfo)
        further = correction_tree(pointing, FURTHER)
        assert align_bytes(embedded_tree(real), further) is None
        plain = without_correction(real)
        ours = opened(align_bytes(embedded_tree(plain), further))
        theirs = align_gwcs(plain, pointing, FURTHER)
        assert offset_mas(*ours(cols, rows), *theirs(cols, rows)) < 1e-6, path.name
