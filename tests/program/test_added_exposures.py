"""Exposures that are added to a mosaic later: the pixels stay, the mosaic is as fresh."""

import numpy as np
import pytest
from astropy.io import fits

from rampline.program.input.options import ReduceOptions
from rampline.program.reduce import reduce_files


def make_mosaic(cals, field, out):
    options = ReduceOptions(
        references=str(field.references),
        align_to=str(field.alignment_catalog),
        until="mosaic",
        engine="serial",
    )
    assert reduce_files(cals, out, options, progress=False) == 0
    (path,) = (out / "mosaics").glob("*_i2d.fits")
    with fits.open(path) as hdus:
        sky, cards = hdus["SCI"].data.copy(), hdus["SCI"].header
        return hdus[0].header["CONTHASH"], sky, cards


def test_a_mosaic_that_grew_is_the_one_of_a_fresh_run(field, reduced, tmp_path):
    cals = sorted((reduced / "exposures").glob("*nrcb1_cal.fits"))
    assert len(cals) > 2
    few_hash, few, few_cards = make_mosaic(cals[:-1], field, tmp_path / "grown")
    grown_hash, grown, cards = make_mosaic(cals, field, tmp_path / "grown")
    fresh_hash, _, _ = make_mosaic(cals, field, tmp_path / "fresh")
    assert few_hash != grown_hash == fresh_hash
    assert few_cards["GRIDCELL"] == cards["GRIDCELL"]
    moved = [cards[word] - few_cards[word] for word in ("CRPIX2", "CRPIX1")]
    assert moved == pytest.approx(np.round(moved), abs=1e-9)
    row, col = (round(step) for step in moved)
    same = grown[row : row + few.shape[0], col : col + few.shape[1]]
    assert np.isfinite(same).sum() > np.isfinite(few).sum() > 10_000
    both = np.isfinite(few) & np.isfinite(same)
    assert np.corrcoef(few[both], same[both])[0, 1] > 0.9
