import errno
import os

import pytest

from rampline.errors import DiskFullError, RamplineError, is_disk_full, write_error
from rampline.program import disk_room
from rampline.program.dry_run import dry_run_lines
from rampline.program.engines.engine import Task, execute
from rampline.program.input.options import ReduceOptions
from rampline.program.output.journal import read_journal
from rampline.program.reduce import reduce_files
from rampline.program.tasks import make_rate


def _full(path):
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _write(error):
    raise error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_from_other_errors(number, tmp_path):
    assert is_disk_full(OSError(number, "no room"))
    assert is_disk_full(write_error(tmp_path, OSError(number, "no room")))
    assert not is_disk_full(write_error(tmp_path, PermissionError(errno.EPERM, "no")))
    assert not is_disk_full(RamplineError("no room"))


def test_the_outcome_of_a_task_says_that_the_disk_is_full(tmp_path):
    for error in (_full("a.fits"), write_error("a.fits", _full("a.fits"))):
        outcome = execute(Task("t", _write, error, tmp_path / "t.log"))
        assert outcome.is_disk_full
        assert "No space left" in outcome.error
    other = execute(Task("t", _write, RamplineError("no"), tmp_path / "t.log"))
    assert not other.is_disk_full


def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(
    field, tmp_path, monkeypatch, capsys
):
    out, write = tmp_path / "out", make_rate.write_slope
    options = ReduceOptions(
        references=str(field.references), engine="serial", align_to="none"
    )
    given = field.raw[:3]

    def write_one(path, *others):
        if list(out.glob("exposures/*_rate.fits")):
            (path.parent / f".{path.name}.0.part").touch()
            raise write_error(path, _full(path))
        write(path, *others)

    monkeypatch.setattr(make_rate, "write_slope", write_one)
    with pytest.raises(DiskFullError) as stopped:
        reduce_files(given, out, options, progress=False)
    line = str(stopped.value)
    assert f"{out} has " in line
    assert " MB more; make room and run the same command" in line
    assert "\n" not in line
    states = [entry.state for entry in read_journal(out) if entry.stage == "exposures"]
    assert states == ["done", "stopped", "stopped"]
    assert not any((out / "mosaics").iterdir())
    assert not any(out.rglob("*.part"))
    assert "failed" not in capsys.readouterr().out

    monkeypatch.setattr(make_rate, "write_slope", write)
    until_cal = ReduceOptions(
        references=options.references, engine="serial", until="cal"
    )
    assert reduce_files(given, out, until_cal, progress=False) == 0
    states = [entry.state for entry in read_journal(out) if entry.stage == "exposures"]
    assert states == ["reused", "done", "done"]


def test_a_disk_with_less_room_than_a_run_needs_is_said_before(
    raw, tmp_path, monkeypatch
):
    options, out = ReduceOptions(), tmp_path / "not" / "yet"
    plenty = list(dry_run_lines([raw], out, options))
    assert not any(" free" in line for line in plenty)
    monkeypatch.setattr(disk_room, "_free_bytes", lambda _: 1_000_000)
    scarce = list(dry_run_lines([raw], out, options))
    assert scarce[0].startswith(f"{out} has 1 MB free and needs about ")
    assert scarce[1:] == plenty
