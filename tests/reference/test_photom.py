import numpy as np
import pytest

from rampline.errors import MissingReferenceError
from rampline.exposure.header import Card
from rampline.reference.photom import mid_time_mjd, read_photom

from .crds_files import write_table
from .exposures import make_header, make_readout

ROWS = [
    {"filter": "F150W", "pupil": "CLEAR", "photmjsr": 1.0, "uncertainty": 0.1},
    {"filter": "F200W", "pupil": "CLEAR", "photmjsr": 2.0, "uncertainty": 0.2},
    {"filter": "F150W2", "pupil": "F164N", "photmjsr": 3.0, "uncertainty": 0.3},
]
LINEAR = {"t0": 59000.0, "lossperyear": 0.01}
EXPONENTIAL = {"t0": 59700.0, "amplitude": 0.05, "tau": 300.0, "const": 0.96}
POWER = {"t0": 59700.0, "year1value": 0.97, "tsoft": 10.0, "alpha": -0.02}


def write(path, rows=ROWS, more=()):
    return write_table(path, "photom", "PHOTOM", rows, more, PIXAR_SR=2e-14)


def with_laws(path, **laws):
    keys = [{name: row[name] for name in ("filter", "pupil")} for row in ROWS]
    more = []
    for name, law in laws.items():
        # each row has its own values, so a mix-up of rows shows
        rows = [
            key | law | {"t0": law["t0"] - 10.0 * index}
            for index, key in enumerate(keys)
        ]
        more.append((f"TIMECOEFF_{name}", rows))
    return write(path, more=more)


def test_the_row_of_the_filter_and_pupil_is_taken(tmp_path):
    path = write(tmp_path / "a.fits")
    assert read_photom(path, make_header()).mjy_sr_per_dn_s == 2.0
    narrow = make_header(filter="F150W2", pupil="F164N")
    assert read_photom(path, narrow).mjy_sr_per_dn_s == 3.0
    assert read_photom(path, narrow).pixel_area_sr == 2e-14


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[:1], "has no row for F200W CLEAR"),
        ([*ROWS, ROWS[1]], "has 2 rows for F200W CLEAR"),
        ([ROWS[1] | {"photmjsr": np.nan}], "no finite conversion"),
        ([{"filter": "F200W", "pupil": "CLEAR", "x": 1.0}], "cannot be read"),
    ],
)
def test_a_file_without_the_one_row_is_one_line(tmp_path, rows, message):
    path = write(tmp_path / "a.fits", rows)
    with pytest.raises(MissingReferenceError, match=message) as caught:
        read_photom(path, make_header())
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith("jw02736001001_02103_00001_nrcb1: photom reference file")


def test_a_column_of_subarrays_is_matched_too(tmp_path):
    names = ("FULL", "SUB8", "SUB64P")
    rows = [ROWS[1] | {"subarray": n, "photmjsr": i} for i, n in enumerate(names)]
    path = write(tmp_path / "a.fits", rows)
    assert read_photom(path, make_header()).mjy_sr_per_dn_s == 1.0
    other = make_header(make_readout(subarray="SUB400P"))
    with pytest.raises(MissingReferenceError, match="no row for F200W CLEAR SUB400P"):
        read_photom(path, other)


def test_the_conversion_grows_as_the_throughput_falls(tmp_path):
    path = with_laws(tmp_path / "a.fits", LINEAR=LINEAR)
    years = (59737.45 - (59000.0 - 10.0)) / 365.0
    expected = 2.0 / (1.0 - 0.01 * years)
    found = read_photom(path, make_header())
    assert found.mjy_sr_per_dn_s == pytest.approx(expected, rel=1e-7)


def test_the_power_law_reaches_its_value_after_a_year(tmp_path):
    path = with_laws(tmp_path / "a.fits", POWERLAW=POWER)
    year = 59700.0 - 10.0 + 365.0
    header = make_header(start_mjd=year, end_mjd=year)
    assert read_photom(path, header).mjy_sr_per_dn_s == pytest.approx(
        2.0 / 0.97, rel=1e-6
    )


def test_the_middle_of_the_exposure_is_the_headers_or_the_mean():
    assert mid_time_mjd(make_header()) == pytest.approx(59737.45)
    card = Card("EXPMID", 59737.46)
    assert mid_time_mjd(make_header(primary=(card,))) == 59737.46


@pytest.mark.parity
@pytest.mark.parametrize(
    "laws",
    [
        {},
        {"LINEAR": LINEAR},
        {"EXPONENTIAL": EXPONENTIAL},
        {"POWERLAW": POWER},
        {"LINEAR": LINEAR, "EXPONENTIAL": EXPONENTIAL, "POWERLAW": POWER},
    ],
)
def test_the_time_dependence_is_that_of_jwst(tmp_path, laws):
    from jwst.photom.photom import DataSet
    from stdatamodels.jwst import datamodels

    path = with_laws(tmp_path / "a.fits", **laws)
    image = datamodels.ImageModel((4, 4))
    for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
        setattr(image, name, np.ones((4, 4), np.float32))
    image.dq = np.zeros((4, 4), np.uint32)
    image.meta.instrument.name, image.meta.instrument.detector = "NIRCAM", "NRCB1"
    image.meta.instrument.filter, image.meta.instrument.pupil = "F200W", "CLEAR"
    image.meta.exposure.type, image.meta.exposure.mid_time = "NRC_IMAGE", 59737.45
    with datamodels.NrcImgPhotomModel(path) as table:
        DataSet(image, apply_time_correction=True).calc_nircam(table)
    ours = read_photom(path, make_header()).mjy_sr_per_dn_s
    assert ours == pytest.approx(image.meta.photometry.conversion_megajanskys, rel=1e-6)
