import shutil

import numpy as np
import pytest
from astropy.io import fits

from rampline.errors import RamplineError
from rampline.program.output.make_report import make_report
from rampline.program.output.quality import EVERY, measure_quality

from ...report.test_page import check


def test_the_page_of_a_reduction_shows_exposures_mosaics_and_versions(reduced, field):
    page = reduced / "report.html"
    text = check(page.read_text())
    for path in field.raw:
        assert path.name.removesuffix("_uncal.fits") in text
    for words in (
        "F200W",
        "F444W",
        "aligned: OK",
        "superbias",
        "command",
        "sources in",
    ):
        assert words in text
    assert page.stat().st_size < 3e6


def test_a_changed_parameter_stands_on_the_page(reduced, tmp_path):
    out = shutil.copytree(reduced, tmp_path / "out")
    record = out / "run.json"
    record.write_text(
        record.read_text().replace('"changed": {', '"changed": {"a.b": "7"')
    )
    text = check(make_report(out, tmp_path / "page.html").read_text())
    assert "a.b" in text


def test_a_folder_without_a_run_has_no_page(tmp_path):
    with pytest.raises(RamplineError, match="no rampline run"):
        make_report(tmp_path)


def test_figures_of_an_exposure_are_those_of_its_planes(reduced):
    rate = min((reduced / "exposures").glob("*_rate.fits"))
    found = measure_quality(rate)
    with fits.open(rate) as hdus:
        rows = slice(EVERY // 2, None, EVERY)
        assert found.chi2 == pytest.approx(np.nanmedian(hdus["CHI2"].data[rows]))
        flags = hdus["DQ"].data[rows]
        lit = flags & (1 << 31) == 0
        assert found.hit == pytest.approx((flags[lit] & 4 != 0).mean())
