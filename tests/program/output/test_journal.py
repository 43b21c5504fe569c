import sqlite3

import pytest

from rampline.errors import DiskFullError, RamplineError
from rampline.program.output.journal import (
    Journal,
    count_states,
    group_failures,
    read_journal,
)
from rampline.program.output.status import status_lines


def test_the_journal_keeps_the_order_and_the_last_state(tmp_path):
    with Journal(tmp_path) as journal:
        journal.note_all([(name, "exposures", "waiting", 0, "") for name in "ab"])
        journal.note("b", "exposures", "failed", 1.5, "no flat")
        journal.note("a", "exposures", "done", 2.0)
    entries = read_journal(tmp_path)
    assert [(e.task, e.state) for e in entries] == [("a", "done"), ("b", "failed")]
    assert count_states(entries) == {"done": 1, "failed": 1}
    said = list(status_lines(tmp_path))
    assert said[0].endswith("tasks: 1 done, 1 failed")
    assert "failed: no flat" in said


def test_a_stopped_run_leaves_its_tasks_as_stopped(tmp_path):
    with pytest.raises(KeyboardInterrupt), Journal(tmp_path) as journal:
        journal.note("a", "exposures", "running")
        raise KeyboardInterrupt
    assert [entry.state for entry in read_journal(tmp_path)] == ["stopped"]


def test_the_tasks_of_an_older_journal_have_no_stage(tmp_path):
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        db.execute(
            "CREATE TABLE tasks (task TEXT PRIMARY KEY, state TEXT, seconds REAL, "
            "message TEXT, changed_unix_s REAL)"
        )
        db.execute("INSERT INTO tasks VALUES ('a', 'done', 1.0, '', 0.0)")
    db.close()
    assert read_journal(tmp_path) == [("a", "", "done", 1.0, "", 0.0)]
    with Journal(tmp_path) as journal:
        journal.note("b", "mosaics", "done")
    assert [entry.stage for entry in read_journal(tmp_path)] == ["", "mosaics"]


def test_a_folder_without_a_run_is_said_so(tmp_path):
    with pytest.raises(RamplineError, match="no rampline run"):
        read_journal(tmp_path)


def test_a_damaged_journal_is_one_line(tmp_path):
    (tmp_path / "journal.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(RamplineError, match="cannot be used"):
        read_journal(tmp_path)


def test_a_journal_that_cannot_be_written_any_more_is_one_line(tmp_path):
    journal = Journal(tmp_path)
    journal.note("a", "exposures", "waiting")
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count={pages}")
    words = "journal.sqlite: cannot be written \\(database or disk is full\\)"
    rows = [
        (f"task {k}", "exposures", "waiting", 0.0, "words " * 20) for k in range(200)
    ]
    with pytest.raises(DiskFullError, match=words), journal:
        journal.note_all(rows)
    assert [entry.task for entry in read_journal(tmp_path)] == ["a"]


def test_the_error_that_stops_a_run_is_told_though_the_journal_is_of_no_use(tmp_path):
    with pytest.raises(ZeroDivisionError), Journal(tmp_path) as journal:
        journal.note("a", "exposures", "waiting")
        journal._db.execute("DROP TABLE tasks")
        _ = 1 // 0


def test_a_reason_that_befell_many_is_told_once():
    lines = ["a: no flat: x", "b: no dark", "c: no flat: x", "d: no flat: x", "broken"]
    assert list(group_failures(lines)) == [
        "a and 2 more: no flat: x",
        "b: no dark",
        "broken",
    ]
