import numpy as np
import pytest

from rampline.errors import MissingReferenceError
from rampline.reference.catalog_planes import load_catalog_planes
from rampline.reference.folder import FolderSource
from rampline.reference.selection import CATALOG_KINDS

from .crds_files import files_of, write_table, write_vega
from .exposures import header_of, make_header


def apertures(filter_name, fractions=(0.3, 0.5, 0.6, 0.7), sky=5.0):
    return [
        {
            "filter": filter_name,
            "pupil": "CLEAR",
            "eefraction": fraction,
            "radius": 10.0 * fraction,
            "apcorr": 1.0 / fraction,
            "skyin": sky,
            "skyout": 2.0 * sky,
        }
        for fraction in fractions
    ]


def offsets(*filters):
    return [
        {"filter": name, "pupil": "CLEAR", "abvega_offset": 1.0 + index}
        for index, name in enumerate(filters)
    ]


def load(folder, rows, vega):
    apcorr = write_table(folder / "apcorr.fits", "apcorr", "APCORR", rows)
    abvegaoffset = write_vega(folder / "vega.asdf", vega)
    files = files_of(apcorr=apcorr, abvegaoffset=abvegaoffset)
    return load_catalog_planes(files, make_header())


def test_the_rows_of_the_filter_are_taken(tmp_path):
    rows = apertures("F150W", sky=1.0) + apertures("F200W")
    planes = load(tmp_path, rows, offsets("F150W", "F200W"))
    np.testing.assert_array_equal(planes.encircled_energy, [0.3, 0.5, 0.7])
    np.testing.assert_allclose(planes.radius_px, [3.0, 5.0, 7.0])
    np.testing.assert_allclose(planes.correction, [1 / 0.3, 2.0, 1 / 0.7])
    assert (planes.sky_in_px, planes.sky_out_px) == (5.0, 10.0)
    assert planes.ab_minus_vega == 2.0
    assert [file.kind for file in planes.files] == list(CATALOG_KINDS)


@pytest.mark.parametrize(
    ("rows", "vega", "message"),
    [
        (apertures("F150W"), offsets("F200W"), "apcorr .* no row for encircled"),
        (apertures("F200W", (0.3, 0.5)), offsets("F200W"), "energy 0.7"),
        (apertures("F200W") * 2, offsets("F200W"), "apcorr .* no row"),
        (apertures("F200W"), offsets("F150W"), "abvegaoffset .* no row"),
        (
            apertures("F200W", (0.3,), 1.0) + apertures("F200W", (0.5, 0.7)),
            offsets("F200W"),
            "one sky annulus",
        ),
    ],
)
def test_a_table_without_the_row_is_one_line(tmp_path, rows, vega, message):
    with pytest.raises(MissingReferenceError, match=message) as caught:
        load(tmp_path, rows, vega)
    line = str(caught.value)
    assert line.startswith("jw02736001001_02103_00001_nrcb1: ")
    assert line.endswith("for F200W CLEAR")


@pytest.mark.parametrize("kind", CATALOG_KINDS)
def test_a_missing_or_damaged_file_is_one_line(tmp_path, kind):
    load(tmp_path, apertures("F200W"), offsets("F200W"))
    paths = {"apcorr": tmp_path / "apcorr.fits", "abvegaoffset": tmp_path / "vega.asdf"}
    paths[kind].write_bytes(paths[kind].read_bytes()[:500])
    with pytest.raises(MissingReferenceError, match=f"{kind} reference file"):
        load_catalog_planes(files_of(**paths), make_header())
    del paths[kind]
    with pytest.raises(MissingReferenceError, match=f"no {kind} reference file"):
        load_catalog_planes(files_of(**paths), make_header())


@pytest.mark.shared
@pytest.mark.parity
def test_the_shared_tables_are_read_as_by_jwst(shared):
    from jwst.source_catalog.reference_data import ReferenceData
    from stdatamodels.jwst.datamodels import ImageModel

    sample = shared / "sample"
    header = header_of(sample / "raw/jw02736001001_02103_00001_nrcb1_uncal.fits")
    files = FolderSource(sample / "references").select(header, CATALOG_KINDS)
    ours = load_catalog_planes(files, header)
    model = ImageModel()
    model.meta.instrument.name = "NIRCAM"
    model.meta.instrument.filter, model.meta.instrument.pupil = "F200W", "CLEAR"
    paths = [str(files.paths[kind]) for kind in CATALOG_KINDS]
    theirs = ReferenceData(model, paths, (30, 50, 70))
    apertures_there = theirs.aperture_params
    np.testing.assert_allclose(ours.radius_px, apertures_there["aperture_radii"])
    np.testing.assert_allclose(ours.correction, apertures_there["aperture_corrections"])
    assert ours.sky_in_px == apertures_there["bkg_aperture_inner_radius"]
    assert ours.sky_out_px == apertures_there["bkg_aperture_outer_radius"]
    assert ours.ab_minus_vega == theirs.abvega_offset
