"""Where tasks run: in this process, its threads, or several processes of this machine.

A task is a module-level function and one small request that names files; arrays never
travel between tasks. A task that fails is reported, the others go on; who runs them may stop.

A process takes a second to start and must load the compiled kernels again. That pays for a
raw exposure, but not for a task of a few tenths of a second that spends its time in kernels,
which do not hold the interpreter's lock. Such tasks run in threads of this process.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from ...errors import RamplineError, is_disk_full, write_error
from ...numerics.compile_turn import turn
from ..imports import importing

log = logging.getLogger(__name__)

Value = TypeVar("Value")
Value_co = TypeVar("Value_co", covariant=True)

_running: ContextVar[str] = ContextVar("_running", default="")
"""Name of the task that this thread runs."""


@dataclass(frozen=True, slots=True)
class Task(Generic[Value_co]):
    """One piece of work.

    Attributes
    ----------
    name : str
        As journal and log show it; also the log file's name.
    function : callable
        Module-level, called with ``request``; what it returns is small.
    request : object
        Picklable.
    log_file : Path
    """

    name: str
    function: Callable[[Any], Value_co]
    request: Any
    log_file: Path


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Value_co]):
    """How a task ended.

    Attributes
    ----------
    task : Task
    value : object
        What the function returned; None where it failed.
    error : str
        One line, empty where the task is done.
    seconds : float
    is_disk_full : bool
        Whether it failed because a disk has no room.
    """

    task: Task[Value_co]
    value: Value_co | None
    error: str
    seconds: float
    is_disk_full: bool = False


class Engine(Protocol):
    """Something that runs tasks."""

    def run(self, tasks: Sequence[Task[Value]]) -> Iterator[Outcome[Value]]:
        """Run independent tasks and yield each as it ends."""

    def close(self) -> None:
        """Give back what the engine holds; stop what still runs."""


class SerialEngine:
    """Runs one task after another in this process."""

    def run(self, tasks: Sequence[Task[Value]]) -> Iterator[Outcome[Value]]:
        """Run independent tasks and yield each as it ends."""
        for task in tasks:
            yield execute(task)

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


class ThreadEngine:
    """Runs tasks in threads of this process.

    Parameters
    ----------
    workers : int
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers)

    def run(self, tasks: Sequence[Task[Value]]) -> Iterator[Outcome[Value]]:
        """Run independent tasks and yield each as it ends."""
        if len(tasks) == 1:
            # in the first thread, where Ctrl-C stops it
            yield execute(tasks[0])
            return
        waiting = [self._pool.submit(execute, task) for task in tasks]
        for future in as_completed(waiting):
            yield future.result()

    def close(self) -> None:
        """Give back what the engine holds; what already runs is waited for."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class ProcessEngine:
    """Runs tasks in spawned processes of this machine.

    They start with the first tasks, or earlier where that is asked for.

    Parameters
    ----------
    workers : int
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._started: ProcessPoolExecutor | None = None
        self._busy = False

    def prepare(self) -> None:
        """Start the processes before there are tasks; they import what tasks need."""
        with _interrupt_held():
            for _ in range(self.workers):
                self._pool.submit(_import_tasks)

    @property
    def _pool(self) -> ProcessPoolExecutor:
        if self._started is None:
            self._started = self._start()
        return self._started

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare_worker,
            initargs=(logging.getLogger("rampline").getEffectiveLevel(),),
        )

    def run(self, tasks: Sequence[Task[Value]]) -> Iterator[Outcome[Value]]:
        """Run independent tasks and yield each as it ends."""
        self._busy = True
        with _interrupt_held():
            waiting = self._submit(tasks)
        while waiting:
            ended, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ended:
                task = waiting.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    lost = [task, *waiting.values()]
                    waiting = {}
                    yield from self._one_by_one(lost)
                    break
        self._busy = False

    def _submit(
        self, tasks: Sequence[Task[Value]]
    ) -> dict[Future[Outcome[Value]], Task[Value]]:
        try:
            return {self._pool.submit(execute, task): task for task in tasks}
        except BrokenProcessPool:
            # a process that was prepared has died since
            self._started = None
            return {self._pool.submit(execute, task): task for task in tasks}

    def _one_by_one(self, tasks: Sequence[Task[Value]]) -> Iterator[Outcome[Value]]:
        """Run the tasks of a broken pool singly, so that only the culprit fails."""
        for task in tasks:
            self._started = None
            with _interrupt_held():
                alone = self._pool.submit(execute, task)
            try:
                yield alone.result()
            except BrokenProcessPool:
                line = f"{task.name}: its process died (out of memory?); use fewer --workers"
                yield Outcome(task, None, line, 0.0)
        self._started = None

    def close(self) -> None:
        """Give back what the engine holds; stop what still runs."""
        if self._started is None:
            return
        if self._busy:
            # the pool has no public way to stop a task that runs
            for process in list((self._started._processes or {}).values()):  # noqa: SLF001
                process.terminate()
        self._started.shutdown(wait=True, cancel_futures=True)


def make_engine(kind: str, workers: int) -> Engine:
    """Make the engine of a kind: ``serial``, ``threads`` or ``processes``.

    One worker needs no further thread or process.
    """
    if kind == "serial" or workers == 1:
        return SerialEngine()
    if kind == "threads":
        return ThreadEngine(workers)
    return ProcessEngine(workers)


class _TaskLog(logging.FileHandler):
    """The log file of a task."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - its name
        """Drop a line that a full disk does not take: writing the products will fail too."""

    def close(self) -> None:
        """Close the file; on a full disk its last lines are dropped too."""
        with suppress(OSError):
            super().close()


def execute(task: Task[Value]) -> Outcome[Value]:
    """Run one task with its own log file; an error becomes one line, never a traceback."""
    start = time.perf_counter()
    value: Value | None = None
    error, is_full = "", False
    try:
        handler = _TaskLog(task.log_file, mode="w", encoding="utf-8")
    except OSError as system:
        error, is_full = str(write_error(task.log_file, system)), is_disk_full(system)
        return Outcome(task, None, error, time.perf_counter() - start, is_full)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    )
    # only the lines of this task, and those of helper threads, which belong to no task
    handler.addFilter(lambda _: _running.get() in {"", task.name})
    token = _running.set(task.name)
    root = logging.getLogger("rampline")
    root.addHandler(handler)
    try:
        with turn.task():
            value = task.function(task.request)
        # tests and the engine itself know tasks that return anything
        words = getattr(value, "note", "") or "done"
        root.info("%s (%.1f s)", words, time.perf_counter() - start)
    except RamplineError as known:
        error, is_full = str(known), is_disk_full(known)
        root.error("%s", error)
    except MemoryError:
        error = f"{task.name}: not enough memory; use fewer --workers"
        root.error("%s", error)
    except OSError as system:
        error = f"{system.filename or task.name}: {system.strerror or system}"
        is_full = is_disk_full(system)
        root.error("%s\n%s", error, traceback.format_exc())
    except Exception as unknown:  # noqa: BLE001 - the edge of a task: reported, not hidden
        error = f"{task.name}: internal error {type(unknown).__name__}: {unknown}"
        error = " ".join(error.split()) + f"; see {task.log_file}"
        root.error("%s\n%s", error, traceback.format_exc())
    finally:
        root.removeHandler(handler)
        handler.close()
        _running.reset(token)
    return Outcome(task, value, error, time.perf_counter() - start, is_full)


@contextmanager
def _interrupt_held() -> Iterator[None]:
    """Hold Ctrl-C back while processes start, and keep it from them for good.

    Stopped halfway, this process would leave them without what they wait to read; stopped
    before `_prepare_worker`, they would die themselves: both end in a traceback. The
    processes inherit the blocked signal; the handler is for other threads of this one, to
    which the system may deliver it as well.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # the first start of this process of multiprocessing's own unblocks the signal
    resource_tracker.ensure_running()
    held = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: held.set())
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGINT, before)
    if held.is_set():
        signal.raise_signal(signal.SIGINT)


def _prepare_worker(log_level: int) -> None:
    """Leave Ctrl-C to the parent, and keep numerical libraries from starting threads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    logging.getLogger("rampline").setLevel(log_level)


def _import_tasks() -> None:
    """Import what most tasks need."""
    with importing():
        from ..tasks import make_exposure  # noqa: F401 - a second, only in new processes


def _follow_parent() -> None:
    """End this process with the one that started it, even if that was killed.

    An orphaned worker would wait for its next task for ever, with all its memory.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
