import shutil

import pytest
from astropy.io import fits

from rampline.errors import ParameterError
from rampline.program.compare import compare_lines


def test_a_reduction_is_the_same_as_its_copy(reduced, tmp_path):
    copy = shutil.copytree(reduced, tmp_path / "copy")
    (line,) = compare_lines(reduced, copy)
    n, _, total = line.partition(" products")[0].split()[0:3]
    assert n == total
    assert int(n) > 10


def test_a_changed_pixel_is_found_and_given_in_sigma(reduced, tmp_path):
    copy = shutil.copytree(reduced, tmp_path / "copy")
    cal = min((copy / "exposures").glob("*_cal.fits"))
    with fits.open(cal, mode="update") as hdus:
        hdus["SCI"].data[80, 80] = 1.0
        hdus["ERR"].data[80, 80] = 0.5
    with fits.open(reduced / "exposures" / cal.name, memmap=False) as hdus:
        before, err = hdus["SCI"].data[80, 80], hdus["ERR"].data[80, 80]
    (copy / "mosaics" / "alignment.ecsv").unlink()
    min((copy / "exposures").glob("*_rate.fits")).unlink()
    lines = list(compare_lines(reduced, copy))
    assert lines[0].startswith(f"only in {reduced}: exposures/")
    assert lines[1] == f"{cal.name}: differs"
    (science,) = (line for line in lines if line.startswith("  SCI"))
    assert f"at most {abs(1 - before) / err:.2g} sigma" in science


def test_catalogues_are_compared_source_by_source(reduced):
    first, second = sorted((reduced / "mosaics").glob("*_cat.ecsv"))
    lines = list(compare_lines(first, second))
    assert "in both" in lines[1]
    assert list(compare_lines(first, first)) == [f"{first.name}: same"]


def test_a_file_is_not_compared_with_a_folder(reduced):
    with pytest.raises(ParameterError, match="two files or two folders"):
        list(compare_lines(reduced, min(reduced.rglob("*_cal.fits"))))
