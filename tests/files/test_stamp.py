from astropy.time import Time

from rampline.files.stamp import mjd_to_iso


def test_dates_are_those_of_astropy(rng):
    for mjd in rng.uniform(59000, 62000, 50):
        expected = Time(mjd, format="mjd", scale="utc")
        found = Time(mjd_to_iso(mjd), format="isot", scale="utc")
        assert abs((found - expected).to_value("s")) < 0.0006


def test_mjd_zero_is_its_definition():
    assert mjd_to_iso(0.0) == "1858-11-17T00:00:00.000"
