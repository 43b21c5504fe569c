"""Flats corrected by the sky, from calibrated files to a reference file that is found."""

import shutil

import numpy as np
import pytest
from astropy.io import fits

from rampline.errors import InputError
from rampline.files.read import read_header
from rampline.program.make_sky_flat import run_sky_flats
from rampline.reference.select import open_source
from rampline.reference.sky_planes import load_flat


def test_a_sky_flat_is_taken_instead_of_the_flat_it_corrects(field, reduced, tmp_path):
    cals = sorted((reduced / "exposures").glob("*_nrcb1_cal.fits"))
    out = tmp_path / "flats"
    n = len(cals)
    assert run_sky_flats(cals, str(field.references), out, n) == 0
    (path,) = out.iterdir()
    header = read_header(cals[0])
    before = open_source(field.references).select(header, ["flat"])
    references = tmp_path / "references"
    references.mkdir()
    shutil.copy(before.paths["flat"], references)
    shutil.copy(path, references)
    after = open_source(references).select(header, ["flat"])
    assert after.paths["flat"].name == path.name
    old, new = load_flat(before, header), load_flat(after, header)
    usable = (old.flat_flags | new.flat_flags) & 1 == 0
    ratio = (new.flat / old.flat)[usable]
    assert usable.mean() > 0.9
    # few exposures of one field: what is in doubt stays as it was
    assert np.std(ratio) < 0.02
    assert np.all(new.flat_err[usable] >= 0)
    assert fits.getval(path, "DESCRIP").startswith("Flat times sky of")


def test_of_a_folder_with_all_products_the_calibrated_ones_are_taken(
    field, reduced, tmp_path, capsys
):
    exposures = reduced / "exposures"
    assert list(exposures.glob("*_rate.fits"))
    assert run_sky_flats([exposures], str(field.references), tmp_path / "f", 20) == 1
    assert "exposures are too few, 20 are needed" in capsys.readouterr().out


def test_without_calibrated_exposures_it_says_so(raw, field, tmp_path, capsys):
    with pytest.raises(InputError, match="no _cal file in this folder"):
        run_sky_flats([raw], str(field.references), tmp_path / "f", 20)
    some = sorted(raw.iterdir())[:1]
    assert run_sky_flats(some, str(field.references), tmp_path / "f", 20) == 1
    assert "give _cal files" in capsys.readouterr().out


def test_too_few_exposures_are_told_and_nothing_is_written(
    field, reduced, tmp_path, capsys
):
    cals = sorted((reduced / "exposures").glob("*_nrcb1_cal.fits"))
    assert run_sky_flats(cals, str(field.references), tmp_path / "flats", 20) == 1
    assert "exposures are too few, 20 are needed" in capsys.readouterr().out
    assert not (tmp_path / "flats").exists()
