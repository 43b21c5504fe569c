import subprocess
import sys
import time

import pytest

from rampline.errors import RamplineError
from rampline.program.input.options import ReduceOptions
from rampline.program.input.parameter_tree import Parameters
from rampline.program.output.journal import EXPOSURES, Journal
from rampline.program.output.occupancy import is_occupied, occupy
from rampline.program.output.run_record import begin_record
from rampline.program.output.status import status_lines
from rampline.program.reduce import reduce_files


def test_a_folder_is_occupied_while_a_run_is_at_work(tmp_path):
    assert not is_occupied(tmp_path)
    with occupy(tmp_path):
        assert is_occupied(tmp_path)
    assert not is_occupied(tmp_path)


def test_a_second_run_into_the_same_folder_is_refused_in_one_line(field, tmp_path):
    options = ReduceOptions(references=str(field.references), engine="serial")
    with occupy(tmp_path), pytest.raises(RamplineError) as caught:
        reduce_files(field.raw, tmp_path, options, progress=False)
    assert str(caught.value).startswith(f"{tmp_path}: another run is at work here")


def test_the_lock_goes_with_a_killed_process_and_its_half_files_with_the_next_run(
    tmp_path,
):
    hold = (
        "import sys, time; from pathlib import Path\n"
        "from rampline.files.whole_file import whole_file\n"
        "from rampline.program.output.occupancy import occupy\n"
        "out = Path(sys.argv[1])\n"
        "with occupy(out), whole_file(out / 'exposures' / 'a_cal.fits') as beside:\n"
        "    beside.write_text('half'); print('held', flush=True); time.sleep(60)\n"
    )
    folder = tmp_path / "exposures"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    assert is_occupied(tmp_path)
    process.kill()
    process.communicate()
    assert not is_occupied(tmp_path)
    (half,) = folder.iterdir()
    assert half.name.endswith(".part")
    with occupy(tmp_path):
        assert list(folder.iterdir()) == []


def test_status_tells_running_waiting_and_killed_tasks_apart(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "exposures").mkdir()
    root = "jw02736001001_02103_0000{}_nrcb1"
    begin_record([tmp_path], tmp_path, ReduceOptions(), Parameters())
    with Journal(tmp_path) as journal:
        (tmp_path / "logs" / f"{root.format(2)}.log").write_text("of the run before")
        time.sleep(0.3)
        journal.note_all(
            [(root.format(k), EXPOSURES, "waiting", 0.0, "") for k in (1, 2)]
        )
        (tmp_path / "logs" / f"{root.format(1)}.log").write_text("begun")
    with occupy(tmp_path):
        said = "\n".join(status_lines(tmp_path))
    assert ": running; begun" in said
    assert "tasks: 1 waiting, 1 running" in said
    assert f"{root.format(1)}  -  running" in said
    assert "to go on" not in said
    said = "\n".join(status_lines(tmp_path))
    assert ": stopped; begun" in said
    assert "tasks: 2 stopped" in said
    assert "to go on: rampline reduce" in said
