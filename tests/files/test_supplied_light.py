from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from rampline.exposure.planes import SkyPlanes
from rampline.files.supplied_light import find_supplied, read_supplied

from ..pipeline.exposures import make_header

SIDE = 2048


@pytest.fixture
def header():
    return make_header(detector="NRCB4", filter="F200W")


def write(path, **planes):
    hdus = [fits.PrimaryHDU()]
    hdus += [fits.ImageHDU(plane, name=name) for name, plane in planes.items()]
    fits.HDUList(hdus).writeto(path)


def test_files_are_found_by_the_names_of_detector_and_filter(header, tmp_path):
    plane = np.zeros((SIDE, SIDE), np.float32)
    for name in (
        "WISP_NRCB4_F200W_CLEAR",
        "wisp_nrcb4_f150w",
        "WISP_NRCB3_F200W_CLEAR",
    ):
        write(tmp_path / f"{name}.fits", CAL=plane)
    found = find_supplied(str(tmp_path), header)
    assert [path.name for path in found.paths] == ["WISP_NRCB4_F200W_CLEAR.fits"]
    assert found.problems == ()
    assert find_supplied("", header) == ((), ())


def test_what_cannot_be_used_is_one_line_and_the_rest_is_used(header, tmp_path):
    write(tmp_path / "a_NRCB4_F200W.fits", CAL=np.zeros((SIDE, SIDE), np.float32))
    write(tmp_path / "b_NRCB4_F200W.fits", CAL=np.zeros((100, SIDE), np.float32))
    (tmp_path / "c_NRCB4_F200W.fits").write_bytes(b"no FITS file at all")
    write(tmp_path / "d_NRCB4_F200W.fits")
    found = find_supplied(str(tmp_path), header)
    assert [path.name for path in found.paths] == ["a_NRCB4_F200W.fits"]
    assert len(found.problems) == 3
    for name, line in zip("bcd", found.problems, strict=True):
        assert f"{name}_NRCB4_F200W.fits" in line
        assert "\n" not in line
    (line,) = find_supplied(str(tmp_path / "nowhere"), header).problems
    assert "nowhere" in line


def test_light_is_read_as_flat_fielded_slopes_of_the_subarray(header, tmp_path, rng):
    cal = rng.normal(size=(SIDE, SIDE)).astype(np.float32)
    cal[100, 200] = np.nan
    flat = rng.uniform(0.5, 1.5, (40, 30)).astype(np.float32)
    readout = replace(header.readout, row_start=90, col_start=190, n_rows=40, n_cols=30)
    cut = replace(header, readout=readout)
    write(tmp_path / "a_NRCB4_F200W.fits", RATE=cal, CAL=cal)
    write(tmp_path / "b_NRCB4_F200W.fits", RATE=cal)
    write(tmp_path / "c_NRCB4_F200W.fits", MODES=np.stack([cal, 2 * cal]))
    paths = find_supplied(str(tmp_path), cut).paths
    references = SkyPlanes(
        flat=flat,
        flat_err=np.zeros_like(flat),
        flat_flags=np.zeros(flat.shape, np.uint32),
        area=np.ones_like(flat),
        pixel_area_sr=1.0,
        mjy_sr_per_dn_s=2.0,
        distortion=None,
    )
    light = read_supplied(paths, cut, references)
    own = np.nan_to_num(cal[90:130, 190:220])
    assert light.shape == (4, 40, 30)
    assert light.dtype == np.float32
    for plane, wanted in zip(light, (own / 2, own / flat, own / 2, own), strict=True):
        assert np.allclose(plane, wanted, rtol=1e-6)
