import numpy as np
import pytest

from benchmarks import slopes


@pytest.fixture(autouse=True)
def one_seed(monkeypatch):
    monkeypatch.setattr(slopes, "SEEDS", (3,))


def rows_of(capsys):
    """The lines that a table prints below its head."""
    return capsys.readouterr().out.splitlines()[1:]


def test_pixels_hit_once_are_less_biased_than_by_the_rules_of_jwst(monkeypatch, capsys):
    monkeypatch.setattr(slopes, "SKY_DN_S", (1.0, 10.0))
    slopes.print_once(60)
    for row in rows_of(capsys):
        _, _, _, ours, _, error, theirs, _, _ = row.split()
        assert abs(float(ours)) < 0.15 + 3 * float(error)
        assert float(ours) < 0.5 * float(theirs)


def test_stars_that_fill_the_well_keep_an_unbiased_slope(monkeypatch, capsys):
    monkeypatch.setattr(slopes, "FULL", [("SHALLOW4", 6)])
    slopes.print_full(4)
    rows = [row.split() for row in rows_of(capsys)]
    assert [int(row[2]) for row in rows] == [1, 2, 3, 4, 5]
    assert all(float(row[3]) > 0.99 for row in rows[1:])
    off = np.array([[float(row[4]), float(row[6])] for row in rows])
    assert (np.abs(off[:, 0]) < 5 * off[:, 1]).all()
