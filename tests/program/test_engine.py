import logging
import os

import pytest

from rampline.errors import InputError
from rampline.program.engine import ProcessEngine, SerialEngine, Task, make_engine


def _work(request):
    if request == "refused":
        raise InputError("a.fits", "not FITS", "give another")
    if request == "broken":
        return 1 // 0
    if request == "killed":
        os.kill(os.getpid(), 9)
    logging.getLogger("rampline").warning("worked on %s", request)
    return request * 2


def _tasks(tmp_path, requests):
    return [Task(f"task {r}", _work, r, tmp_path / f"{r}.log") for r in requests]


@pytest.fixture(params=["serial", "processes"])
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


def test_each_task_has_its_own_log(tmp_path):
    list(SerialEngine().run(_tasks(tmp_path, [3, 4])))
    assert "worked on 3" in (tmp_path / "3.log").read_text()
    assert "worked on 4" not in (tmp_path / "3.log").read_text()


def test_a_killed_process_fails_its_own_task_only(tmp_path):
    engine = ProcessEngine(2)
    outcomes = {
        o.task.request: o for o in engine.run(_tasks(tmp_path, [1, "killed", 2]))
    }
    engine.close()
    assert "its process died" in outcomes["killed"].error
    assert [outcomes[k].value for k in (1, 2)] == [2, 4]
