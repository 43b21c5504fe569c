"""Raw exposures written and read again, and all that can be wrong with one."""

import dataclasses
import resource
from functools import partial

import numpy as np
import pytest
from astropy.io import fits

from rampline.errors import InputError, RamplineError
from rampline.exposure.header import Card
from rampline.exposure.timing import PATTERNS
from rampline.files.read import read_header, read_ramp, read_sky, read_slope
from rampline.files.write_raw import write_level1b

from .making import COLS, ROOT, ROWS, make_geometry, make_header, make_ramp

REQUIRED = (
    *(
        "DETECTOR",
        "FILTER",
        "PUPIL",
        "EXP_TYPE",
        "READPATT",
        "NINTS",
        "NGROUPS",
        "NFRAMES",
    ),
    *("GROUPGAP", "TFRAME", "TGROUP", "SUBARRAY", "SUBSTRT1", "SUBSTRT2", "SUBSIZE1"),
    *("SUBSIZE2", "FASTAXIS", "SLOWAXIS", "EXPSTART", "EXPEND", "EFFEXPTM", "PROGRAM"),
    *("OBSERVTN", "VISIT"),
)

STRUCTURAL = ("XTENSION", "BITPIX", "BZERO", "BSCALE", "PCOUNT", "GCOUNT", "EXTNAME")


@pytest.fixture
def raw(tmp_path, rng):
    path = tmp_path / f"{ROOT}_uncal.fits"
    write_level1b(path, make_ramp(rng))
    return path


def edit(path, extension=0, remove=(), **cards):
    with fits.open(path, mode="update") as file:
        for keyword in remove:
            del file[extension].header[keyword]
        for keyword, value in cards.items():
            file[extension].header[keyword.replace("__", "-")] = value


def message(path, read=read_ramp):
    with pytest.raises(InputError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


def test_what_is_written_is_read(tmp_path, rng):
    ramp = make_ramp(rng, n_ints=2, n_groups=4)
    path = tmp_path / f"{ROOT}_uncal.fits"
    write_level1b(path, ramp)
    back = read_ramp(path)
    assert back.samples.dtype == np.dtype("=u2")
    np.testing.assert_array_equal(back.samples, ramp.samples)
    np.testing.assert_array_equal(back.zero_frame, ramp.zero_frame)
    np.testing.assert_array_equal(back.int_times, ramp.int_times)
    assert back.group_times is None
    typed = dataclasses.replace(back.header, primary=(), science=())
    assert typed == ramp.header
    assert read_header(path) == back.header


def test_samples_are_those_that_astropy_reads(raw):
    np.testing.assert_array_equal(read_ramp(raw).samples, fits.getdata(raw, "SCI"))


def test_a_buffer_of_the_right_shape_is_used(raw):
    buffer = np.empty((1, 3, ROWS, COLS), np.uint16)
    assert read_ramp(raw, buffer).samples is buffer
    assert read_ramp(raw, buffer[:, :2]).samples.shape == buffer.shape


def test_a_file_without_asdf_extension_and_zero_frame_is_read(tmp_path, rng):
    path = tmp_path / f"{ROOT}_uncal.fits"
    ramp = dataclasses.replace(make_ramp(rng), zero_frame=None, int_times=None)
    write_level1b(path, ramp)
    with fits.open(path) as file:
        assert [hdu.name for hdu in file] == ["PRIMARY", "SCI", "ASDF"]
        file[:2].writeto(path, overwrite=True)
    np.testing.assert_array_equal(read_ramp(path).samples, ramp.samples)


def test_a_segment_has_its_own_integrations(tmp_path, rng):
    path = tmp_path / f"{ROOT}-seg002_uncal.fits"
    ramp = make_ramp(rng, n_ints=2, first_integration=3, root=f"{ROOT}-seg002")
    ramp = dataclasses.replace(
        ramp, header=dataclasses.replace(ramp.header, primary=(Card("NINTS", 9),))
    )
    write_level1b(path, ramp)
    header = read_ramp(path).header
    assert fits.getval(path, "NINTS") == 9
    assert (header.first_integration, header.readout.n_ints) == (3, 2)
    assert header.root.endswith("-seg002")


def test_cards_of_the_archive_travel_along(tmp_path, rng):
    path = tmp_path / f"{ROOT}_uncal.fits"
    title = Card("TITLE", "A field of galaxies", "Proposal title")
    section = Card("", "Program information", "")
    long = Card("S_NOTE", "word " * 40 + "end", "")
    header = make_header(primary=(section, title, long))
    write_level1b(path, dataclasses.replace(make_ramp(rng), header=header))
    primary = read_header(path).primary
    assert {section, title, long} <= set(primary)


def test_calibrated_samples_are_no_raw_exposure(tmp_path, rng):
    ramp = make_ramp(rng)
    ramp = dataclasses.replace(ramp, samples=ramp.samples.astype(np.float32))
    with pytest.raises(ValueError, match="uint16"):
        write_level1b(tmp_path / "x_uncal.fits", ramp)


@pytest.mark.parametrize(
    ("outputs", "n_rows", "n_cols", "frame_s", "expected"),
    [
        (None, 2048, 2048, 10.73677, 4),
        (None, 2048, 2048, 42.23, 1),
        (None, 256, 2048, 1.34669, 4),
        (None, 256, 2048, 5.31480, 1),
        (None, 320, 320, 1.06904, 1),
        (1, 2048, 2048, 10.73677, 1),
        (4, 64, 2048, 0.34061, 4),
    ],
)
def test_outputs_follow_the_keyword_or_the_frame_time(
    outputs, n_rows, n_cols, frame_s, expected
):
    from rampline.files.headers import _outputs

    cards = fits.Header()
    if outputs is not None:
        cards["NOUTPUTS"] = outputs
    assert _outputs(cards, frame_s, n_rows, n_cols) == expected


@pytest.mark.parametrize(
    "keyword",
    REQUIRED,
)
def test_a_keyword_missing_from_the_primary_header_is_named(raw, keyword):
    edit(raw, remove=[keyword])
    assert message(raw).startswith(f"{keyword} is missing from the primary header; ")
    assert message(raw, read_header) == message(raw)


@pytest.mark.parametrize(
    "keyword",
    [
        "RA_REF",
        "DEC_REF",
        "ROLL_REF",
        "V2_REF",
        "V3_REF",
        "V3I_YANG",
        "VPARITY",
        "VA_SCALE",
    ],
)
def test_a_keyword_missing_from_the_sci_header_is_named(raw, keyword):
    edit(raw, "SCI", remove=[keyword])
    assert message(raw).startswith(f"{keyword} is missing from the SCI header; ")


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"NGROUPS": 12}, "the header says NGROUPS 12, the data have 3"),
        ({"INTEND": 2, "NINTS": 2}, "number of integrations 2, the data have 1"),
        (
            {"NFRAMES": 4},
            "NFRAMES 4 and GROUPGAP 2 contradict READPATT MEDIUM8 (8 and 2)",
        ),
        ({"GROUPGAP": 0}, "NFRAMES 8 and GROUPGAP 0 contradict READPATT MEDIUM8"),
        ({"READPATT": "MEDIUM9"}, "READPATT is 'MEDIUM9', which NIRCam does not have"),
        ({"TGROUP": 107.0}, "TGROUP 107.0 s contradicts TFRAME 1.06904 s"),
        ({"SUBSIZE1": 21}, "SUBSIZE2, SUBSIZE1 (12, 21) contradict the data (12, 20)"),
        ({"CHANNEL": "LONG"}, "CHANNEL LONG contradicts DETECTOR NRCB1"),
        ({"DETECTOR": "NRCB5"}, "DETECTOR is 'NRCB5', which NIRCam does not have"),
        ({"NGROUPS": 0}, "NGROUPS is 0, not a whole number from 1"),
        ({"TFRAME": "fast"}, "TFRAME is 'fast', not a number"),
        ({"EXPSTART": 0.0}, "EXPSTART is 0.0, not a number from 50000"),
        ({"INTSTART": 2, "NINTS": 2}, "INTEND 1 lies before INTSTART 2"),
    ],
)
def test_contradictions_are_named(raw, cards, expected):
    edit(raw, **cards)
    assert expected in message(raw)


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"RA_REF": "NaN"}, "RA_REF is 'NaN', not a number from 0 to 360"),
        ({"RA_REF": 999.0}, "RA_REF is 999.0, not a number from 0 to 360"),
        ({"DEC_REF": -95.0}, "DEC_REF is -95.0, not a number from -90 to 90"),
        ({"V2_REF": 1e9}, "V2_REF is 1000000000.0, not a number"),
        ({"VA_SCALE": 0.0}, "VA_SCALE is 0.0, not a number from 0.999 to 1.001"),
        ({"VPARITY": 0}, "VPARITY is 0, not 1 or -1"),
        ({"ROLL_REF": None}, "ROLL_REF is missing from the SCI header"),
    ],
)
def test_an_absurd_pointing_is_named(raw, cards, expected):
    edit(raw, "SCI", **cards)
    assert expected in message(raw)


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"TELESCOP": "HST"}, "no JWST file (TELESCOP is 'HST')"),
        ({"INSTRUME": "MIRI"}, "data of MIRI, not NIRCAM; use jwst"),
        ({"INSTRUME": "FGS", "EXP_TYPE": "FGS_ACQ1"}, "a guide-star file of FGS"),
        ({"EXP_TYPE": "NRC_GRISM"}, "a spectroscopic exposure (NRC_GRISM); use jwst"),
        ({"EXP_TYPE": "NRC_TSGRISM"}, "(NRC_TSGRISM); use jwst (calwebb_tso3)"),
        ({"EXP_TYPE": "NRC_DARK"}, "a calibration exposure (NRC_DARK)"),
        ({"EXP_TYPE": "NRC_PARTY"}, "EXP_TYPE is 'NRC_PARTY'"),
        ({"DATAMODL": "MultiSpecModel"}, "a spectral product (uncal); open it with"),
        ({"DATAMODL": "SlitModel"}, "a spectral product"),
        ({"NDRIZ": 4}, "a mosaic, not an exposure"),
    ],
)
def test_files_of_another_kind_are_refused_by_name(raw, cards, expected):
    edit(raw, **cards)
    assert expected in message(raw)
    assert expected in message(raw, read_header)


@pytest.mark.parametrize("suffix", ["s2d", "x1d", "c1d"])
def test_spectral_products_are_known_by_their_names(raw, suffix):
    path = raw.rename(raw.with_name(f"{ROOT}_{suffix}.fits"))
    assert message(path) == (
        f"a spectral product ({suffix}); open it with Specviz (jdaviz)"
    )


@pytest.mark.parametrize(
    "exp_type",
    [
        "NRC_IMAGE",
        "NRC_TSIMAGE",
        "NRC_CORON",
        "NRC_WFSS",
        "NRC_TACQ",
        "NRC_TACONFIRM",
        "NRC_FOCUS",
    ],
)
def test_all_imaging_types_are_read(raw, exp_type):
    edit(raw, EXP_TYPE=exp_type)
    assert read_ramp(raw).header.exp_type == exp_type


@pytest.mark.parametrize("fraction", [0.002, 0.61, 0.995])
def test_a_truncated_file_is_known(raw, fraction):
    data = raw.read_bytes()
    raw.write_bytes(data[: int(fraction * len(data))])
    assert "truncated" in message(raw)
    assert message(raw).endswith("fetch it again")
    assert "truncated" in message(raw, read_header)


def test_lost_padding_is_truncation_for_later_extensions_may_be_lost_too(raw):
    raw.write_bytes(raw.read_bytes().rstrip(b"\0"))
    assert "truncated" in message(raw)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "an empty file; fetch it again"),
        (b"hello, world" * 300, "not a FITS file"),
        (b"\x1f\x8b" + b"\0" * 3000, "compressed by gzip; run gunzip on it"),
        (b"SIMPLE  =                    T" + b" " * 2850, "truncated within a header"),
    ],
)
def test_other_contents_are_named(tmp_path, content, expected):
    path = tmp_path / f"{ROOT}_uncal.fits"
    path.write_bytes(content)
    assert expected in message(path)


def test_a_missing_file_is_one_line(tmp_path):
    assert "cannot be read (No such file" in message(tmp_path / "absent_uncal.fits")


def test_garbage_between_extensions_is_corruption(raw):
    data = bytearray(raw.read_bytes())
    start = data.index(b"XTENSION", data.index(b"XTENSION") + 1)
    data[start : start + 8] = b"????????"
    raw.write_bytes(data)
    assert "corrupt" in message(raw)


def test_a_broken_axis_card_is_corruption(raw):
    data = raw.read_bytes()
    raw.write_bytes(
        data.replace(b"NAXIS1  =                   20", b"NAXIS1  = 'abc'  ".ljust(30))
    )
    assert "corrupt FITS header" in message(raw)


@pytest.mark.parametrize(
    ("card", "broken"),
    [
        (b"NAXIS1  =                   20", b"NAXIS1  =                  -20"),
        (b"BITPIX  =                   16", b"BITPIX  =                   17"),
        (b"PCOUNT  =                    0", b"PCOUNT  =                    ?"),
    ],
)
def test_broken_structure_is_corruption(raw, card, broken):
    raw.write_bytes(raw.read_bytes().replace(card, broken))
    assert "corrupt FITS header" in message(raw) or "none that FITS knows" in message(
        raw
    )


def test_a_bare_nan_is_no_fits_value(raw):
    data = raw.read_bytes()
    start = data.index(b"RA_REF  =") + 10
    raw.write_bytes(data[:start] + b"NaN".rjust(20) + data[start + 20 :])
    assert message(raw) == "the value of RA_REF is none that FITS knows"


def test_a_lost_end_of_a_header_is_corruption(raw):
    data = raw.read_bytes()
    raw.write_bytes(data.replace(b"END".ljust(80), b" " * 80))
    assert "corrupt: no header where one should be" in message(raw)


def test_data_without_groups_are_named(raw):
    blank = np.zeros((1, 0, ROWS, COLS), np.uint16)
    with fits.open(raw) as file:
        science = fits.ImageHDU(blank, file["SCI"].header, name="SCI", uint=True)
        fits.HDUList([file[0], science]).writeto(raw, overwrite=True)
    assert message(raw) == "no groups in the data; fetch it again"


def test_a_file_that_grows_too_large_leaves_nothing_behind(tmp_path, rng):
    path = tmp_path / f"{ROOT}_uncal.fits"
    path.write_text("the former file")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(RamplineError, match="cannot be written \\(File too large"):
            write_level1b(path, make_ramp(rng))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "the former file"


def test_a_misnamed_sci_extension_is_named(raw):
    edit(raw, "SCI", EXTNAME="SCIENCE")
    assert message(raw).startswith("no SCI extension; ")


def test_a_raw_exposure_is_neither_slopes_nor_sky(raw, rng):
    assert "no slope image (SCI has 4 axes, in DN)" in message(raw, read_slope)
    sky = partial(read_sky, geometry=make_geometry(rng))
    assert "no sky image (SCI has 4 axes, in DN)" in message(raw, sky)


def test_an_unwritable_folder_is_one_line(tmp_path, rng):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(RamplineError, match="cannot be written") as caught:
        write_level1b(blocked / f"{ROOT}_uncal.fits", make_ramp(rng))
    assert "\n" not in str(caught.value)


DETECTORS = {
    **{f"NRC{module}{k}": (module, "SHORT") for module in "AB" for k in range(1, 5)},
    "NRCALONG": ("A", "LONG"),
    "NRCBLONG": ("B", "LONG"),
}


@pytest.mark.parametrize("detector", DETECTORS)
def test_exposures_of_all_ten_detectors_are_read(detector, tmp_path, rng):
    module, channel = DETECTORS[detector]
    root = ROOT.replace("nrcb1", detector.lower())
    header = make_header(detector=detector, module=module, channel=channel, root=root)
    path = tmp_path / f"{root}_uncal.fits"
    write_level1b(path, dataclasses.replace(make_ramp(rng), header=header))
    back = read_ramp(path).header
    assert (back.detector, back.module, back.channel) == (detector, module, channel)
    assert back.root == root


@pytest.mark.parametrize(
    ("filter_name", "pupil"),
    [
        ("F200W", "CLEAR"),
        ("F150W2", "F162M"),
        ("F150W2", "F164N"),
        ("F322W2", "F323N"),
        ("F444W", "F405N"),
        ("F444W", "F466N"),
        ("F444W", "F470N"),
        ("WLP4", "CLEAR"),
        ("F070W", "WLM8"),
    ],
)
def test_filters_of_both_wheels_are_read(filter_name, pupil, tmp_path, rng):
    header = make_header(filter=filter_name, pupil=pupil)
    path = tmp_path / f"{ROOT}_uncal.fits"
    write_level1b(path, dataclasses.replace(make_ramp(rng), header=header))
    back = read_ramp(path).header
    assert (back.filter, back.pupil) == (filter_name, pupil)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_readout_pattern_is_read(pattern, raw):
    n_frames, n_dropped = PATTERNS[pattern]
    group_s = (n_frames + n_dropped) * 1.06904
    edit(raw, READPATT=pattern, NFRAMES=n_frames, GROUPGAP=n_dropped, TGROUP=group_s)
    readout = read_ramp(raw).header.readout
    assert (readout.n_frames, readout.n_dropped) == (n_frames, n_dropped)
    assert readout.group_s == pytest.approx(group_s)
    edit(raw, GROUPGAP=n_dropped + 1)
    assert "contradict READPATT" in message(raw)


def test_floating_point_samples_are_no_raw_exposure(raw):
    with fits.open(raw) as file:
        blank = np.full(file["SCI"].data.shape, np.nan, np.float32)
        science = fits.ImageHDU(blank, name="SCI")
        kept = [c for c in file["SCI"].header.cards if c.keyword not in STRUCTURAL]
        science.header.extend(kept)
        fits.HDUList([file[0], science]).writeto(raw, overwrite=True)
    assert "SCI holds 32 bit floating point numbers on 4 axes" in message(raw)
