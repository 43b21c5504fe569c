"""Real and independently simulated files of the shared test data."""

import numpy as np
import pytest
from astropy.io import fits

from rampline.errors import InputError
from rampline.files.content import content_hash, recorded_hash
from rampline.files.fits_layout import find_hdu, read_image, scan_fits
from rampline.files.headers import typed_header
from rampline.files.read import (
    read_gwcs,
    read_header,
    read_ramp,
    read_sky,
    stored_geometry,
)

from .making import make_geometry

pytestmark = pytest.mark.shared


@pytest.fixture
def guider(shared):
    return shared / "real_level1b" / "jw01019001001_gs-acq1_2022117003102_uncal.fits"


def test_every_pixel_of_the_real_level_1b_file_is_read(guider):
    science = find_hdu(scan_fits(guider), "SCI")
    samples = read_image(guider, science)
    assert samples.shape == (6, 2, 128, 128)
    assert samples.dtype == np.uint16
    np.testing.assert_array_equal(samples, fits.getdata(guider, "SCI"))
    cds = samples[:, 1].astype(float) - samples[:, 0]
    star = np.median(cds, axis=0)
    assert np.unravel_index(star.argmax(), star.shape) == (97, 65)
    assert star.max() == 40022
    level = np.median(cds, axis=(1, 2), keepdims=True)
    noise = np.median((cds - level).std(axis=0, ddof=1))
    assert noise == pytest.approx(9.07, abs=0.005)
    read = samples[:, 0] - np.median(samples[:, 0], axis=(1, 2), keepdims=True)
    assert np.median(read.std(axis=0, ddof=1)) == pytest.approx(27.2, abs=0.05)


def test_the_real_guide_star_file_is_refused_in_one_line(guider):
    with pytest.raises(InputError) as caught:
        read_ramp(guider)
    assert str(caught.value) == (
        f"{guider}: a guide-star file of FGS (FGS_ACQ1); use jwst (calwebb_guider)"
    )


def test_the_real_nircam_header_is_typed(shared):
    path = shared / "real_level1b" / "jw01075001001_03105_00009_nrca2_uncal.fits"
    hdus = scan_fits(path)
    header = typed_header(path, hdus[0].header, find_hdu(hdus, "SCI").header)
    assert (header.detector, header.filter, header.pupil) == (
        "NRCA2",
        "F210M",
        "MASKRND",
    )
    assert header.exp_type == "NRC_CORON"
    assert header.readout.n_outputs == 4
    assert (header.readout.fast_axis, header.readout.slow_axis) == (1, -2)
    assert header.pointing.ra_ref_deg == 245.981865309727
    with pytest.raises(InputError, match="the header says NGROUPS 10, the data have 1"):
        read_header(path)


def test_all_sample_exposures_are_read_as_astropy_reads_them(shared):
    paths = sorted((shared / "sample" / "raw").glob("*_uncal.fits"))
    assert len(paths) == 8
    for path in paths:
        ramp = read_ramp(path)
        with fits.open(path) as file:
            np.testing.assert_array_equal(ramp.samples, file["SCI"].data)
            np.testing.assert_array_equal(ramp.zero_frame, file["ZEROFRAME"].data)
            for name, rows in (
                ("GROUP", ramp.group_times),
                ("INT_TIMES", ramp.int_times),
            ):
                assert rows.dtype.names == file[name].data.dtype.names
                np.testing.assert_array_equal(
                    rows[rows.dtype.names[0]], file[name].data.field(0)
                )
        assert ramp.header.readout.n_outputs == 1
        assert ramp.header.root == path.name.removesuffix("_uncal.fits")


@pytest.mark.parametrize("fraction", [0.6, 0.995])
def test_a_cut_sample_exposure_is_truncated(shared, tmp_path, fraction):
    path = next((shared / "sample" / "raw").glob("*nrcb1_uncal.fits"))
    data = path.read_bytes()
    cut = tmp_path / path.name
    cut.write_bytes(data[: int(fraction * len(data))])
    with pytest.raises(InputError, match=r"truncated.*; fetch it again"):
        read_ramp(cut)


def test_the_real_cal_cutout_is_a_sky_image_with_its_wcs(shared, rng):
    path = next((shared / "real_nircam_cal").glob("*.fits"))
    assert stored_geometry(path) is None
    image = read_sky(path, make_geometry(rng))
    assert image.sky.shape == (100, 100)
    variance = image.var_poisson + image.var_read + image.var_flat
    good = np.isfinite(image.err) & (image.err > 0)
    np.testing.assert_allclose(image.err[good] ** 2, variance[good], rtol=1e-5)
    ra, dec = read_gwcs(path)(450.0, 150.0)
    pointing = image.header.pointing
    # Half a detector, 1.1 arcmin, is the farthest that a pixel can be in each axis.
    assert abs(ra - pointing.ra_ref_deg) * np.cos(np.radians(dec)) < 0.03
    assert abs(dec - pointing.dec_ref_deg) < 0.03


def test_a_file_of_the_archive_has_a_content_too(guider):
    assert recorded_hash(guider) is None
    assert len(content_hash(guider)) == 64
