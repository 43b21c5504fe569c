"""``reduce --dry-run``: every task that a run would have, and what it would take."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from .disk_room import room_notice, size_words
from .engines.budget import plan_budget
from .estimate import TaskEstimate, estimate_ledger, estimate_tasks, total_seconds
from .field import mosaic_name
from .input.inputs import Inputs, Source, field_name
from .input.options import ReduceOptions
from .notices import notices
from .output.folders import Folders
from .run_plan import RunPlan, plan_run
from .tasks.make_cal import is_background
from .tasks.make_exposure import why_no_mosaic
from .tasks.make_ledger import ledger_requests


def dry_run_lines(
    given: Sequence[Path], out: Path, options: ReduceOptions
) -> Iterator[str]:
    """Yield what a run would do, and what it would take; nothing is written.

    Raises
    ------
    RamplineError
        As `reduce_files` would, before any work.
    """
    plan = plan_run(given, options)
    inputs = plan.inputs
    yield from (f"refused: {error}" for error in (*inputs.refused, *inputs.distant))
    yield from notices(inputs, options, plan.drawn)
    tasks = plan_tasks(plan, out, options)
    yield from room_notice(tasks, out)
    for stage, group in groupby(tasks, key=lambda task: task.stage):
        listed = list(group)
        yield f"{stage}: {len(listed)} task{'s' * (len(listed) != 1)}"
        yield from (f"  {_line(task)}" for task in listed)
    yield from _totals(inputs, tasks, out, options)


def plan_tasks(plan: RunPlan, out: Path, options: ReduceOptions) -> list[TaskEstimate]:
    """Return every task of a run, in the order of its stages."""
    parameters, inputs = plan.parameters, plan.inputs
    scale = options.pixel_scale_arcsec or parameters.sky_to_mosaic.grid.pixel_scale
    apart = {error.path for error in inputs.distant}
    field = field_name(inputs, options.name)
    names = [
        "" if str(source.path) in apart else _mosaic_of(source, field)
        for source in inputs.sources
    ]
    tasks = list(estimate_tasks(inputs.sources, names, scale, options))
    if options.rounds == 2:
        tasks += [replace(t, stage=f"second round: {t.stage}") for t in tasks]
    folder, params = Folders(out).persistence, parameters.ramp_to_slope
    ledgers = [
        estimate_ledger(request.name, [source.header for source in request.sources])
        for request in ledger_requests(
            inputs.sources, folder, options.references, params
        )
    ]
    return [*ledgers, *tasks]


def _mosaic_of(source: Source, field: str) -> str:
    header = source.header
    if why_no_mosaic(header) or is_background(header):
        return ""
    return mosaic_name(header, field)


def _line(task: TaskEstimate) -> str:
    disk = f", {size_words(task.disk_bytes)} on disk" if task.disk_bytes else ""
    return (
        f"{task.name}: {task.detail}, about {_time(task.seconds)}, "
        f"{size_words(task.memory_bytes)} of memory{disk}"
    )


def _totals(
    inputs: Inputs, tasks: Sequence[TaskEstimate], out: Path, options: ReduceOptions
) -> Iterator[str]:
    headers = [source.header for source in inputs.sources]
    budget = plan_budget(headers, options)
    filters = {(header.filter, header.pupil) for header in headers}
    at_once = {
        stage: sum(sorted(task.memory_bytes for task in group)[-budget.workers :])
        for stage, group in groupby(tasks, key=lambda task: task.stage)
    }
    peak = sum(task.disk_bytes for task in tasks)
    kept = sum(task.kept_bytes for task in tasks)
    yield (
        f"{len(headers)} exposures in {len(filters)} filters until {options.until}: "
        f"about {_time(total_seconds(tasks, budget))}, "
        f"{budget.workers} at once, {size_words(max(at_once.values(), default=0))} of memory, "
        f"{size_words(peak)} on disk in {out}, "
        f"{size_words(kept)} of it to stay"
    )
    yield (
        "estimated from sizes, good to a factor of two; what is up to date already takes "
        "no time, fetching reference files takes more"
    )


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
