from dataclasses import replace

import asdf
import numpy as np
import pytest

from rampline.astrometry.gwcs_model import align_gwcs, build_gwcs
from rampline.astrometry.pixel_map import grid_to_sky
from rampline.astrometry.wcs_tree import correction_tree, exposure_tree
from rampline.exposure.grid import Grid
from rampline.exposure.tagged import TreeModel
from rampline.files.asdf_tree import align_bytes
from rampline.files.embedded import embedded_tree
from rampline.reference.asdf_file import read_nodes

from .fields import (
    CORRECTION,
    POINTING,
    READOUT,
    SUB640,
    bent_optics,
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


@pytest.fixture
def tree_planes(tmp_path):
    """Planes whose distortion was read from a file."""
    path = tmp_path / "distortion.asdf"
    asdf.AsdfFile({"model": bent_optics()}).write_to(path)
    return sky_planes(distortion=TreeModel(read_nodes(path, "model")))


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
@pytest.mark.parametrize("correction", [None, CORRECTION])
@pytest.mark.parametrize("va_scale", [1.0, 0.99994])
def test_an_exposure_written_down_is_the_one_that_is_built(
    rng, tree_planes, readout, correction, va_scale
):
    pointing = replace(POINTING, va_scale=va_scale)
    ours = opened(
        embedded_tree(exposure_tree(tree_planes, pointing, readout, correction))
    )
    theirs = build_gwcs(sky_planes(), pointing, readout, correction)
    assert ours.available_frames == theirs.available_frames
    assert repr(ours.bounding_box) == repr(theirs.bounding_box)
    for own, other in zip(ours.pipeline, theirs.pipeline, strict=True):
        assert own.frame.axes_names == other.frame.axes_names
        assert own.frame.unit == other.frame.unit
    rows, cols = random_pixels(rng, (readout.n_rows, readout.n_cols))
    sky = theirs(cols, rows)
    assert offset_mas(*ours(cols, rows), *sky) < 1e-6
    np.testing.assert_allclose(ours.invert(*sky), theirs.invert(*sky), atol=1e-9)


@pytest.mark.shared
def test_real_distortions_are_evaluated_as_they_stand(shared, rng):
    rows, cols = random_pixels(rng, (2048, 2048))
    for path in sorted((shared / "real_gwcs").glob("*.asdf"))[::6]:
        real, _ = open_real(path)
        model = TreeModel(
            read_nodes(path, "wcs").fields["steps"][0].fields["transform"]
        )
        theirs = real.pipeline[0].transform(cols, rows)
        np.testing.assert_array_equal(model(cols, rows), theirs, path.name)


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
