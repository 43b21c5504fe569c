import pickle

import numpy as np
import pytest

from rampline.errors import MissingReferenceError
from rampline.reference.folder import FolderSource
from rampline.reference.select import open_source
from rampline.reference.selection import KINDS

from .crds_files import (
    write_distortion,
    write_filter_offset,
    write_pixels,
    write_ramp_set,
    write_table,
)
from .exposures import header_of, make_header, make_readout

ONE = {"SCI": np.ones((2, 2), np.float32)}
FULL = {"SUBARRAY": "FULL", "SUBSTRT1": 1, "SUBSTRT2": 1}
FULL |= {"SUBSIZE1": 2048, "SUBSIZE2": 2048}
SUB8 = {"SUBARRAY": "SUB8", "SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 8, "SUBSIZE2": 6}


def chosen(folder, kind, header=None):
    files = FolderSource(folder).select(header or make_header(), [kind])
    return files.paths[kind].name


def test_a_file_that_cannot_be_read_is_named_where_one_is_missing(tmp_path):
    write_pixels(tmp_path / "a.fits", "gain", ONE, DETECTOR="NRCB2")
    (tmp_path / "b.fits").write_text("not found")
    with pytest.raises(MissingReferenceError, match=r"unreadable: b\.fits\)"):
        chosen(tmp_path, "gain")


@pytest.mark.parametrize(
    ("kind", "cards"),
    [
        ("gain", {"DETECTOR": "NRCB2"}),
        ("flat", {"FILTER": "F150W", "PUPIL": "CLEAR"}),
        ("flat", {"FILTER": "F200W", "PUPIL": "F164N"}),
        ("flat", {"FILTER": "F200W", "P_FILTER": "F070W|F090W|"}),
        ("area", {"FILTER": "F150W"}),
        ("gain", {"INSTRUME": "NIRISS"}),
        ("gain", {"USEAFTER": "2022-06-08T00:00:00"}),
        ("superbias", SUB8 | {"SUBARRAY": "SUB64P"}),
        ("dark", {"NFRAMES": 2, "GROUPGAP": 8}),
        ("gain", SUB8 | {"SUBARRAY": "SUB9", "SUBSTRT1": 5}),
        ("gain", {"SUBARRAY": "SUB9"}),
    ],
)
def test_a_file_for_something_else_is_not_taken(tmp_path, kind, cards):
    write_pixels(tmp_path / "a.fits", kind, ONE, **cards)
    with pytest.raises(MissingReferenceError) as caught:
        chosen(tmp_path, kind)
    line = str(caught.value)
    assert "\n" not in line
    assert "jw02736001001_02103_00001_nrcb1" in line
    assert f"no {kind} reference file" in line
    assert "NRCB1 F200W CLEAR SUB8 MEDIUM8 NRC_IMAGE" in line
    assert "(1 for other exposures)" in line


@pytest.mark.parametrize(
    ("kind", "cards"),
    [
        ("gain", {"FILTER": "F070W", "READPATT": "RAPID", "EXP_TYPE": "NRC_LED"}),
        ("flat", {"P_FILTER": "F070W|F200W|", "P_PUPIL": "CLEAR|"}),
        ("flat", {"FILTER": "ANY", "PUPIL": "N/A"}),
        ("dark", {"NFRAMES": 8, "GROUPGAP": 2}),
        ("dark", {"NFRAMES": 1, "GROUPGAP": 0, "READPATT": "RAPID"}),
        ("superbias", FULL),
        ("superbias", {"SUBARRAY": "GENERIC"}),
        ("gain", FULL | {"SUBARRAY": "SUB9"}),
        ("gain", {"USEAFTER": "2022-06-07T00:00:00"}),
    ],
)
def test_a_file_good_for_the_exposure_is_taken(tmp_path, kind, cards):
    write_pixels(tmp_path / "a.fits", kind, ONE, **cards)
    assert chosen(tmp_path, kind) == "a.fits"


@pytest.mark.parametrize(
    ("kind", "worse", "better"),
    [
        ("superbias", FULL, SUB8),
        ("superbias", SUB8 | {"READPATT": "ANY"}, SUB8 | {"READPATT": "MEDIUM8"}),
        ("superbias", FULL | {"READPATT": "MEDIUM8"}, SUB8),
        ("flat", {"FILTER": "ANY", "PUPIL": "ANY"}, {"FILTER": "F200W"}),
        ("gain", {"USEAFTER": "2022-01-01"}, {"USEAFTER": "2022-05-01T00:00:00"}),
        ("gain", {"USEAFTER": "2023-01-01"}, {"USEAFTER": "2022-01-01"}),
        ("gain", {}, {}),
    ],
)
def test_the_most_specific_then_the_latest_file_is_taken(tmp_path, kind, worse, better):
    write_pixels(tmp_path / "x_0001.fits", kind, ONE, **worse)
    write_pixels(tmp_path / "deep" / "x_0002.fits", kind, ONE, **better)
    assert chosen(tmp_path, kind) == "x_0002.fits"


def test_flux_tables_of_images_and_spectra_are_told_apart(tmp_path):
    row = [{"filter": "F200W", "pupil": "CLEAR", "photmjsr": 1.0, "uncertainty": 0.1}]
    for name, exp_type in (("image", "NRC_IMAGE"), ("wfss", "NRC_WFSS")):
        path = tmp_path / f"{name}.fits"
        write_table(path, "photom", "PHOTOM", row, DETECTOR="NRCB1", EXP_TYPE=exp_type)
    assert chosen(tmp_path, "photom") == "image.fits"
    for exp_type, expected in (("NRC_CORON", "image.fits"), ("NRC_WFSS", "wfss.fits")):
        header = make_header(exp_type=exp_type)
        assert chosen(tmp_path, "photom", header) == expected


def test_models_are_matched_by_their_asdf_metadata(tmp_path):
    for filters in ("F150W|", "F070W|F200W|"):
        write_distortion(
            tmp_path / f"d_{filters[:5]}.asdf", detector="NRCB1", p_filter=filters
        )
    assert chosen(tmp_path, "distortion") == "d_F070W.asdf"
    write_filter_offset(tmp_path / "a.asdf", [], channel="SHORT", module="A")
    write_filter_offset(tmp_path / "b.asdf", [], channel="SHORT", module="B")
    assert chosen(tmp_path, "filteroffset") == "b.asdf"


def test_all_missing_types_stand_in_one_line(tmp_path, rng):
    write_ramp_set(tmp_path, rng)
    with pytest.raises(MissingReferenceError, match="no flat, photom reference file"):
        FolderSource(tmp_path).select(make_header(), ["mask", "flat", "photom"])


def test_the_folder_is_read_once_and_travels_between_processes(tmp_path, rng):
    write_ramp_set(tmp_path, rng)
    source = FolderSource(tmp_path)
    first = source.select(make_header(), ["dark"])
    (tmp_path / "jwst_gain.fits").unlink()
    again = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert again.select(make_header(), ["dark"]) == first
    with pytest.raises(MissingReferenceError, match="cannot be read"):
        again.select(make_header(), ["gain"])


def test_other_files_in_the_folder_do_not_matter(tmp_path, rng, caplog):
    write_ramp_set(tmp_path, rng)
    (tmp_path / "refs.json").write_text("{}")
    (tmp_path / "broken.fits").write_bytes(b"nothing")
    write_pixels(tmp_path / "jw_cal.fits", "x", ONE, REFTYPE=None)
    assert chosen(tmp_path, "mask") == "jwst_mask.fits"
    assert "broken.fits" in caplog.text


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(MissingReferenceError, match="no such folder"):
        chosen(tmp_path / "absent", "mask")


def test_a_window_beyond_the_file_is_refused(tmp_path):
    write_pixels(tmp_path / "a.fits", "gain", ONE, **SUB8 | {"SUBARRAY": "SUB9"})
    assert chosen(tmp_path, "gain") == "a.fits"
    header = make_header(make_readout(row_start=1))
    with pytest.raises(MissingReferenceError, match="no gain"):
        chosen(tmp_path, "gain", header)


def test_the_source_is_named_by_a_word(tmp_path):
    assert open_source("crds").context == ""
    assert open_source("jwst_1322.pmap").context == "jwst_1322.pmap"
    assert open_source(tmp_path) == FolderSource(tmp_path)


@pytest.mark.shared
@pytest.mark.parametrize("detector", ["nrcb1", "nrcblong"])
def test_the_shared_sample_finds_each_of_its_files(shared, detector):
    sample = shared / "sample"
    raw = sample / "raw" / f"jw02736001001_02103_00001_{detector}_uncal.fits"
    files = FolderSource(sample / "references").select(header_of(raw), KINDS)
    for kind in KINDS:
        assert files.paths[kind].stem == f"jwst_nircam_{kind}_{detector}"
    assert [file.kind for file in files.used] == list(KINDS)
    assert all(len(file.sha1) == 40 for file in files.used)
