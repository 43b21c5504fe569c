import asdf
import numpy as np
import pytest
from astropy.table import Table

from rampline.errors import MissingReferenceError
from rampline.reference import asdf_file
from rampline.reference.asdf_file import read_columns, read_plain

from .crds_files import write_vega
from .exposures import make_header

ROWS = [
    {"filter": "F200W", "pupil": "CLEAR", "abvega_offset": 1.5, "n": 3},
    {"filter": "F444W", "pupil": "F470N", "abvega_offset": -0.25, "n": -7},
]


def _read(path, key="abvega_offset"):
    return read_columns(path, "abvegaoffset", make_header(), key)


def _forbid_asdf(monkeypatch):
    def fail(*_):
        raise AssertionError

    monkeypatch.setattr(asdf_file, "read_tree", fail)


def test_plain_tables_are_read_without_asdf(tmp_path, monkeypatch):
    path = write_vega(tmp_path / "vega.asdf", ROWS)
    _forbid_asdf(monkeypatch)
    table = _read(path)
    for name in ROWS[0]:
        assert table[name].tolist() == [row[name] for row in ROWS]


@pytest.mark.parametrize("dtype", [">f8", "<f4", ">i2", "S3", ">U4"])
def test_every_type_and_byte_order_agrees_with_asdf(tmp_path, monkeypatch, dtype):
    path = tmp_path / "table.asdf"
    table = Table({"a": np.array([1, 2, 3]).astype(dtype), "b": np.arange(3.0)})
    asdf.AsdfFile({"abvega_offset": table}).write_to(path)
    with asdf.open(path, memmap=False, lazy_load=False) as file:
        expected = {n: np.array(file["abvega_offset"][n]) for n in ("a", "b")}
    _forbid_asdf(monkeypatch)
    found = _read(path)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_compressed_table_is_left_to_asdf(tmp_path):
    path = tmp_path / "table.asdf"
    file = asdf.AsdfFile({"abvega_offset": Table(rows=ROWS)})
    file.write_to(path, all_array_compression="zlib")
    assert list(_read(path)["abvega_offset"]) == [1.5, -0.25]


def test_a_masked_table_is_left_to_asdf(tmp_path):
    path = tmp_path / "table.asdf"
    table = Table(rows=ROWS, masked=True)
    table["n"].mask = [False, True]
    asdf.AsdfFile({"abvega_offset": table}).write_to(path)
    assert _read(path)["n"].mask.tolist() == [False, True]


def test_a_file_cut_short_is_one_line(tmp_path):
    path = write_vega(tmp_path / "vega.asdf", ROWS)
    path.write_bytes(path.read_bytes()[:-120])
    with pytest.raises(MissingReferenceError, match=r"vega.asdf cannot be read"):
        _read(path)


def test_a_missing_entry_is_one_line(tmp_path):
    path = write_vega(tmp_path / "vega.asdf", ROWS)
    with pytest.raises(MissingReferenceError, match="nothing_here"):
        _read(path, "nothing_here")


def test_plain_text_has_no_tags(tmp_path):
    path = write_vega(tmp_path / "vega.asdf", ROWS)
    assert read_plain(path, "meta")["reftype"] == "abvegaoffset"
    assert read_plain(path, "nothing_here") == {}
    path.write_text("no ASDF")
    with pytest.raises(ValueError, match="not an ASDF file"):
        read_plain(path, "meta")
