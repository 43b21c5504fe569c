import shutil

import pytest
from astropy.io import fits

from rampline.errors import InputError, RamplineError
from rampline.program.input.inputs import collect_inputs
from rampline.program.input.options import ReduceOptions
from rampline.program.output.journal import EXPOSURES, Journal
from rampline.program.output.run_record import command_line, missing_out, read_record
from rampline.program.output.status import status_lines


@pytest.fixture
def output(reduced, tmp_path):
    return shutil.copytree(reduced, tmp_path / "out")


def _said(out):
    return "\n".join(status_lines(out))


def test_a_finished_run_shows_filters_exposures_and_alignment(reduced, field):
    said = _said(reduced)
    assert ": done " in said
    assert "to go on" not in said
    assert "F200W: 4 exposures" in said
    assert "alignment: 4 OK" in said
    for path in field.raw:
        assert path.name.removesuffix("_uncal.fits") in said
    assert "pictures: " in said
    assert "logs: " in said


def test_a_stopped_run_says_how_to_go_on(output):
    root = "jw02736001001_02103_00009_nrcb1"
    with Journal(output) as journal:
        journal.note(root, EXPOSURES, "stopped")
        journal.note(f"{root}_grism", "grism exposures", "stopped")
    lines = _said(output).splitlines()
    assert any(line.split() == [root, "-", "stopped"] for line in lines)
    assert not any("grism" in line for line in lines)
    assert lines[-1] == f"to go on: {read_record(output).command}"


def test_a_failure_is_shown_with_its_line(output):
    with Journal(output) as journal:
        line = "/raw/a_uncal.fits: truncated"
        journal.note("/raw/a_uncal.fits", "inputs", "failed", 0.0, line)
    assert "failed: /raw/a_uncal.fits: truncated" in _said(output)


def test_what_was_made_of_an_older_file_is_outdated(output):
    rate = min((output / "exposures").glob("*_rate.fits"))
    fits.setval(rate, "CONTHASH", value="0" * 64)
    said = _said(output)
    assert f"cal outdated ({rate.name} was made anew since)" in said
    assert said.count("outdated") == 1


def test_a_weak_alignment_is_shown_with_its_reason(output):
    table = output / "mosaics" / "alignment.ecsv"
    text = table.read_text().replace('OK ""', 'WEAK "few stars"', 1)
    table.write_text(text)
    assert "alignment WEAK (few stars)" in _said(output)


def test_a_folder_without_a_run_is_one_line(tmp_path):
    with pytest.raises(RamplineError, match="no rampline run has written here"):
        _said(tmp_path)


def test_an_output_folder_given_for_an_input_says_how_to_go_on(reduced):
    command = read_record(reduced).command
    with pytest.raises(InputError) as caught:
        collect_inputs([reduced], (), mixed=False)
    assert command in str(caught.value)
    assert command in str(missing_out([reduced]))


def test_the_command_line_asks_for_the_same(tmp_path):
    options = ReduceOptions(
        until="cal", keep=(), settings=("a.b=1",), max_memory_bytes=2_000_000_000
    )
    assert command_line([tmp_path / "a b"], tmp_path, options) == (
        f"rampline reduce '{tmp_path}/a b' --out {tmp_path} --set a.b=1 --until cal "
        "--keep none --max-memory 2GB"
    )
