"""Run the steps of one exposure: bands of rows on threads, time and parameters on a trail.

A step of the whole frame is ``step(item, planes, params) -> result``. A pixel-local step is
of the same form but returns a `Banded`: what the exposure becomes, and the work on any band
of rows. All band steps between two barriers are swept together, band after band, so that a
band stays in cache from its first step to its last; the bands, and with them the result,
are the same for any number of threads.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from threading import Thread
from time import perf_counter
from types import TracebackType
from typing import Final, Generic, NamedTuple, Self, TypeAlias, TypeVar

from ..numerics.workspace import Workspace
from ..params import Params, StepParams

Planes = TypeVar("Planes")
A = TypeVar("A")
B = TypeVar("B")
P = TypeVar("P", bound=Params)
S = TypeVar("S", bound=StepParams)

Work: TypeAlias = Callable[[slice], None]


class StepRecord(NamedTuple):
    """What one step left on the trail; one row of the PROVENANCE table."""

    step: str
    seconds: float
    """Time in the step, summed over threads."""
    params: Params


class Banded(NamedTuple, Generic[B]):
    """A pixel-local step, ready to run on any band of rows."""

    result: B
    """What flows on; its pixels are filled when the sweep ends."""
    work: Work


_LOWEST: Final = 32
"""Rows below which a band is not worth a thread."""
_BANDS: Final = 8
"""Bands of an exposure, where they are neither too low nor too high: as some take longer
than others, a thread takes what is left."""


class Bench:
    """The threads and the buffers of this process, reused from exposure to exposure.

    ``band_rows`` is the largest height of a band: every band has a cost of its own, a tenth
    of all for a band of 64 rows.
    """

    def __init__(self, threads: int = 1, band_rows: int = 256) -> None:
        self.threads, self.band_rows = threads, band_rows
        self.workspace = Workspace()
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def import_ahead(self, *modules: str) -> None:
        """Import what later steps need while threads wait for the first kernels."""
        if self._pool is not None:
            Thread(target=_import_all, args=modules, daemon=True).start()

    def over_rows(self, n_rows: int, work: Work) -> None:
        """Call ``work`` for every band of rows; the first error is raised."""
        height = min(max(n_rows // _BANDS, _LOWEST), self.band_rows)
        bands = [
            slice(start, min(start + height, n_rows))
            for start in range(0, n_rows, height)
        ]
        self.over(bands, work)

    def over(self, pieces: Iterable[A], work: Callable[[A], None]) -> None:
        """Call ``work`` for every piece; the first error is raised."""
        mapped = map if self._pool is None else self._pool.map
        for _ in mapped(work, pieces):
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()


def _import_all(*modules: str) -> None:
    for module in modules:
        import_module(module)


@dataclass
class Sweep(Generic[Planes]):
    """Band steps collected between two barriers."""

    planes: Planes
    steps: list[tuple[str, Params, Work]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __call__(
        self, step: Callable[[A, Planes, P], Banded[B]], item: A, params: P
    ) -> B:
        """Prepare a step that must be run."""
        start = perf_counter()
        banded = step(item, self.planes, params)
        self.steps.append((step.__name__, params, banded.work))
        self.seconds.append(perf_counter() - start)
        return banded.result

    def maybe(self, step: Callable[[A, Planes, S], Banded[A]], item: A, params: S) -> A:
        """Prepare a step that may be left out, and therefore returns what it takes."""
        return self(step, item, params) if params.enabled else item

    def work(self, rows: slice) -> list[float]:
        """Run all steps on one band; return the time of each."""
        spent = []
        for _, _, work in self.steps:
            start = perf_counter()
            work(rows)
            spent.append(perf_counter() - start)
        return spent


@dataclass
class Runner(Generic[Planes]):
    """Runs the steps of one exposure with its reference planes."""

    planes: Planes
    bench: Bench
    trail: list[StepRecord] = field(default_factory=list)

    def __call__(self, step: Callable[[A, Planes, P], B], item: A, params: P) -> B:
        """Run a step that must be run: it may turn one kind of thing into another."""
        start = perf_counter()
        result = step(item, self.planes, params)
        self.trail.append(StepRecord(step.__name__, perf_counter() - start, params))
        return result

    def maybe(self, step: Callable[[A, Planes, S], A], item: A, params: S) -> A:
        """Run a step that may be left out, and therefore returns what it takes."""
        return self(step, item, params) if params.enabled else item

    @contextmanager
    def bands(self, n_rows: int) -> Iterator[Sweep[Planes]]:
        """Collect band steps and run all of them, band by band, when the block ends."""
        sweep = Sweep(self.planes)
        yield sweep
        self.trail.extend(self._swept(sweep, n_rows))

    def _swept(self, sweep: Sweep[Planes], n_rows: int) -> list[StepRecord]:
        """Run the sweep and return its records, preparation included."""
        spent = [sweep.seconds]
        self.bench.over_rows(n_rows, lambda rows: spent.append(sweep.work(rows)))
        totals = [sum(times) for times in zip(*spent, strict=True)]
        return [
            StepRecord(name, seconds, params)
            for (name, params, _), seconds in zip(sweep.steps, totals, strict=True)
        ]
