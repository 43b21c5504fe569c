import sys
import threading
from dataclasses import dataclass, field

import pytest

from rampline.params import StepParams
from rampline.pipeline.runner import Banded, Bench, Runner


class AddParams(StepParams):
    amount: int = 1


@dataclass
class Ledger:
    rows: list = field(default_factory=list)


def add(item, planes, params):
    return item + planes * params.amount


def note(item, _planes, _params):
    return Banded(item, lambda rows: item.rows.append((rows.start, rows.stop)))


def double(item, _planes, _params):
    def work(rows):
        item.rows.append(2 * rows.start)

    return Banded(item, work)


def fail(item, _planes, _params):
    def work(rows):
        raise ValueError(f"row {rows.start}")

    return Banded(item, work)


def test_steps_leave_a_trail_and_those_left_out_none():
    run = Runner(10, Bench())
    total = run(add, 1, AddParams())
    total = run.maybe(add, total, AddParams(enabled=False))
    total = run.maybe(add, total, AddParams(amount=2))
    assert total == 31
    assert [step.step for step in run.trail] == ["add", "add"]
    assert [step.params.amount for step in run.trail] == [1, 2]


@pytest.mark.parametrize("threads", [1, 2])
def test_bands_cover_every_row_once(threads):
    with Bench(threads, band_rows=3) as bench:
        run = Runner(None, bench)
        with run.bands(7) as band:
            ledger = band(note, Ledger(), AddParams())
            assert not ledger.rows
    assert sorted(ledger.rows) == [(0, 3), (3, 6), (6, 7)]


def test_a_band_runs_through_all_steps_before_the_next_begins():
    run = Runner(None, Bench(band_rows=2))
    with run.bands(4) as band:
        ledger = band(note, Ledger(), AddParams())
        ledger = band.maybe(double, ledger, AddParams())
        ledger = band.maybe(double, ledger, AddParams(enabled=False))
    assert ledger.rows == [(0, 2), 0, (2, 4), 4]
    assert [step.step for step in run.trail] == ["note", "double"]


def test_bands_are_the_same_for_any_number_of_threads():
    for n_rows, height in ((2048, 256), (640, 80), (64, 32), (8192, 256)):
        for threads in (1, 2, 5):
            found = []
            with Bench(threads) as bench:
                bench.over_rows(n_rows, found.append)
            assert sorted(found, key=lambda rows: rows.start) == [
                slice(start, start + height) for start in range(0, n_rows, height)
            ]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_a_band_is_raised(threads):
    with Bench(threads, band_rows=2) as bench:
        run = Runner(None, bench)
        with pytest.raises(ValueError, match="row 0"), run.bands(4) as band:
            band(fail, Ledger(), AddParams())
    assert not run.trail


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_let_later_steps_find_their_modules(threads, monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    before = set(threading.enumerate())
    with Bench(threads) as bench:
        bench.import_ahead("colorsys")
        for thread in set(threading.enumerate()) - before:
            thread.join()
        assert ("colorsys" in sys.modules) == (threads > 1)
