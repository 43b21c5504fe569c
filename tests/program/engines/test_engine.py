import fcntl
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from rampline.errors import InputError
from rampline.numerics.compile_turn import turn
from rampline.program.engines.engine import ProcessEngine, Task, execute, make_engine


def _work(request):
    if request == "refused":
        raise InputError("a.fits", "not FITS", "give another")
    if request == "broken":
        return 1 // 0
    if request == "killed":
        os.kill(os.getpid(), 9)
    logging.getLogger("rampline").warning("worked on %s", request)
    return request * 2


def _compile(folder):
    return turn.take(str(folder)), _is_free(folder)


def _is_free(folder):
    (lock,) = folder.iterdir()
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _tasks(tmp_path, requests):
    return [Task(f"task {r}", _work, r, tmp_path / f"{r}.log") for r in requests]


@pytest.fixture(params=["serial", "threads", "processes"])
def engine(request):
    made = make_engine(request.param, 2)
    yield made
    made.close()


def test_a_failed_task_is_one_line_and_the_others_go_on(engine, tmp_path):
    tasks = _tasks(tmp_path, [1, "refused", "broken", 2])
    outcomes = {o.task.request: o for o in engine.run(tasks)}
    assert [outcomes[k].value for k in (1, 2)] == [2, 4]
    assert outcomes["refused"].error == "a.fits: not FITS; give another"
    assert "ZeroDivisionError" in outcomes["broken"].error
    assert "\n" not in outcomes["broken"].error
    assert "Traceback" in (tmp_path / "broken.log").read_text()


def test_who_compiles_holds_other_processes_up_until_its_task_ends(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    outcome = execute(Task("compiles", _compile, folder, tmp_path / "a.log"))
    assert outcome.value == (True, False)
    assert _is_free(folder)


@pytest.mark.parametrize("kind", ["serial", "threads"])
def test_each_task_has_its_own_log(kind, tmp_path):
    engine = make_engine(kind, 1 if kind == "serial" else 2)
    list(engine.run(_tasks(tmp_path, range(20))))
    engine.close()
    for k in range(20):
        lines = (tmp_path / f"{k}.log").read_text().splitlines()
        (line,) = [line for line in lines if "worked on" in line]
        assert line.endswith(f"worked on {k}")


@pytest.mark.parametrize(("note", "words"), [("", "done ("), ("7 stars", "7 stars (")])
def test_the_log_ends_with_what_came_of_the_task(note, words, tmp_path, caplog):
    caplog.set_level(logging.INFO, "rampline")
    task = Task("one", _noted, note, tmp_path / "one.log")
    (outcome,) = make_engine("serial", 1).run([task])
    assert outcome.value.note == note
    assert words in (tmp_path / "one.log").read_text().splitlines()[-1]


def _noted(note):
    return SimpleNamespace(note=note)


def _where(_request):
    return os.getpid(), threading.current_thread() is threading.main_thread()


def _interrupted(_request):
    raise KeyboardInterrupt


def test_threads_share_the_process_and_a_single_task_its_first_thread(tmp_path):
    engine = make_engine("threads", 2)
    alone = Task("alone", _where, None, tmp_path / "log")
    others = [Task(f"{k}", _where, None, tmp_path / f"{k}.log") for k in range(3)]
    assert [o.value for o in engine.run([alone])] == [(os.getpid(), True)]
    assert {o.value for o in engine.run(others)} == {(os.getpid(), False)}
    stopped = Task("stopped", _interrupted, None, tmp_path / "log")
    with pytest.raises(KeyboardInterrupt):
        list(engine.run([stopped]))
    engine.close()


def test_no_process_is_started_for_nothing():
    engine = ProcessEngine(2)
    engine.close()
    assert multiprocessing.active_children() == []


def test_a_killed_process_fails_its_own_task_only(tmp_path):
    engine = ProcessEngine(2)
    outcomes = {
        o.task.request: o for o in engine.run(_tasks(tmp_path, [1, "killed", 2]))
    }
    engine.close()
    assert "its process died" in outcomes["killed"].error
    assert [outcomes[k].value for k in (1, 2)] == [2, 4]


@pytest.mark.parametrize("dies", [False, True])
def test_processes_can_be_started_before_there_are_tasks(tmp_path, dies):
    engine = ProcessEngine(1)
    engine.prepare()
    (process,) = engine._pool._processes.values()
    if dies:
        process.kill()
        process.join()
    (outcome,) = engine.run(_tasks(tmp_path, [3]))
    assert outcome.value == 6
    assert process.is_alive() != dies
    engine.close()


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_processes_start_waits_until_they_have(
    monkeypatch, tmp_path
):
    start = ProcessEngine._start

    def interrupted(engine):
        signal.raise_signal(signal.SIGINT)
        return start(engine)

    monkeypatch.setattr(ProcessEngine, "_start", interrupted)
    engine = ProcessEngine(1)
    with pytest.raises(KeyboardInterrupt):
        list(engine.run(_tasks(tmp_path, [1])))
    (worker,) = engine._pool._processes.values()
    assert worker.is_alive()
    os.kill(worker.pid, signal.SIGINT)
    assert [o.value for o in engine.run(_tasks(tmp_path, [2]))] == [4]
    engine.close()


def test_workers_end_with_a_parent_that_was_killed(tmp_path):
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from rampline.program.engines.engine import ProcessEngine, Task\n"
        "if __name__ == '__main__':\n"
        "    task = Task('t', os.path.realpath, '/', Path(sys.argv[1]))\n"
        "    engine = ProcessEngine(1)\n"
        "    assert [o.value for o in engine.run([task])] == ['/']\n"
        "    print(*engine._pool._processes, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(program)
    words = [sys.executable, str(script), str(tmp_path / "log")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    (worker,) = map(int, done.stdout.split())
    deadline = time.monotonic() + 20
    while _is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_alive(worker)


def _is_alive(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    # an orphan that nobody has waited for yet has ended all the same
    state = Path(f"/proc/{process_id}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_log_that_cannot_be_written_is_one_line(tmp_path):
    task = Task("t", _work, 1, tmp_path / "nowhere" / "t.log")
    assert "t.log: cannot be written (No such file" in execute(task).error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_costs_the_log_and_not_the_task(capsys):
    outcome = execute(Task("t", _work, 1, Path("/dev/full")))
    assert (outcome.value, outcome.error) == (2, "")
    assert capsys.readouterr().err == ""
