import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling import models

from rampline import flags
from rampline.errors import MissingReferenceError
from rampline.exposure.tagged import TreeModel
from rampline.reference.folder import FolderSource
from rampline.reference.selection import SKY_KINDS
from rampline.reference.sky_planes import load_flat, load_sky_planes

from ..astrometry.fields import bent_optics
from .crds_files import (
    files_of,
    write_asdf,
    write_distortion,
    write_filter_offset,
    write_pixels,
    write_table,
)
from .exposures import header_of, make_header

WINDOW = {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 8, "SUBSIZE2": 6}
ROW = {"filter": "F200W", "pupil": "CLEAR", "photmjsr": 2.0, "uncertainty": 0.2}
OFFSETS = [
    {"filter": "F150W", "pupil": "CLEAR", "column_offset": 1.0, "row_offset": 2.0},
    {"filter": "F200W", "pupil": "CLEAR", "column_offset": 0.1, "row_offset": -0.2},
]


@pytest.fixture
def paths(tmp_path, rng):
    flat = rng.normal(1.0, 0.1, (6, 8)).astype(np.float32)
    area = rng.normal(1.0, 0.01, (6, 8)).astype(np.float32)
    folder = tmp_path
    err = np.full_like(flat, 0.01)
    return {
        "flat": write_pixels(
            folder / "flat.fits", "flat", {"SCI": flat, "ERR": err}, **WINDOW
        ),
        "area": write_pixels(
            folder / "area.fits", "area", {"SCI": area}, PIXAR_SR=1e-14, **WINDOW
        ),
        "photom": write_table(
            folder / "photom.fits", "photom", "PHOTOM", [ROW], PIXAR_SR=2e-14
        ),
        "distortion": write_distortion(folder / "distortion.asdf"),
        "filteroffset": write_filter_offset(folder / "offset.asdf", OFFSETS),
    }


def load(paths, **changes):
    return load_sky_planes(files_of(**paths), make_header(**changes))


def test_planes_numbers_and_models_of_the_files(paths):
    planes = load(paths)
    np.testing.assert_array_equal(planes.flat, fits.getdata(paths["flat"]))
    np.testing.assert_array_equal(planes.area, fits.getdata(paths["area"]))
    assert np.all(planes.flat_err == np.float32(0.01))
    assert not planes.flat_flags.any()
    assert planes.mjy_sr_per_dn_s == 2.0
    assert planes.pixel_area_sr == 1e-14
    assert planes.filter_offset_px == (0.1, -0.2)
    assert planes.distortion(1.0, 2.0) == (11.0, 22.0)
    assert [file.kind for file in planes.files] == list(SKY_KINDS)


def test_a_distortion_of_polynomials_needs_no_model_objects(rng, paths):
    optics = bent_optics()
    write_asdf(paths["distortion"], "distortion", {"model": optics})
    model = load(paths).distortion
    assert isinstance(model, TreeModel)
    x, y = rng.uniform(-50.0, 2100.0, (2, 500))
    np.testing.assert_array_equal(model(x, y), optics(x, y))


def test_a_distortion_of_another_kind_is_opened_by_asdf(paths):
    model = models.Shift(10.0) & models.Shift(20.0) | models.Rotation2D(0.0)
    write_asdf(paths["distortion"], "distortion", {"model": model})
    load(paths).distortion.offset_0 = 0.0  # each caller has a copy of its own
    assert load(paths).distortion(1.0, 2.0) == (11.0, 22.0)


def test_pixel_area_falls_back_to_the_photom_file(paths):
    plane = np.ones((6, 8), np.float32)
    write_pixels(paths["area"], "area", {"SCI": plane}, **WINDOW)
    assert load(paths).pixel_area_sr == 2e-14
    write_table(paths["photom"], "photom", "PHOTOM", [ROW])
    with pytest.raises(MissingReferenceError, match="PIXAR_SR"):
        load(paths)


def test_a_filter_without_an_offset_has_none(paths):
    write_filter_offset(paths["filteroffset"], OFFSETS[:1])
    assert load(paths).filter_offset_px == (0.0, 0.0)
    del paths["filteroffset"]
    assert load(paths).filter_offset_px == (0.0, 0.0)


@pytest.mark.parametrize("kind", ["flat", "photom", "area", "distortion"])
def test_a_missing_file_is_one_line(paths, kind):
    del paths[kind]
    with pytest.raises(
        MissingReferenceError, match=f"_nrcb1: no {kind} reference file"
    ):
        load(paths)


@pytest.mark.parametrize("kind", SKY_KINDS)
def test_a_damaged_file_is_one_line(paths, kind):
    content = paths[kind].read_bytes()
    paths[kind].write_bytes(content[: len(content) // 2])
    with pytest.raises(MissingReferenceError, match=f"_nrcb1: {kind} ") as caught:
        load(paths)
    assert "\n" not in str(caught.value)


def test_a_flat_is_one_and_flagged_where_it_is_of_no_use(paths):
    flat = np.full((6, 8), 0.5, np.float32)
    flat[0, :2] = [np.nan, 0.0]
    bits = np.zeros((6, 8), np.uint32)
    bits[0, 2:5] = [1, 2, 4]
    names = {0: "NO_FLAT_FIELD", 1: "DO_NOT_USE", 2: "UNRELIABLE_FLAT"}
    planes = {"SCI": flat, "DQ": bits}
    write_pixels(paths["flat"], "flat", planes, names, **WINDOW)
    found = load_flat(files_of(**paths), make_header())
    none = flags.NO_FLAT_FIELD | flags.DO_NOT_USE
    expected = [none, none, none, flags.DO_NOT_USE, flags.UNRELIABLE_FLAT, 0]
    np.testing.assert_array_equal(found.flat_flags[0, :6], expected)
    np.testing.assert_array_equal(found.flat[0, :6], [1, 1, 1, 1, 0.5, 0.5])
    assert not found.flat_err.any()


@pytest.mark.parity
def test_a_flat_is_used_as_in_jwst(paths, rng):
    from jwst.flatfield.flat_field import apply_flat_field
    from stdatamodels.jwst import datamodels

    flat = rng.normal(1.0, 0.1, (6, 8)).astype(np.float32)
    flat[rng.random(flat.shape) < 0.1] = np.nan
    bits = rng.integers(0, 8, flat.shape, dtype=np.uint32)
    names = {0: "DO_NOT_USE", 1: "NO_FLAT_FIELD", 2: "UNRELIABLE_FLAT"}
    contents = {"SCI": flat, "ERR": np.full_like(flat, 0.01), "DQ": bits}
    write_pixels(paths["flat"], "flat", contents, names, **WINDOW)
    image = datamodels.ImageModel((6, 8))
    for name in ("data", "var_poisson", "var_rnoise"):
        setattr(image, name, np.ones((6, 8), np.float32))
    image.dq = np.zeros((6, 8), np.uint32)
    image.meta.instrument.name = "NIRCAM"
    image.meta.subarray.xstart, image.meta.subarray.ystart = 1, 1
    image.meta.subarray.xsize, image.meta.subarray.ysize = 8, 6
    with datamodels.FlatModel(paths["flat"]) as model:
        apply_flat_field(image, model)
        theirs = model.data
    ours = load_flat(files_of(**paths), make_header())
    np.testing.assert_array_equal(ours.flat, theirs)
    np.testing.assert_array_equal(ours.flat_flags, image.dq)


@pytest.mark.shared
def test_the_shared_references_become_sky_planes(shared):
    sample = shared / "sample"
    for detector, mjy in (("nrcb1", 1.75), ("nrcblong", 0.42)):
        raw = sample / f"raw/jw02736001001_02103_00001_{detector}_uncal.fits"
        header = header_of(raw)
        files = FolderSource(sample / "references").select(header, SKY_KINDS)
        planes = load_sky_planes(files, header)
        assert planes.flat.shape == planes.area.shape == (320, 320)
        assert planes.mjy_sr_per_dn_s == pytest.approx(mjy, rel=1e-6)
        assert 0.9 < np.median(planes.area) < 1.1
        # the corners of a module are within a few arcminutes of (V2, V3) = (0, -500)
        v2, v3 = planes.distortion(0.0, 0.0)
        assert abs(v2) < 200.0
        assert -600.0 < v3 < -400.0
