import numpy as np
import pytest

from rampline.astrometry.reference_catalog import (
    J2000_MJD,
    earth_au,
    move_to_epoch,
    read_reference_stars,
)
from rampline.errors import ParameterError

MJD_2016 = J2000_MJD + 16 * 365.25
MJD_2022 = 59737.0
GAIA = {
    # A star of the SMACS J0723 field, Gaia DR3 5262899954964194816.
    "ra": np.array([110.85797244287184]),
    "dec": np.array([-73.46423346172936]),
    "pmra": np.array([6.8184]),
    "pmdec": np.array([-7.8000]),
    "parallax": np.array([6.1434]),
    "ref_epoch": np.array([2016.0]),
}


@pytest.mark.parametrize(
    "names", ["RA DEC", "ra dec", "RAJ2000 DEJ2000", "RA_ICRS DE_ICRS"]
)
def test_the_usual_column_names_are_read(names):
    ra, dec = names.split()
    stars = read_reference_stars(
        {ra: np.array([10.0]), dec: np.array([-5.0])}, MJD_2022
    )
    assert stars.ra_deg.tolist() == [10.0]
    assert stars.dec_deg.tolist() == [-5.0]
    assert np.isnan(stars.error_arcsec).all()


def test_six_years_of_proper_motion_are_added():
    no_parallax = GAIA | {"parallax": np.array([np.nan])}
    stars = read_reference_stars(no_parallax, MJD_2022)
    years = (MJD_2022 - MJD_2016) / 365.25
    moved = (stars.dec_deg[0] - GAIA["dec"][0]) * 3.6e6
    assert moved == pytest.approx(-7.8 * years, abs=1e-3)
    moved = (stars.ra_deg[0] - GAIA["ra"][0]) * 3.6e6 * np.cos(np.radians(-73.464))
    assert moved == pytest.approx(6.8184 * years, abs=1e-3)


def test_errors_of_both_axes_are_averaged_in_square():
    columns = GAIA | {"ra_error": np.array([3.0]), "dec_error": np.array([4.0])}
    stars = read_reference_stars(columns, MJD_2022)
    assert stars.error_arcsec[0] == pytest.approx(np.sqrt(12.5) / 1000)


def test_without_an_epoch_positions_stay_unless_one_is_given():
    columns = {k: v for k, v in GAIA.items() if k not in ("ref_epoch", "parallax")}
    stays = read_reference_stars(columns, MJD_2022)
    moves = read_reference_stars(columns, MJD_2022, default_epoch=2016.0)
    assert stays.dec_deg[0] == GAIA["dec"][0]
    assert moves.dec_deg[0] < GAIA["dec"][0]


def test_the_brightest_come_first_and_broken_rows_are_left_out():
    columns = {
        "ra": np.array([1.0, 2.0, np.nan, 4.0]),
        "dec": np.array([0.0, 0.0, 0.0, 95.0]),
        "phot_g_mean_mag": np.array([19.0, 15.0, 12.0, 11.0]),
    }
    assert read_reference_stars(columns, MJD_2022).ra_deg.tolist() == [2.0, 1.0]


def test_masked_motions_are_no_motions():
    masked = np.ma.array([500.0], mask=[True])
    columns = GAIA | {"pmra": masked, "pmdec": masked, "parallax": masked}
    stars = read_reference_stars(columns, MJD_2022)
    assert stars.ra_deg[0] == pytest.approx(GAIA["ra"][0], abs=1e-12)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": np.zeros(2), "y": np.zeros(2)}, "no columns of right ascension"),
        ({"ra": np.array([np.nan]), "dec": np.array([0.0])}, "not a single"),
    ],
)
def test_a_useless_table_is_one_line(columns, message):
    with pytest.raises(ParameterError, match=message) as raised:
        read_reference_stars(columns, MJD_2022)
    assert "\n" not in str(raised.value)


def test_earth_is_where_astropy_puts_it():
    from astropy.coordinates import get_body_barycentric
    from astropy.time import Time

    for mjd in (59700.0, 59790.0, 59880.0, 59970.0):
        earth, sun = (
            get_body_barycentric(
                body, Time(mjd, format="mjd", scale="tdb")
            ).xyz.to_value("au")
            for body in ("earth", "sun")
        )
        np.testing.assert_allclose(earth_au(mjd), earth - sun, atol=1e-3)


def test_parallax_agrees_with_astropy():
    from astropy import units
    from astropy.coordinates import SkyCoord, get_body_barycentric
    from astropy.time import Time

    zero = np.zeros(1)
    ra, dec = move_to_epoch(
        (GAIA["ra"], GAIA["dec"]), (zero, zero), np.array([100.0]), zero, MJD_2022
    )
    time = Time(MJD_2022, format="mjd", scale="tdb")
    star = SkyCoord(
        *(GAIA[k] * units.deg for k in ("ra", "dec")), distance=10 * units.pc
    )
    vector = star.cartesian.xyz.to_value("au").ravel()
    seen = vector - 1.01 * get_body_barycentric("earth", time).xyz.to_value("au")
    expected_dec = np.degrees(np.arcsin(seen[2] / np.linalg.norm(seen)))
    expected_ra = np.degrees(np.arctan2(seen[1], seen[0]))
    assert (dec[0] - expected_dec) * 3.6e6 == pytest.approx(0, abs=1.5)
    cosine = np.cos(np.radians(dec[0]))
    assert (ra[0] - expected_ra) * 3.6e6 * cosine == pytest.approx(0, abs=1.5)
