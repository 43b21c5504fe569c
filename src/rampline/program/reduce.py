"""A field from files to catalogues: the stages of a run, one after the other."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from threading import Thread

from ..errors import RamplineError
from ..files.names import product_name
from .disk_room import full_disk_in_words, room_notice
from .dry_run import plan_tasks
from .engines.budget import Budget, plan_budget
from .engines.engine import Engine, make_engine
from .engines.progress import make_progress
from .field import FieldRun, combine_field
from .finished import forget_finished, is_finished, note_finished, try_run_key
from .first_round import run_first_round
from .input.inputs import Inputs, field_name
from .input.options import ReduceOptions
from .notices import notices
from .output.folders import Folders
from .output.journal import Journal, group_failures
from .output.occupancy import occupy
from .output.run_record import begin_record, end_record
from .run_plan import plan_run
from .stage import StageRunner
from .tasks.make_exposure import ExposureResult


def reduce_files(
    given: Sequence[Path],
    out: Path,
    options: ReduceOptions,
    *,
    progress: bool = True,
    log_level: str = "info",
) -> int:
    """Reduce exposures as far as the options say.

    Parameters
    ----------
    given : sequence of Path
        Files and folders.
    out : Path
        Output folder.
    options : ReduceOptions
    progress : bool
        Bars, where the output is a terminal.
    log_level : str
        Of the log files.

    Returns
    -------
    int
        0 if all is done, 1 if anything failed.

    Raises
    ------
    RamplineError
        Where nothing can be done at all.
    """
    logging.getLogger("rampline").setLevel(log_level.upper())
    begin = time.perf_counter()
    plan = plan_run(given, options)
    inputs = plan.inputs
    folders = Folders(out)
    folders.make()
    key = try_run_key(plan, options)
    if key and is_finished(folders, key):
        line = "everything is up to date; slopes and images of exposures were not kept"
        make_progress(bars=False).say(line)
        return 0
    budget = plan_budget([source.header for source in inputs.sources], options)
    run = FieldRun(
        folders=folders,
        parameters=plan.parameters,
        options=options,
        budget=budget,
        name=field_name(inputs, options.name),
        drawn=plan.drawn,
    )
    with (
        full_disk_in_words(lambda: plan_tasks(plan, out, options), out),
        occupy(out),
        closing(_engine(options, budget, log_level)) as engine,
        closing(make_engine("threads", budget.workers)) as here,
        Journal(out) as journal,
        closing(make_progress(bars=progress)) as shown,
    ):
        forget_finished(folders)
        journal.start_run()
        record = begin_record(given, out, options, plan.parameters)
        stages = StageRunner(engine, here, journal, shown, folders.logs)
        for error in (*inputs.refused, *inputs.distant):
            stages.refuse(str(getattr(error, "path", "input")), error)
        for line in notices(inputs, options, run.drawn):
            shown.say(line)
        for line in room_notice(plan_tasks(plan, out, options), out):
            shown.say(line)
        _reduce(stages, inputs, run)
        end_record(out, record)
        if key and not stages.failures:
            note_finished(folders, key)
        for line in _summary(stages, folders, options, time.perf_counter() - begin):
            shown.say(line)
    return 1 if stages.failures else 0


def _engine(options: ReduceOptions, budget: Budget, log_level: str) -> Engine:
    """Return what runs the exposures."""
    if options.cluster is None:
        return make_engine(options.engine, budget.workers)
    # a cluster's packages are imported only for it
    from .engines.dask_engine import open_cluster

    return open_cluster(options.cluster, log_level.upper())


def _reduce(stages: StageRunner, inputs: Inputs, run: FieldRun) -> None:
    """Walk the stages."""
    options, folders = run.options, run.folders
    if options.reaches("mosaic"):
        # the alignment needs it, and importing it takes half a second: done in the
        # background while exposures are reduced
        Thread(target=import_module, args=("astropy.table",), daemon=True).start()
    calibrated = run_first_round(stages, inputs, run)
    if not calibrated:
        raise RamplineError("no exposure could be reduced; see the lines above")
    surveys = [result.survey for result in calibrated if result.survey is not None]
    is_field = options.reaches("mosaic") and bool(surveys)
    second: list[ExposureResult] = []
    if is_field:
        combine_field(stages, surveys, run)
        second = _again(stages, calibrated, run) if options.rounds == 2 else []
    if options.reaches("cal") and any(r.rate is not None for r in calibrated):
        # importing it takes as long as the survey of an exposure
        from .grism import run_grisms

        last = (second, run.second()) if second else (calibrated, run)
        run_grisms(stages, calibrated, *last)
    # after a failure the intermediate products are kept for the next attempt
    if is_field and not stages.failures:
        _drop_intermediates(second, folders.second, options)
        _drop_intermediates(calibrated, folders, options)


def _again(
    stages: StageRunner, calibrated: Sequence[ExposureResult], run: FieldRun
) -> list[ExposureResult]:
    """Run the second round."""
    from .second_round import run_second_round

    return run_second_round(stages, calibrated, run)


def _drop_intermediates(
    results: Sequence[ExposureResult], folders: Folders, options: ReduceOptions
) -> None:
    """Delete products of exposures in mosaics that the user does not keep; never an input.

    Exposures outside the mosaics keep their products: they have no others.
    """
    for result in results:
        kept = {"rate": result.rate, "cal": result.cal}
        for suffix, path in kept.items():
            ours = path is not None and path.parent == folders.exposures
            if path is None or not ours or result.survey is None:
                continue
            if suffix not in options.keep:
                path.unlink(missing_ok=True)
                ints = product_name(result.root, f"{suffix}ints")
                path.with_name(ints).unlink(missing_ok=True)
        if "cal" not in options.keep and result.survey is not None:
            # it names the deleted image
            result.survey.unlink(missing_ok=True)


def _summary(
    stages: StageRunner, folders: Folders, options: ReduceOptions, seconds: float
) -> Iterator[str]:
    failed = len(stages.failures)
    yield f"done in {seconds:.0f} s" + (f", {failed} failed:" if failed else "")
    yield from (f"  {line}" for line in group_failures(stages.failures))
    final = folders.second if options.rounds == 2 else folders
    yield f"products in {final.out}, pictures in {final.pictures}"
    if options.reaches("mosaic"):
        from .output.make_report import make_report

        yield f"all at a glance: {make_report(folders.out)}"
