"""Slopes and sky images written and read again."""

import dataclasses

import numpy as np
import pytest
from astropy.io import fits

from rampline.errors import InputError
from rampline.exposure.header import Card, SkyPlace
from rampline.files.content import content_hash, recorded_hash
from rampline.files.read import (
    read_gwcs,
    read_header,
    read_ramp,
    read_sky,
    read_slope,
    stored_geometry,
)
from rampline.files.write import write_sky, write_slope, write_slope_ints
from rampline.flags import DO_NOT_USE

from .making import (
    COLS,
    PROVENANCE,
    ROOT,
    ROWS,
    full_header,
    make_sky,
    make_slope_image,
    make_wcs,
)

SIP = (
    Card("CTYPE1", "RA---TAN-SIP", "Axis 1 type"),
    Card("A_ORDER", 2, ""),
    Card("A_0_2", 1.1e-6, ""),
    Card("S_REGION", "POLYGON ICRS 1.0 2.0 3.0 4.0 5.0 6.0", ""),
)


def same_arrays(found, expected, names):
    for name in names:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert getattr(found, name).dtype == getattr(expected, name).dtype


SLOPE_NAMES = ("slope", "err", "var_poisson", "var_read", "flags")
SKY_NAMES = ("sky", "err", "var_poisson", "var_read", "var_flat", "flags", "area")


def test_slopes_come_back(tmp_path, rng):
    extras = {
        "STRIPES": rng.normal(size=(ROWS, 4)),
        "ARTIFACT": np.eye(3, dtype=np.uint32),
    }
    image = make_slope_image(rng, n_ints=2, **extras)
    path = tmp_path / f"{ROOT}_rate.fits"
    write_slope(path, image, PROVENANCE)
    write_slope_ints(tmp_path / f"{ROOT}_rateints.fits", image, PROVENANCE)
    back = read_slope(path, integrations=True)
    same_arrays(back.planes, image.planes, SLOPE_NAMES)
    same_arrays(back.integrations, image.integrations, SLOPE_NAMES)
    assert set(back.extras) == {"STRIPES", "ARTIFACT"}
    for name, plane in extras.items():
        np.testing.assert_array_equal(back.extras[name], plane)
    assert back.header.readout == image.header.readout
    assert back.header.pointing == image.header.pointing


def test_slope_extensions_stand_in_jwst_s_order(tmp_path, rng):
    path = tmp_path / f"{ROOT}_rate.fits"
    write_slope(path, make_slope_image(rng, CHI2=np.ones((ROWS, COLS))), PROVENANCE)
    with fits.open(path) as file:
        file.verify("exception")
        names = [hdu.name for hdu in file]
        assert names == [
            *("PRIMARY", "SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE", "CHI2"),
            *("PARAMETERS", "PROVENANCE", "ASDF"),
        ]
        assert file["SCI"].header["BUNIT"] == file["ERR"].header["BUNIT"] == "DN/s"
        assert file["DQ"].data.dtype == np.uint32
        assert file[0].header["DATAMODL"] == "ImageModel"
        assert file[0].header["FILENAME"] == path.name


def test_integrations_that_were_not_kept_cannot_be_written(tmp_path, rng):
    image = dataclasses.replace(make_slope_image(rng), integrations=None)
    with pytest.raises(ValueError, match="without its integrations"):
        write_slope_ints(tmp_path / "x_rateints.fits", image, PROVENANCE)


def test_integrations_that_are_asked_for_and_absent_are_named(tmp_path, rng):
    path = tmp_path / f"{ROOT}_rate.fits"
    write_slope(path, make_slope_image(rng), PROVENANCE)
    with pytest.raises(InputError, match=r"rateints\.fits: cannot be read"):
        read_slope(path, integrations=True)


def test_provenance_is_in_cards_and_tables(tmp_path, rng):
    path = tmp_path / f"{ROOT}_rate.fits"
    write_slope(path, make_slope_image(rng), PROVENANCE)
    with fits.open(path) as file:
        cards = file[0].header
        assert (cards["S_SATURA"], cards["S_SUPERB"]) == ("COMPLETE", "COMPLETE")
        assert cards["S_IPC"] == "SKIPPED"
        assert cards["CAL_VER"] == "rampline 0.1.0"
        assert cards["CRDS_CTX"] == "jwst_1322.pmap"
        assert cards["R_SUPERB"] == "crds://jwst_nircam_superbias_0152.fits"
        rows = file["PROVENANCE"].data
        assert list(rows["kind"]) == ["software", "input", "reference", *["step"] * 4]
        assert rows["seconds"][-4:].tolist() == [0.25, 0.5, 0.0, 0.125]
        assert rows["name"][-1] == "a_step_of_our_own"
        told = file["PARAMETERS"].data
        assert told["name"][0] == "detector.saturation.grow"
        assert (told["value"][0], told["unit"][0]) == ("1", "pixel")


@pytest.fixture
def cal(tmp_path, rng):
    path = tmp_path / f"{ROOT}_cal.fits"
    image = make_sky(rng, extras={"SKYMODEL": np.ones((ROWS, COLS), np.float32)})
    write_sky(path, image, make_wcs(), SIP, PROVENANCE)
    return path, image


def read_back(path, computed=None):
    return read_sky(path, stored_geometry(path), computed)


def test_sky_images_come_back_with_their_geometry(cal):
    path, image = cal
    back = read_back(path)
    same_arrays(back, image, SKY_NAMES)
    assert back.photometry == image.photometry
    assert back.background_mjy_sr == image.background_mjy_sr
    assert back.background_subtracted
    assert set(back.extras) == {"SKYMODEL"}
    np.testing.assert_array_equal(back.geometry.v2v3_arcsec, image.geometry.v2v3_arcsec)
    # A card holds 20 characters of a number.
    np.testing.assert_allclose(
        back.geometry.correction, image.geometry.correction, rtol=1e-13
    )
    for name in ("pointing", "step", "origin", "shape"):
        assert getattr(back.geometry, name) == getattr(image.geometry, name)


def test_sky_extensions_and_cards_are_jwst_s(cal):
    with fits.open(cal[0]) as file:
        names = [hdu.name for hdu in file]
        assert names[:5] == ["PRIMARY", "SCI", "ERR", "DQ", "AREA"]
        assert names[5:8] == ["VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"]
        cards = file["SCI"].header
        assert cards["BUNIT"] == "MJy/sr"
        assert cards["PHOTMJSR"] == 1.75
        assert cards["PIXAR_A2"] == pytest.approx(2.22e-14 * 206264.806247**2)
        # The value that jwst writes beside PHOTMJSR = 1.75.
        assert cards["PHOTUJA2"] == pytest.approx(41.132755279541016)
        assert "BUNIT" not in file["VAR_POISSON"].header


def test_the_gwcs_is_where_jwst_looks_for_it(cal):
    assert read_gwcs(cal[0])(1.0, 2.0) == make_wcs()(1.0, 2.0)


def test_former_sip_terms_do_not_outlive_a_new_fit(tmp_path, cal, rng):
    old = read_back(cal[0])
    image = dataclasses.replace(make_sky(rng), header=old.header)
    path = tmp_path / f"{ROOT}_crf.fits"
    write_sky(path, image, make_wcs(), (Card("CTYPE1", "RA---TAN"),), PROVENANCE)
    cards = fits.getheader(path, "SCI")
    assert "A_0_2" not in cards
    assert "S_REGION" not in cards
    assert cards["CTYPE1"] == "RA---TAN"


def test_geometry_is_stale_where_another_tool_changed_the_wcs(cal, tmp_path):
    path, image = cal
    other = tmp_path / "other_cal.fits"
    write_sky(other, image, make_wcs(shift=1.0), SIP, PROVENANCE)
    with fits.open(path) as file, fits.open(other) as foreign:
        hdus = [hdu for hdu in file if hdu.name != "ASDF"]
        fits.HDUList([*hdus, foreign["ASDF"]]).writeto(tmp_path / "mixed_cal.fits")
    assert stored_geometry(path) is not None
    assert stored_geometry(tmp_path / "mixed_cal.fits") is None


def test_an_integration_cube_makes_calints(tmp_path, rng):
    image = make_sky(rng, header=full_header(n_ints=2, exp_type="NRC_TSIMAGE"))
    cubes = {n: np.stack([getattr(image, n)] * 2) for n in SKY_NAMES if n != "area"}
    image = dataclasses.replace(image, **cubes)
    path = tmp_path / f"{ROOT}_calints.fits"
    write_sky(path, image, make_wcs(), SIP, PROVENANCE)
    assert fits.getval(path, "DATAMODL") == "CubeModel"
    same_arrays(read_back(path), image, SKY_NAMES)


def test_planes_pass_from_file_to_file_as_they_are_stored(cal, tmp_path):
    stored, whole = read_back(cal[0], computed=()), read_back(cal[0])
    assert isinstance(stored.sky, np.memmap)
    assert stored.flags.dtype == np.uint32
    path = tmp_path / f"{ROOT}_crf.fits"
    for sky in (stored, whole):
        found = write_sky(path, sky, make_wcs(), SIP, PROVENANCE)
        assert found == content_hash(path) == recorded_hash(cal[0])


def test_what_is_unusable_is_blanked_where_that_is_asked_for(cal, tmp_path):
    sky = read_back(cal[0], computed=("SCI",))
    path = tmp_path / f"{ROOT}_crf.fits"
    found = write_sky(path, sky, make_wcs(), SIP, PROVENANCE, blank_unusable=True)
    assert found == content_hash(path)
    back = read_back(path)
    lost = sky.flags & DO_NOT_USE != 0
    assert 0 < lost.sum() < lost.size
    for name in ("sky", "err", "var_poisson", "var_read", "var_flat"):
        blanked = np.where(lost, np.nan, getattr(sky, name))
        np.testing.assert_array_equal(getattr(back, name), blanked)
    np.testing.assert_array_equal(back.area, sky.area)
    np.testing.assert_array_equal(back.flags, sky.flags)


def test_a_file_that_changed_is_scanned_again(cal, tmp_path):
    path = tmp_path / cal[0].name
    path.write_bytes(cal[0].read_bytes())
    before = read_header(path)
    fits.setval(path, "FILTER", value="F150W")
    assert (before.filter, read_header(path).filter) == ("F200W", "F150W")


def test_the_place_of_a_moving_target_is_read_where_the_header_has_it(cal, tmp_path):
    path = tmp_path / cal[0].name
    path.write_bytes(cal[0].read_bytes())
    science = {"extname": "SCI"}
    fits.setval(path, "MT_RA", value=12.5, **science)
    fits.setval(path, "MT_DEC", value=-3.25, **science)
    assert read_header(path).moving_target is None
    fits.setval(path, "TARGTYPE", value="MOVING")
    assert read_header(path).moving_target == (12.5, -3.25)
    assert full_header(moving_target=SkyPlace(1.0, 2.0)).science[-2:] == (
        Card("MT_RA", 1.0, "[deg] Moving target RA at exposure mid-point"),
        Card("MT_DEC", 2.0, "[deg] Moving target Dec at exposure mid-point"),
    )
    fits.setval(path, "MT_DEC", value=-93.25, **science)
    with pytest.raises(InputError, match=r"MT_DEC is -93.25, not a number from -90"):
        read_header(path)


def test_a_cal_still_in_counts_is_no_sky_image(cal):
    with fits.open(cal[0], mode="update") as file:
        file["SCI"].header["BUNIT"] = "DN/s"
    with pytest.raises(InputError, match=r"no sky image \(SCI has 2 axes, in DN/s\)"):
        read_back(cal[0])


def test_products_are_no_raw_exposures(cal):
    with pytest.raises(InputError, match=r"ImageModel.*give the _uncal file"):
        read_ramp(cal[0])


def test_a_missing_plane_is_named(cal, tmp_path):
    path = tmp_path / "poor_cal.fits"
    with fits.open(cal[0]) as file:
        fits.HDUList([hdu for hdu in file if hdu.name != "ERR"]).writeto(path)
    with pytest.raises(InputError, match="no ERR extension"):
        read_back(path)


def test_a_slope_file_has_no_wcs(tmp_path, rng):
    path = tmp_path / f"{ROOT}_rate.fits"
    write_slope(path, make_slope_image(rng), PROVENANCE)
    with pytest.raises(InputError, match="no WCS in its ASDF extension"):
        read_gwcs(path)


def test_a_cutout_has_the_rows_and_columns_of_its_pixels(cal, tmp_path):
    path = tmp_path / "cut_cal.fits"
    with fits.open(cal[0]) as file:
        for name in (
            "SCI",
            "ERR",
            "DQ",
            "AREA",
            "VAR_POISSON",
            "VAR_RNOISE",
            "VAR_FLAT",
        ):
            file[name].data = file[name].data[2:7, 3:9]
        file.writeto(path)
    readout = read_back(path).header.readout
    assert (readout.n_rows, readout.n_cols) == (5, 6)


def test_the_hash_in_the_header_is_that_of_the_content(cal, tmp_path):
    path, image = cal
    found = recorded_hash(path)
    assert found == content_hash(path)
    again = tmp_path / "elsewhere" / path.name
    again.parent.mkdir()
    assert write_sky(again, image, make_wcs(), SIP, PROVENANCE) == found


def test_the_header_of_a_product_is_that_of_its_exposure(cal):
    assert read_header(cal[0]).root == ROOT
