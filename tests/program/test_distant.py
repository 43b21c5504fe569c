from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from rampline.exposure.header import Card, SkyPlace, put_cards
from rampline.files.read import read_header
from rampline.program.distant import set_distant_apart
from rampline.program.dry_run import dry_run_lines
from rampline.program.input.inputs import Inputs, Source
from rampline.program.input.options import ReduceOptions
from rampline.program.reduce import reduce_files


@pytest.fixture(scope="session")
def header(field):
    return read_header(field.raw[0])


def _inputs(header, places, **others):
    def source(k, ra_deg, dec_deg):
        pointing = replace(header.pointing, ra_ref_deg=ra_deg, dec_ref_deg=dec_deg)
        changed = replace(header, pointing=pointing, root=f"root{k}", **others)
        return Source(Path(f"/raw/{k}_uncal.fits"), "uncal", changed)

    return Inputs(tuple(source(k, *place) for k, place in enumerate(places)))


def _distant(inputs):
    return [Path(error.path).name[0] for error in set_distant_apart(inputs).distant]


def test_the_exposure_on_the_other_side_of_the_sky_is_named(header):
    inputs = _inputs(header, [(10.0, 45.0), (150.0, 2.0), (150.01, 2.0)])
    found = set_distant_apart(inputs)
    (error,) = found.distant
    assert error.path == "/raw/0_uncal.fits"
    east, y1, y2 = np.radians([140.005, 45.0, 2.0])
    cosine = np.sin(y1) * np.sin(y2) + np.cos(y1) * np.cos(y2) * np.cos(east)
    assert f"looks {np.degrees(np.arccos(cosine)):.1f} deg away" in str(error)
    assert found.sources == inputs.sources


def test_a_moving_target_shares_no_mosaic_with_the_sky(header):
    here = [(150.0, 2.0)]
    fixed = _inputs(header, 2 * here).sources
    comet = put_cards(header.primary, (Card("TARGPROP", "C/2017 K2"),))
    place = SkyPlace(150.0, 2.0)
    moving = _inputs(
        header, 3 * here, is_moving_target=True, moving_target=place, primary=comet
    ).sources
    found = set_distant_apart(Inputs(fixed + moving)).distant
    assert len(found) == 2
    assert all(
        "follows the sky, the other exposures the moving target C/2017 K2" in str(error)
        for error in found
    )
    assert set_distant_apart(Inputs(moving)).distant == ()


def test_one_field_has_no_gap_wherever_it_lies(header):
    chain = [(150.0 + 0.4 * k, 0.0) for k in range(5)]
    assert _distant(_inputs(header, chain)) == []
    hour_circle = [(359.99, -30.0), (0.01, -30.0)]
    assert _distant(_inputs(header, hour_circle)) == []
    pole = [(0.0, 89.9), (120.0, 89.9), (240.0, 89.9)]
    assert _distant(_inputs(header, pole)) == []


def test_the_field_with_most_exposures_stays_and_the_first_on_a_tie(header):
    places = [(10.0, 0.0), (20.0, 0.0), (20.0, 0.1)]
    assert _distant(_inputs(header, places)) == ["0"]
    assert _distant(_inputs(header, [*places, (10.0, 0.1)])) == ["1", "2"]
    random = np.random.default_rng(3).permutation(4)
    shuffled = [[*places, (10.0, 0.1)][k] for k in random]
    first = shuffled[0][0]
    expected = [str(k) for k, place in enumerate(shuffled) if place[0] != first]
    assert _distant(_inputs(header, shuffled)) == expected


def test_what_enters_no_mosaic_may_look_anywhere(header):
    places = [(10.0, 0.0), (20.0, 0.0)]
    assert _distant(_inputs(header, places, exp_type="NRC_CORON")) == []
    assert _distant(_inputs(header, places[:1])) == []


def test_the_others_end_in_a_mosaic_and_the_distant_one_is_calibrated(
    field, raw, tmp_path, capsys
):
    for path in field.raw:
        if "nrcblong" in path.name:
            raw.joinpath(path.name).write_bytes(path.read_bytes())
    stray = max(raw.glob("*nrcblong*"))
    with fits.open(stray, mode="update") as hdus:
        hdus["SCI"].header["RA_REF"] = 10.0
        hdus["SCI"].header["DEC_REF"] = 45.0
    out = tmp_path / "out"
    options = ReduceOptions(
        references=str(field.references),
        until="mosaic",
        align_to="none",
        engine="serial",
    )
    assert any("deg away" in line for line in dry_run_lines([raw], out, options))
    assert reduce_files([raw], out, options, progress=False) == 1
    said = [line for line in capsys.readouterr().out.splitlines() if "failed:" in line]
    assert str(stray) in said[0]
    assert "internal error" not in "".join(said)
    assert len(list((out / "exposures").glob("*_cal.fits"))) == len(list(raw.iterdir()))
    assert list((out / "mosaics").glob("*_i2d.fits"))
