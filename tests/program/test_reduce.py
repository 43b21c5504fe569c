import gc
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from astropy.io import fits

from rampline.errors import RamplineError
from rampline.program.imports import importing
from rampline.program.input.options import ReduceOptions
from rampline.program.output.journal import read_journal
from rampline.program.output.status import status_lines
from rampline.program.reduce import reduce_files


def _options(field, **others):
    given = {"references": str(field.references), "until": "cal", "engine": "serial"}
    return ReduceOptions(**(given | others))


def _states(out):
    return {entry.task: entry.state for entry in read_journal(out)}


def _reduce(given, out, options):
    return reduce_files(given, out, options, progress=False)


def test_a_second_run_makes_nothing_anew_and_a_parameter_redoes_what_depends_on_it(
    field, raw, tmp_path, capsys
):
    out = tmp_path / "out"
    assert _reduce([raw], out, _options(field)) == 0
    rates = sorted((out / "exposures").glob("*_rate.fits"))
    before = [path.stat().st_mtime_ns for path in rates]
    assert len(rates) == 2
    assert _reduce([raw], out, _options(field)) == 0
    assert set(_states(out).values()) == {"reused"}
    later = _options(field, settings=("sky_model.order=0",))
    assert _reduce([raw], out, later) == 0
    assert set(_states(out).values()) == {"done"}
    assert [path.stat().st_mtime_ns for path in rates] == before
    assert "done in" in capsys.readouterr().out


def test_the_same_input_gives_the_same_content_in_any_number_of_processes(
    field, raw, tmp_path
):
    hashes = []
    for engine in ("serial", "processes"):
        out = tmp_path / engine
        assert _reduce([raw], out, _options(field, engine=engine, workers=2)) == 0
        products = sorted((out / "exposures").glob("*.fits"))
        hashes.append([fits.getheader(path)["CONTHASH"] for path in products])
    assert hashes[0] == hashes[1]


def test_a_calibrated_image_says_all_that_was_done_however_it_came_about(
    field, raw, tmp_path
):
    at_once, by_parts = tmp_path / "a", tmp_path / "b"
    assert _reduce([raw], at_once, _options(field)) == 0
    assert _reduce([raw], by_parts, _options(field, until="rate")) == 0
    assert _reduce([raw], by_parts, _options(field)) == 0
    for path in sorted((at_once / "exposures").glob("*_cal.fits")):
        one = fits.getheader(path)
        other = fits.getheader(by_parts / "exposures" / path.name)
        assert one["CONTHASH"] == other["CONTHASH"]
        for keyword in ("S_SUPERB", "S_RAMP", "S_FLAT", "R_DARK", "R_FLAT"):
            assert one[keyword] == other[keyword]


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])


def _empty(path):
    path.write_bytes(b"")


def _text(path):
    path.write_text("this is no image")


def _card(keyword, value):
    def spoil(path):
        with fits.open(path, mode="update") as hdus:
            hdu = hdus[0] if keyword in hdus[0].header else hdus["SCI"]
            if value is None:
                del hdu.header[keyword]
            else:
                hdu.header[keyword] = value

    return spoil


def _full(path):
    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].data[:] = 65535
        hdus["ZEROFRAME"].data[:] = 65535


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_cut, "truncated"),
        (_empty, "empty"),
        (_text, "FITS"),
        (_card("NGROUPS", 12), "NGROUPS 12"),
        (_card("TGROUP", None), "TGROUP"),
        (_card("RA_REF", None), "RA_REF"),
        (_card("DEC_REF", 123.0), "DEC_REF"),
        (_card("FILTER", "F999W"), "F999W"),
        (_full, "no pixel has a slope"),
    ],
)
def test_a_bad_file_is_one_line_and_the_other_is_reduced(
    spoil, words, field, raw, tmp_path, capsys
):
    bad = min(raw.iterdir())
    spoil(bad)
    out = tmp_path / "out"
    assert _reduce([raw], out, _options(field)) == 1
    root = bad.name.removesuffix("_uncal.fits")
    made = [path.name for path in (out / "exposures").glob("*_cal.fits")]
    assert len(made) == 1
    assert made != [f"{root}_cal.fits"]
    lines = [line for line in capsys.readouterr().out.splitlines() if words in line]
    assert lines
    assert all("Traceback" not in line for line in lines)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_card("INSTRUME", "MIRI"), "data of MIRI"),
        (_card("EXP_TYPE", "NRC_GRISM"), "a spectroscopic exposure"),
    ],
)
def test_what_lies_beside_exposures_fails_only_where_it_is_named(
    spoil, words, field, raw, tmp_path, capsys
):
    other, good = sorted(raw.iterdir())
    spoil(other)
    options = _options(field, until="rate")
    assert _reduce([raw], tmp_path / "a", options) == 0
    assert f"left out: {other.name}: {words}" in capsys.readouterr().out
    assert _reduce([other, good], tmp_path / "b", options) == 1
    assert f"failed: {other}: {words}" in capsys.readouterr().out


def test_exposures_of_another_programme_are_left_out_unless_named(
    field, raw, tmp_path, capsys
):
    extra = raw / "jw01234001001_02103_00001_nrcb1_uncal.fits"
    first = min(raw.iterdir())
    extra.write_bytes(first.read_bytes())
    _card("PROGRAM", "01234")(extra)
    assert _reduce([raw], tmp_path / "a", _options(field)) == 1
    assert "programme 01234 among exposures of 02736" in capsys.readouterr().out
    assert _reduce([raw], tmp_path / "b", _options(field, name="both")) == 0


def test_a_target_acquisition_serves_the_persistence_ledger_only(
    field, raw, tmp_path, capsys
):
    first = min(raw.iterdir())
    _card("EXP_TYPE", "NRC_TACQ")(first)
    out = tmp_path / "out"
    assert _reduce([raw], out, _options(field)) == 0
    assert len(list((out / "exposures").glob("*_cal.fits"))) == 1
    said = capsys.readouterr().out
    assert "NRC_TACQ: no image of the sky, for the persistence ledger only" in said


def test_an_output_folder_that_cannot_be_made_is_one_line(field, raw, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = _command(raw, tmp_path / "file" / "out", field)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1


def test_wrong_use_is_status_2_and_one_line(raw, tmp_path, field):
    for extra in (["--set", "saturation.grow=-1"], ["--keep", "i2d"], ["--bogus"]):
        done = _command(raw, tmp_path / "out", field, *extra)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1


def test_garbage_is_collected_again_after_imports():
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


@pytest.mark.usefixtures("interruptible")
def test_a_stopped_run_leaves_no_half_file_and_goes_on_later(field, tmp_path):
    out = tmp_path / "out"
    # without a ledger before them the exposures begin in processes that know no kernel
    cold = ("--set", "persistence.enabled=false")
    folder = field.raw[0].parent
    process = subprocess.Popen(
        _words(folder, out, field, "--engine", "processes", "--workers", "2", *cold),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    exposures = out / "exposures"
    deadline = time.monotonic() + 120
    # these exposures are too small to wait for the first: the others follow at once
    while time.monotonic() < deadline and not exposures.is_dir():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "rampline: stopped; run the same command to go on\n"
    for path in exposures.glob("*.fits"):
        with fits.open(path) as hdus:
            assert np.isfinite(hdus["SCI"].data).any()
    done = _command(folder, out, field, *cold)
    assert done.returncode == 0
    assert len(list(exposures.glob("*_cal.fits"))) == len(field.raw)


def _words(given, out, field, *extra):
    program = [sys.executable, "-m", "rampline", "reduce", str(given)]
    options = ["--out", str(out), "--references", str(field.references)]
    return [*program, *options, "--until", "cal", "--no-progress", *extra]


def _command(given, out, field, *extra):
    words = _words(given, out, field, *extra)
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_reference_files_that_all_exposures_lack_are_told_once(field, tmp_path, capsys):
    out, none = tmp_path / "out", tmp_path / "none"
    none.mkdir()
    options = _options(field, references=str(none))
    with pytest.raises(RamplineError, match="no exposure could be reduced"):
        _reduce(field.raw[:6], out, options)
    said = capsys.readouterr().out
    assert said.count("no mask, saturation") == 2
    assert "for NRCB1 F200W" in said
    assert "for NRCBLONG F444W" in said
    assert said.count("failed like ") == 2
    assert said.count("_nrcb1: 2 more") == 1
    assert "[6/6]" not in said
    assert "NRCB1: no exposure with all its reference files" in said
    failed = [line for line in status_lines(out) if line.startswith("failed")]
    assert [" and 2 more: no mask, " in line for line in failed] == [True, True]


def test_a_log_names_reference_files_and_what_was_measured(reduced, field):
    path = min((reduced / "logs").glob("*_nrcb1.log"))
    text = path.read_text()
    for kind in ("dark", "readnoise", "flat"):
        (line,) = [words for words in text.splitlines() if f" {kind}: jwst_" in words]
        assert (field.references / line.split()[-1]).is_file()
    with fits.open(reduced / "exposures" / f"{path.stem}_cal.fits") as hdus:
        header = hdus[0].header
    for keyword in ("PRIMECRS", "NOISERAT"):
        assert f"{header.comments[keyword]}: {header[keyword]:.4g} ({keyword})" in text
    assert f"level of the sky: {header['SKYLEVEL']:.4g} MJy/sr" in text
