"""`stdatamodels` and `jwst` read our products as their own, and we read theirs."""

import warnings

import numpy as np
import pytest
from astropy.io import fits

from rampline.astrometry.distortion_update import DetectorFrame
from rampline.astrometry.gwcs_model import align_gwcs, build_gwcs, update_gwcs
from rampline.astrometry.wcs_tree import correction_tree, update_tree
from rampline.exposure.header import Card
from rampline.files.asdf_tree import align_bytes
from rampline.files.catalogs import write_association
from rampline.files.fits_output import Part
from rampline.files.read import (
    read_gwcs,
    read_ramp,
    read_sky,
    read_slope,
    read_wcs_tree,
    stored_geometry,
)
from rampline.files.write import write_sky, write_slope, write_slope_ints
from rampline.files.write_mosaic import MosaicWorld, write_mosaic, write_segmentation
from rampline.files.write_raw import (
    write_asdf_reference,
    write_level1b,
    write_reference,
)

from ..astrometry.fields import (
    CORRECTION,
    POINTING,
    READOUT,
    sky_planes,
    some_update,
)
from .making import (
    COLS,
    PROVENANCE,
    ROOT,
    ROWS,
    full_header,
    make_geometry,
    make_mosaic,
    make_ramp,
    make_sky,
    make_slope_image,
    make_wcs,
)

pytestmark = [
    pytest.mark.parity,
    # Of the peers' own imports.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SIP = (Card("CTYPE1", "RA---TAN-SIP"), Card("A_ORDER", 2), Card("A_0_2", 1.1e-6))


def open_as(kind, path):
    """Open with the model that DATAMODL names, validate strictly, return it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from stdatamodels.jwst import datamodels

    model = datamodels.open(str(path), strict_validation=True)
    model.validate()
    assert type(model).__name__ == kind
    return model


def test_slopes_are_an_image_model(tmp_path, rng):
    image = make_slope_image(rng, STRIPES=np.ones((ROWS, 4), np.float32))
    path = tmp_path / f"{ROOT}_rate.fits"
    write_slope(path, image, PROVENANCE)
    with open_as("ImageModel", path) as model:
        np.testing.assert_array_equal(model.data, image.planes.slope)
        np.testing.assert_array_equal(model.err, image.planes.err)
        np.testing.assert_array_equal(model.dq, image.planes.flags)
        np.testing.assert_array_equal(model.var_poisson, image.planes.var_poisson)
        np.testing.assert_array_equal(model.var_rnoise, image.planes.var_read)
        meta = model.meta
        assert meta.instrument.detector == "NRCB1"
        assert meta.exposure.groupgap == 2
        assert meta.wcsinfo.roll_ref == image.header.pointing.roll_ref_deg
        assert meta.cal_step.superbias == "COMPLETE"
        assert meta.cal_step.ipc == "SKIPPED"
        assert meta.ref_file.superbias.name == "crds://jwst_nircam_superbias_0152.fits"
        assert meta.bunit_data == meta.bunit_err == "DN/s"


def test_slopes_per_integration_are_a_cube_model(tmp_path, rng):
    path = tmp_path / f"{ROOT}_rateints.fits"
    image = make_slope_image(rng, n_ints=2)
    write_slope_ints(path, image, PROVENANCE)
    with open_as("CubeModel", path) as model:
        np.testing.assert_array_equal(model.data, image.integrations.slope)
        np.testing.assert_array_equal(model.dq, image.integrations.flags)


def test_sky_images_are_an_image_model_with_its_wcs(tmp_path, rng):
    path = tmp_path / f"{ROOT}_cal.fits"
    image = make_sky(rng)
    write_sky(path, image, make_wcs(), SIP, PROVENANCE)
    with open_as("ImageModel", path) as model:
        np.testing.assert_array_equal(model.data, image.sky)
        np.testing.assert_array_equal(model.area, image.area)
        np.testing.assert_array_equal(model.var_flat, image.var_flat)
        assert model.meta.wcs(1.0, 2.0) == make_wcs()(1.0, 2.0)
        assert model.meta.photometry.conversion_megajanskys == 1.75
        # a level that `jwst` would take off when it resamples
        assert model.meta.background.level is None
        assert model.meta.background.subtracted is None
        assert model.meta.wcsinfo.ctype1 == "RA---TAN-SIP"


def test_what_jwst_saves_of_our_sky_image_is_read_with_its_own_wcs(tmp_path, rng):
    path = tmp_path / f"{ROOT}_cal.fits"
    write_sky(
        path,
        make_sky(rng, extras={"CHI2": np.ones((3, 3))}),
        make_wcs(),
        SIP,
        PROVENANCE,
    )
    again = tmp_path / "again" / path.name
    again.parent.mkdir()
    with open_as("ImageModel", path) as model:
        model.meta.wcs = make_wcs(shift=2.0)
        model.save(str(again))
    assert stored_geometry(again) is None
    assert read_gwcs(again)(0.0, 0.0) == make_wcs(shift=2.0)(0.0, 0.0)
    assert set(read_sky(again, make_geometry(rng)).extras) == {"CHI2"}


def test_the_wcs_that_jwst_saved_among_all_else_is_aligned_in_its_tree(tmp_path, rng):
    path, again = (tmp_path / f"{ROOT}_{suffix}.fits" for suffix in ("cal", "crf"))
    wcs = build_gwcs(sky_planes(), POINTING, READOUT)
    write_sky(path, make_sky(rng), wcs, SIP, PROVENANCE)
    with open_as("ImageModel", path) as model:
        model.save(str(again))
    tree = read_wcs_tree(again)
    assert b"exposure:" in tree
    frame, update = DetectorFrame(np.array([-122.5, -457.7]), 32.0), some_update(rng)
    aligned = align_bytes(
        tree, correction_tree(POINTING, CORRECTION), update_tree(frame, update)
    )
    assert b"exposure:" not in aligned
    write_sky(again, make_sky(rng), aligned, SIP, PROVENANCE)
    theirs = align_gwcs(update_gwcs(wcs, frame, update), POINTING, CORRECTION)
    with open_as("ImageModel", again) as model:
        assert model.meta.wcs(300.0, 700.0) == pytest.approx(theirs(300.0, 700.0))
        model.save(str(path))
    stored = read_gwcs(path)
    sky = theirs(300.0, 700.0)
    assert stored(300.0, 700.0) == pytest.approx(sky, rel=1e-14)
    assert stored.invert(*sky) == pytest.approx(theirs.invert(*sky), abs=1e-7)
    # and `tweakwcs` goes on from there
    once_more = align_gwcs(stored, POINTING, CORRECTION)
    expected = align_gwcs(theirs, POINTING, CORRECTION)(300.0, 700.0)
    assert once_more(300.0, 700.0) == pytest.approx(expected, rel=1e-14)


def test_mosaics_and_segmentations_are_models(tmp_path, rng):
    mosaic = make_mosaic(
        rng, [full_header(), full_header(root=ROOT[:-1] + "2", detector="NRCB2")]
    )
    world = MosaicWorld(
        gwcs=make_wcs(), cards=(Card("S_REGION", "POLYGON ICRS 1 2 3 4"),)
    )
    path = tmp_path / f"{mosaic.name}_i2d.fits"
    write_mosaic(path, mosaic, world, PROVENANCE)
    with open_as("ImageModel", path) as model:
        np.testing.assert_array_equal(model.con, mosaic.context)
        np.testing.assert_array_equal(model.wht, mosaic.weight)
        assert model.meta.wcs(1.0, 2.0) == make_wcs()(1.0, 2.0)
        assert model.meta.resample.pointings == 1
        assert model.meta.photometry.pixelarea_steradians == pytest.approx(
            mosaic.pixel_area_sr, rel=1e-13
        )
    path = tmp_path / f"{mosaic.name}_segm.fits"
    labels = np.arange(ROWS * COLS, dtype=np.int32).reshape(ROWS, COLS)
    write_segmentation(path, labels, mosaic, world, PROVENANCE)
    with open_as("SegmentationMapModel", path) as model:
        np.testing.assert_array_equal(model.data, labels)


def test_raw_exposures_are_level_1b_models(tmp_path, rng):
    ramp = make_ramp(rng, n_ints=2)
    path = tmp_path / f"{ROOT}_uncal.fits"
    write_level1b(path, ramp)
    with open_as("Level1bModel", path) as model:
        np.testing.assert_array_equal(model.data, ramp.samples)
        np.testing.assert_array_equal(model.zeroframe, ramp.zero_frame)
        assert model.meta.exposure.start_time == 59737.4
        assert model.meta.subarray.fastaxis == 1


ABOUT = (
    Card("DETECTOR", "NRCB1"),
    Card("USEAFTER", "2022-01-01T00:00:00"),
    Card("AUTHOR", "rampline"),
    Card("PEDIGREE", "DUMMY"),
    Card("DESCRIP", "made for a test"),
)


def test_reference_files_are_models_with_jwst_s_bits(tmp_path):
    path = tmp_path / "jwst_nircam_mask_test.fits"
    bits = np.full((2048, 2048), (1 << 31) | 1, np.uint32)
    write_reference(path, "mask", ABOUT, [Part("DQ", bits)])
    with open_as("MaskModel", path) as model:
        assert model.dq[0, 0] == bits[0, 0]
        assert model.meta.reftype == "MASK"
        names = dict(zip(model.dq_def["NAME"], model.dq_def["VALUE"], strict=True))
        assert names["REFERENCE_PIXEL"] == 1 << 31


def test_asdf_reference_files_are_models(tmp_path):
    path = tmp_path / "jwst_nircam_filteroffset_test.asdf"
    row = {
        "filter": "F200W",
        "pupil": "CLEAR",
        "row_offset": 0.5,
        "column_offset": -1.0,
    }
    about = {
        "instrument": {"detector": "NRCB1", "channel": "SHORT", "module": "B"},
        "useafter": "2022-01-01T00:00:00",
        "author": "rampline",
        "pedigree": "DUMMY",
        "description": "made for a test",
    }
    write_asdf_reference(path, "filteroffset", about, {"filters": [row]})
    with open_as("FilteroffsetModel", path) as model:
        assert model.filters[0].instance == row
        assert model.meta.instrument.name == "NIRCAM"


def test_jwst_loads_our_association(tmp_path):
    from jwst.associations import load_asn

    path = tmp_path / "x_asn.json"
    write_association(path, "x", ["a_cal.fits", "b_cal.fits"], "02736", "0.1.0")
    with path.open() as file:
        loaded = load_asn(file)
    assert [m["expname"] for m in loaded["products"][0]["members"]] == [
        "a_cal.fits",
        "b_cal.fits",
    ]


def test_slopes_that_jwst_wrote_are_read(tmp_path, rng):
    from stdatamodels.jwst import datamodels

    image = make_slope_image(rng)
    ours = tmp_path / f"{ROOT}_rate.fits"
    write_slope(ours, image, PROVENANCE)
    theirs = tmp_path / "theirs" / ours.name
    theirs.parent.mkdir()
    with datamodels.open(str(ours)) as model:
        model.save(str(theirs))
    back = read_slope(theirs)
    np.testing.assert_array_equal(back.planes.slope, image.planes.slope)
    np.testing.assert_array_equal(back.planes.flags, image.planes.flags)
    assert back.header.readout == image.header.readout


def test_the_header_wins_over_the_asdf_copy(tmp_path, rng):
    from stdatamodels.jwst import datamodels

    ours = tmp_path / f"{ROOT}_uncal.fits"
    write_level1b(ours, make_ramp(rng))
    theirs = tmp_path / "theirs" / ours.name
    theirs.parent.mkdir()
    with datamodels.open(str(ours)) as model:
        model.save(str(theirs))
    with fits.open(theirs, mode="update") as file:
        file[0].header["FILTER"] = "F150W"
    assert read_ramp(theirs).header.filter == "F150W"
