"""Plain tables, held against astropy both ways."""

import io

import numpy as np
import pytest
from astropy.io import fits

from rampline.files.binary_table import (
    is_plain,
    plain_table,
    table_bytes,
    table_cards,
)
from rampline.files.content import content_hash
from rampline.files.fits_layout import find_hdu, read_table, scan_fits
from rampline.files.fits_output import Part, write_fits

TABLE = np.array(
    [
        (b"a", 1.5, np.float32(0.1), 3, -4, 5, True),
        (b"bcd", np.nan, np.float32("inf"), 1 << 40, 1 << 20, -300, False),
        (b"", -0.0, np.float32(-1e-30), -1, 0, 0, True),
    ],
    [
        ("word", "S5"),
        ("double", "f8"),
        ("single", "f4"),
        ("long", "i8"),
        ("int", "i4"),
        ("short", "i2"),
        ("truth", "?"),
    ],
)


def by_astropy(table, name="X"):
    """Header and rows as astropy lays them out."""
    buffer = io.BytesIO()
    hdu = fits.BinTableHDU(table, name=name)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    start = 2880 + len(hdu.header.tostring())
    length = hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
    return hdu.header, buffer.getvalue()[start : start + length]


@pytest.mark.parametrize("table", [TABLE, TABLE[:0], TABLE[["word"]]])
def test_cards_and_rows_are_those_of_astropy(table):
    header, rows = by_astropy(table)
    ours = fits.Header([fits.Card(*card) for card in table_cards("X", table)])
    assert ours.tostring() == header.tostring()
    assert table_bytes(table) == rows


def test_rows_come_back():
    header, rows = by_astropy(TABLE)
    back = plain_table(header, rows)
    assert back.dtype == TABLE.dtype
    for name in TABLE.dtype.names:
        np.testing.assert_array_equal(back[name], TABLE[name])
    assert np.signbit(back["double"][2])


def test_words_lose_the_blanks_that_fill_them():
    table = fits.BinTableHDU.from_columns(
        [fits.Column("w", "6A", array=np.array(["a b   ", "", "abcdef"]))]
    )
    back = plain_table(table.header, b"a b   " + b"\0" * 6 + b"abcdef")
    assert back["w"].tolist() == [b"a b", b"", b"abcdef"]


@pytest.mark.parametrize(
    "column",
    [
        fits.Column("c", "2D", array=np.ones((2, 2))),
        fits.Column("c", "PJ()", array=np.array([[1], [2, 3]], object)),
        fits.Column("c", "I", bzero=32768, array=np.array([1, 40000], np.uint16)),
        fits.Column("c", "B", array=np.array([1, 2], np.uint8)),
        fits.Column("c", "J", null=-1, array=np.array([1, 2])),
    ],
    ids=["vectors", "variable", "unsigned", "bytes", "with null"],
)
def test_other_columns_are_left_to_astropy(column):
    header = fits.BinTableHDU.from_columns([column]).header
    assert plain_table(header, b"\0" * header["NAXIS1"] * 2) is None


def test_a_table_of_another_kind_is_written_and_read_all_the_same(tmp_path):
    table = np.array(
        [([1.0, 2.0], 40000), ([3.0, 4.0], 2)], [("v", "f8", (2,)), ("u", "u2")]
    )
    assert not is_plain(table)
    path = tmp_path / "a.fits"
    found = write_fits(path, (), [Part("A", table), Part("B", TABLE)])
    assert found == content_hash(path)
    hdus = scan_fits(path)
    back = read_table(path, find_hdu(hdus, "A"))
    np.testing.assert_array_equal(back["v"], table["v"])
    np.testing.assert_array_equal(back["u"], table["u"])
    assert read_table(path, find_hdu(hdus, "B"))["word"].tolist() == [b"a", b"bcd", b""]
