"""The user's regions through a run: what they mask, and what they make anew."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from rampline.artifacts.bits import USER
from rampline.files.read import read_header
from rampline.flags import DO_NOT_USE
from rampline.program.input.options import ReduceOptions
from rampline.program.input.user_regions import drawn_on, read_user_regions
from rampline.program.reduce import reduce_files


@pytest.fixture
def options(field):
    return ReduceOptions(
        references=str(field.references),
        align_to=str(field.alignment_catalog),
        stars="none",
        engine="serial",
    )


def _times(folder):
    return {p.name: p.stat().st_mtime_ns for p in folder.rglob("*.fits")}


def _problems(path):
    table = fits.getdata(path, "PROVENANCE")
    return [str(row["value"]) for row in table if row["kind"] == "problem"]


def test_a_mask_for_one_exposure_makes_anew_what_it_touches(
    field, reduced, options, tmp_path
):
    out = tmp_path / "out"
    shutil.copytree(reduced, out)
    before = _times(out)
    root = next(p.name for p in field.raw if "nrcb1" in p.name)
    root = root.removesuffix("_uncal.fits")
    regions = tmp_path / f"{root}.reg"
    regions.write_text("image\ncircle(81,41,10) # text={a ghost}\n")
    options = replace(options, regions=(regions,))
    assert reduce_files(field.raw, out, options, progress=False) == 0
    after = _times(out)
    new = {name for name, time in after.items() if before.get(name) != time}
    # the alignment is made again, and with it all mosaics, but no other exposure
    assert f"{root}_cal.fits" in new
    assert not any("_rate" in name for name in new)
    assert {name for name in new if "_cal.fits" in name} == {f"{root}_cal.fits"}
    cal = out / "exposures" / f"{root}_cal.fits"
    with fits.open(cal) as hdus:
        inside = hdus["ARTIFACT"].data & USER != 0
        flags, sky = hdus["DQ"].data, hdus["SCI"].data
    assert inside.sum() == pytest.approx(np.pi * 100, rel=0.03)
    assert inside[40, 80]
    assert (flags[inside] & DO_NOT_USE != 0).all()
    with fits.open(reduced / "exposures" / f"{root}_cal.fits") as hdus:
        assert np.array_equal(sky, hdus["SCI"].data, equal_nan=True)
    (row,) = json.loads((out / f"exposures/{root}_artifacts.json").read_text())[
        "artifacts"
    ]
    assert (row["kind"], row["action"], row["cause"]) == ("user", "user", "a ghost")
    assert row["pixels"] == inside.sum()
    assert not _problems(cal)


def test_a_damaged_file_is_one_line_and_the_run_goes_on_and_says_so(
    field, reduced, options, tmp_path, capsys
):
    out = tmp_path / "out"
    shutil.copytree(reduced, out)
    regions = tmp_path / "field.reg"
    regions.write_text("fk5\ncircle(110.83,-73.45,oops)\n")
    some = field.raw[:1]
    options = replace(options, regions=(regions,), until="cal")
    assert reduce_files(some, out, options, progress=False) == 0
    said = capsys.readouterr().out
    (line,) = (line for line in said.splitlines() if "regions left out" in line)
    assert "line 2: 'oops' is no number" in line
    root = some[0].name.removesuffix("_uncal.fits")
    assert _problems(out / f"exposures/{root}_cal.fits") == [line.strip()]
    listed = out / f"exposures/{root}_artifacts.json"
    assert json.loads(listed.read_text())["problems"] == [line.strip()]
    # without regions the list goes again
    assert reduce_files(some, out, replace(options, regions=()), progress=False) == 0
    assert not listed.exists()


def test_regions_of_the_field_count_where_they_are_seen(field, tmp_path):
    headers = [read_header(path) for path in field.raw]
    (tmp_path / "field.reg").write_text(
        'icrs\ncircle(110.83,-73.45,1")\ncircle(110.83,-73.25,1")\n'
    )
    (tmp_path / "nrcb1.reg").write_text("image\nbox(1,1,5,5,0)\n")
    (tmp_path / "jw00000000000_00000_00000_nrca1.reg").write_text(
        "image\nbox(1,1,5,5)\n"
    )
    files = read_user_regions([tmp_path])
    assert not any(file.problem for file in files)
    for header in headers:
        here = drawn_on(files, header)
        assert len(here.regions) == (2 if header.detector == "NRCB1" else 1)
        assert not here.problems


def test_pixels_without_an_exposure_are_refused(tmp_path):
    path = tmp_path / "mosaic.reg"
    path.write_text("image\ncircle(100,100,5)\n")
    (file,) = read_user_regions([path])
    assert "pixels of no exposure" in file.problem
    assert not file.regions
