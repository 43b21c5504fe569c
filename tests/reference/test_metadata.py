import numpy as np
import pytest

from rampline.reference.metadata import allowed_values, read_metadata

from .crds_files import write_asdf, write_distortion, write_pixels


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("F200W", {"F200W"}),
        ("f200w ", {"F200W"}),
        ("F150W|F200W|", {"F150W", "F200W"}),
        ("ANY", set()),
        ("N/A", set()),
        ("GENERIC|", set()),
        ("F200W|ANY", set()),
        ("", set()),
        (None, set()),
    ],
)
def test_a_keyword_lists_the_allowed_values_and_a_wildcard_allows_all(value, expected):
    assert allowed_values(value) == expected


def test_a_pattern_keyword_stands_above_the_plain_one(tmp_path):
    path = write_pixels(
        tmp_path / "flat.fits",
        "flat",
        {"SCI": np.ones((2, 2), np.float32)},
        FILTER="F200W",
        P_FILTER="F070W|F090W|",
        READPATT="ANY",
    )
    meta = read_metadata(path)
    assert meta.kind == "flat"
    assert meta.allowed["filter"] == {"F070W", "F090W"}
    assert "readpatt" not in meta.allowed
    assert meta.allowed["detector"] == {"NRCB1"}


def test_window_and_grouping_come_from_the_header(tmp_path):
    window = {"SUBSTRT1": 11, "SUBSTRT2": 21, "SUBSIZE1": 3, "SUBSIZE2": 2}
    path = write_pixels(
        tmp_path / "a.fits", "dark", {}, NFRAMES=8, GROUPGAP=2, **window
    )
    meta = read_metadata(path)
    assert meta.window == (20, 10, 2, 3)
    assert meta.reads == (8, 2)


def test_asdf_files_are_read_the_same_way(tmp_path):
    path = write_distortion(
        tmp_path / "d.asdf", detector="NRCB1", p_filter="F150W|F200W|", channel="SHORT"
    )
    meta = read_metadata(path)
    assert meta.kind == "distortion"
    assert meta.allowed["filter"] == {"F150W", "F200W"}
    assert meta.allowed["exp_type"] == {"NRC_IMAGE"}
    assert meta.useafter == "2022-01-01T00:00:00"


def test_a_file_without_a_reference_type_is_none(tmp_path):
    path = write_pixels(tmp_path / "a.fits", "x", {}, REFTYPE=None)
    assert read_metadata(path) is None
    assert read_metadata(write_asdf(tmp_path / "b.asdf", "", {})) is None


@pytest.mark.parametrize("name", ["a.fits", "a.asdf"])
def test_what_is_neither_fits_nor_asdf_is_an_error(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"hello" * 1000)
    with pytest.raises((OSError, ValueError)):
        read_metadata(path)
