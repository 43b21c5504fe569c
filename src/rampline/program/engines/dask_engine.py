"""Tasks on a cluster: a dask scheduler that runs already, or jobs of a batch system.

The workers see the same files under the same names and have rampline installed. What is
light, or alone in its stage, stays in the process of the command.
"""

import logging
import os
import signal
import tomllib
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ... import __version__
from ...errors import InputError, ParameterError
from .engine import Outcome, Task, execute

Value = TypeVar("Value")
Client: TypeAlias = Any
"""A ``distributed.Client``; its package is imported only where a cluster is asked for."""
PATIENCE_S = 30
"""For an answer of the scheduler."""


class BatchJobs(BaseModel):
    """A file for ``--cluster``: which jobs of a batch system are the workers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    """Class of ``dask_jobqueue`` without its ending: ``SLURM``, ``PBS``, ``SGE``, ``LSF``."""
    jobs: Annotated[int, Field(ge=1)]
    """How many to submit."""
    options: dict[str, Any] = {}
    """As that class takes them: ``queue``, ``cores``, ``memory``, ``walltime``."""


class DaskEngine:
    """Runs tasks on a dask cluster.

    Parameters
    ----------
    client : distributed.Client
        Closed with the engine, and with it the cluster that was started for it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, tasks: Sequence[Task[Value]]) -> Iterator[Outcome[Value]]:
        """Run independent tasks and yield each as it ends."""
        from distributed import KilledWorker, as_completed

        waiting = {self._submit(task): task for task in tasks}
        lost = []
        for future in as_completed(list(waiting)):  # type: ignore[no-untyped-call]
            try:
                yield future.result()
            except KilledWorker:
                lost.append(waiting[future])
        # dask blames all tasks that a worker held when it died; only the culprit fails
        for task in lost:
            try:
                yield self._submit(task).result()
            except KilledWorker:
                line = (
                    f"{task.name}: its worker died (out of memory?); give workers more"
                )
                yield Outcome(task, None, line, 0.0)

    def _submit(self, task: Task[Value]) -> Any:
        # each as often as it is asked for: a task writes files, which dask knows nothing of
        return self._client.submit(execute, task, pure=False)

    def close(self) -> None:
        """Stop the jobs that were started; a cluster that stood before goes on standing."""
        cluster = self._client.cluster
        self._client.close()
        if cluster is not None:
            cluster.close()


def open_cluster(place: str | Path, log_level: str) -> DaskEngine:
    """Join a cluster, or submit the jobs that become one.

    Parameters
    ----------
    place : str or Path
        Address of a scheduler, such as ``tcp://10.0.0.1:8786``; or a TOML file as
        `BatchJobs`.
    log_level : str
        Of the tasks' log files, ``INFO`` for example.

    Raises
    ------
    ParameterError
        If dask is not installed, nobody answers at the address, or a worker has another
        rampline or none, or other disks.
    InputError
        If the file of the jobs is not what it should be.
    """
    try:
        from distributed import Client, WorkerPlugin
    except ImportError as error:
        message = "--engine dask: not installed; pip install 'rampline[cluster]'"
        raise ParameterError(message) from error

    class SameProgram(WorkerPlugin):
        """Checks each worker, those that come later too, and sets folder and level there."""

        def setup(self, worker: object) -> None:  # noqa: ARG002 - as dask calls it
            there = version("rampline")
            if there != __version__:
                message = f"a worker has rampline {there}, this is {__version__}"
                raise ParameterError(message)
            # the user's paths may be relative
            os.chdir(folder)
            logging.getLogger("rampline").setLevel(log_level)

    folder = Path.cwd()
    try:
        toward = _submit(place) if isinstance(place, Path) else place
        client = Client(toward, timeout=PATIENCE_S)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        message = f"--scheduler {place}: no answer ({error})"
        raise ParameterError(message) from error
    try:
        client.register_plugin(SameProgram(), name="rampline")
    except PackageNotFoundError as error:
        raise ParameterError("--engine dask: a worker has no rampline") from error
    except FileNotFoundError as error:
        message = f"--engine dask: a worker does not see the folder {folder}"
        raise ParameterError(message) from error
    return DaskEngine(client)


def read_jobs(path: Path) -> BatchJobs:
    """Read a file for ``--cluster``.

    Raises
    ------
    InputError
        If it is no TOML, or not a `BatchJobs`.
    """
    try:
        return BatchJobs.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"no TOML file ({error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(str(path), what) from error


def _submit(path: Path) -> Any:
    """Submit the jobs of a file; return their cluster."""
    # the import makes Ctrl-C exit silently, with status 0
    before = signal.getsignal(signal.SIGINT)
    import dask_jobqueue

    signal.signal(signal.SIGINT, before)
    jobs = read_jobs(path)
    made = getattr(dask_jobqueue, f"{jobs.system}Cluster", None)
    if made is None:
        raise InputError(str(path), f"system: dask_jobqueue knows no {jobs.system}")
    try:
        cluster = made(**jobs.options)
    except (TypeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise InputError(str(path), f"options: {said}") from error
    cluster.scale(jobs=jobs.jobs)
    return cluster
