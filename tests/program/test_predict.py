import json
import re

import numpy as np
import pytest
from astropy.table import Table

from rampline.archive import two_mass
from rampline.errors import InputError, NetworkError
from rampline.program.predict import run_prediction


def test_where_nothing_is_expected_it_is_said_and_drawn(field, tmp_path, capsys):
    # SUB160 of module B ends at no edge of its detector, so only claws can reach it
    raw = field.raw[0].parent
    out = tmp_path / "predicted"
    assert run_prediction([raw], out, "none") == 0
    assert "nothing expected" in capsys.readouterr().out
    assert json.loads((out / "expected.json").read_text()) == []
    pictures = list(out.glob("*.png"))
    assert len(pictures) == len({re.sub(r"nrcb.*", "", p.name) for p in field.raw}) * 2
    assert pictures[0].read_bytes().startswith(b"\x89PNG")


def test_of_a_subarray_the_picture_shows_what_was_read_out(
    field, tmp_path, monkeypatch
):
    drawn = []

    def draw(_title, outlines):
        drawn.extend(outlines)
        return b""

    monkeypatch.setattr("rampline.program.predict.draw_focal_plane", draw)
    assert run_prediction(field.raw[:1], tmp_path / "out", "none") == 0
    detector, read = (np.ptp(outline.v2v3_arcsec, axis=0) for outline in drawn)
    assert not drawn[0].label
    assert drawn[1].label == "B1"
    # 160 of 2048 pixels
    np.testing.assert_allclose(detector / read, 2047 / 159, rtol=0.05)


def test_without_network_the_brightest_stars_remain(
    field, tmp_path, capsys, monkeypatch
):
    def refuse(*_args, **_options):
        raise NetworkError(
            "2MASS stars from nowhere: no answer within 1 s; --stars FILE"
        )

    monkeypatch.setattr("rampline.program.input.stars.fetch_two_mass", refuse)
    assert run_prediction(field.raw[:1], tmp_path / "out", "2mass") == 0
    said = capsys.readouterr().out
    assert "no answer" in said
    assert "only the brightest stars" in said


def test_stars_of_2mass_become_claws(field, tmp_path, capsys, monkeypatch):
    from rampline.files.read import read_header

    def everywhere(ra_deg, dec_deg, _params):
        # a net of bright stars over the cone that claws come from
        ra = ra_deg + np.linspace(-60, 60, 241) / 2
        grid = [(a, d) for a in ra for d in np.linspace(-13, 13, 53) + dec_deg]
        columns = dict(zip(("RAJ2000", "DEJ2000"), np.array(grid).T, strict=True))
        mags = np.zeros(len(grid))
        return columns | dict.fromkeys(("Jmag", "Hmag", "Kmag"), mags)

    assert set(two_mass.COLUMNS) == {"RAJ2000", "DEJ2000", "Jmag", "Hmag", "Kmag"}
    monkeypatch.setattr("rampline.program.input.stars.fetch_two_mass", everywhere)
    out = tmp_path / "out"
    assert run_prediction(field.raw, out, "2mass") == 0
    rows = json.loads((out / "expected.json").read_text())
    assert {row["detector"] for row in rows if row["kind"] == "claw"} == {
        read_header(path).detector for path in field.raw
    } - {"NRCBLONG", "NRCB3"}
    assert "claw" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [({"RA": [1.0]}, "no column DEC"), ({"RA": [1.0], "DEC": [1.0]}, "no magnitudes")],
)
def test_a_table_without_what_is_needed_is_refused(field, tmp_path, columns, complaint):
    stars = tmp_path / "stars.ecsv"
    Table(columns).write(stars, format="ascii.ecsv")
    with pytest.raises(InputError, match=complaint):
        run_prediction(field.raw[:1], tmp_path / "out", str(stars))


def test_distant_pointings_are_asked_for_one_by_one_and_stars_count_once(
    field, monkeypatch
):
    from dataclasses import replace

    from rampline.files.read import read_header
    from rampline.program.input.stars import find_stars

    asked = []

    def fetch(ra_deg, dec_deg, _params):
        asked.append((ra_deg, dec_deg))
        return {name: np.array([1.0, float(len(asked))]) for name in two_mass.COLUMNS}

    monkeypatch.setattr("rampline.program.input.stars.fetch_two_mass", fetch)
    near = [read_header(path) for path in field.raw]
    pointing = near[0].pointing
    moved = replace(pointing, dec_ref_deg=pointing.dec_ref_deg + 1.0)
    table, problem = find_stars("2mass", [*near, replace(near[0], pointing=moved)])
    assert not problem
    assert len(asked) == 2
    assert table.k_mag.tolist() == [1.0, 2.0]
