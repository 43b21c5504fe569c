import numpy as np
import pytest
from astropy import units
from astropy.table import MaskedColumn, QTable

from rampline.errors import InputError
from rampline.exposure.source_table import Column, SourceTable, plain
from rampline.files.catalogs import read_table, write_table
from rampline.files.ecsv import ecsv_text, read_ecsv

WORDS = ["plain", "", "two words", 'a "quote"', "# no comment", "None"]


def _table():
    table = SourceTable()
    n = len(WORDS)
    table.add(Column("word", plain(WORDS), "Some: {words}, and 'marks'"))
    table.add(Column("count", np.arange(n, dtype=np.int32)))
    table.add(Column("is_odd", np.arange(n) % 2 == 1))
    reals = np.array([1 / 3, -0.0, np.nan, np.inf, 1e-300, 5e22])
    table.add(Column("real", reals, "Real", "Jy", ".3e"))
    table.add(Column("single", reals.astype(np.float32)))
    table.add(Column("row", np.outer(reals[:2], [1.0, 2.0, np.nan]).repeat(3, axis=0)))
    sky = np.stack([np.linspace(0, 359, n), np.linspace(-90, 89, n)], axis=1)
    table.add(Column("place", sky, "Where", is_sky=True))
    table.meta = {
        "none": None,
        "1": 1,
        "tiny": 1e-5,
        "unknown": float("nan"),
        "far": np.float64(-np.inf),
        "list": [1, 2.5, "three", True],
        "tree": {"a.b": "1.0", "yes": "no", "c: d": "# e"},
    }
    return table


def test_astropy_reads_what_was_meant(tmp_path):
    table, path = _table(), tmp_path / "x.ecsv"
    write_table(path, table)
    found = QTable.read(path, format="ascii.ecsv")
    assert found.colnames == list(table.columns)
    words = np.ma.filled(np.ma.asarray(found["word"]), "")
    assert list(words) == WORDS
    for name in ("count", "is_odd", "single", "row"):
        np.testing.assert_array_equal(found[name], table[name])
        assert found[name].dtype == table[name].dtype
    assert found["real"].unit == units.Jy
    np.testing.assert_array_equal(found["real"].value, table["real"])
    np.testing.assert_array_equal(found["place"].ra.deg, table["place"][:, 0])
    np.testing.assert_array_equal(found["place"].dec.deg, table["place"][:, 1])
    for name in ("word", "real", "place"):
        assert found[name].info.description == table.columns[name].meaning
    assert found["real"].info.format == ".3e"
    unknown = found.meta.pop("unknown")
    assert unknown != unknown
    assert found.meta == {k: v for k, v in table.meta.items() if k != "unknown"}


def test_a_table_comes_back_as_bare_columns(tmp_path):
    table, path = _table(), tmp_path / "x.ecsv"
    write_table(path, table)
    found = read_ecsv(path)
    assert list(found["word"]) == WORDS
    for name in ("count", "is_odd", "real", "single", "row"):
        np.testing.assert_array_equal(found[name], table[name])
    np.testing.assert_array_equal(found["place.ra"], table["place"][:, 0])
    assert found.columns["real"].unit == "Jy"
    assert found.meta["tree"] == table.meta["tree"]
    assert ecsv_text(SourceTable(found.columns, {})).count("\n") > len(WORDS)


def test_a_table_without_rows_is_one(tmp_path):
    path = tmp_path / "x.ecsv"
    empty = SourceTable()
    for name, column in _table().columns.items():
        if name != "row":
            empty.add(column._replace(values=column.values[:0]))
    write_table(path, empty)
    assert len(read_ecsv(path)) == 0
    assert QTable.read(path, format="ascii.ecsv").colnames == list(empty.columns)


def test_what_astropy_writes_is_read(tmp_path):
    path = tmp_path / "x.ecsv"
    table = QTable(_table().to_qtable())
    del table["row"]
    for delimiter in (" ", ","):
        table.write(path, format="ascii.ecsv", delimiter=delimiter, overwrite=True)
        found = read_ecsv(path)
        np.testing.assert_array_equal(found["real"], table["real"].value)
        np.testing.assert_array_equal(found["place.dec"], table["place"].dec.deg)
        assert list(found["word"]) == WORDS
        assert found.meta["list"] == [1, 2.5, "three", True]


def test_what_is_rare_is_left_to_astropy(tmp_path):
    path = tmp_path / "x.ecsv"
    number = MaskedColumn([1, 2], mask=[False, True])
    table = QTable({"number": number, "RA": [10.0, 11.0] * units.deg})
    table.write(path, format="ascii.ecsv")
    found = read_table(path)
    assert found["number"][0] == 1
    assert list(found["RA"]) == [10.0, 11.0]


@pytest.mark.parametrize(
    "text", ["", "no table\n", "# %ECSV 1.0\n# ---\n# datatype: [\n", "# %ECSV 1.0\n"]
)
def test_a_file_that_is_no_table_is_one_line(tmp_path, text):
    path = tmp_path / "x.ecsv"
    path.write_text(text)
    for read in (read_ecsv, read_table):
        with pytest.raises(InputError) as caught:
            read(path)
        assert "no ECSV table" in str(caught.value)
        assert "\n" not in str(caught.value)
