"""A field from files to catalogues: the stages of a run, one after the other."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from ..errors import ParameterError, RamplineError
from ..exposure.header import Header
from .budget import Budget, exposure_bytes, plan_budget, product_bytes
from .engine import Task, make_engine
from .exposure import ExposureRequest, ExposureResult, calibrate_exposure
from .field import FieldRun, combine_field
from .folders import Folders
from .inputs import Inputs, Source, collect_inputs
from .journal import Journal
from .make_cal import choose_backgrounds, is_background
from .options import ReduceOptions, Until
from .parameter_tree import Parameters
from .parameters import read_parameters
from .products import Workplace
from .progress import make_progress
from .second_round import run_second_round
from .stage import Desk


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
    parameters = read_parameters(Parameters, options.config, options.settings)
    inputs = _inputs(given, options)
    folders = Folders(out)
    folders.make()
    budget = plan_budget([source.header for source in inputs.sources], options)
    with (
        closing(make_engine(options.engine, budget.workers)) as engine,
        Journal(out) as journal,
        make_progress(bars=progress) as shown,
    ):
        journal.start_run()
        desk = Desk(engine, journal, shown, folders.logs)
        for error in inputs.refused:
            desk.refuse(str(getattr(error, "path", "input")), error)
        _reduce(desk, inputs, folders, parameters, options, budget)
        final = Folders(out / "round2") if options.rounds == 2 else folders
        for line in _summary(desk, final, time.perf_counter() - begin):
            shown.say(line)
    return 1 if desk.failures else 0


def dry_run_lines(
    given: Sequence[Path], out: Path, options: ReduceOptions
) -> Iterator[str]:
    """Yield what a run would do, and what it would take."""
    read_parameters(Parameters, options.config, options.settings)
    inputs = _inputs(given, options)
    headers = [source.header for source in inputs.sources]
    budget = plan_budget(headers, options)
    for error in inputs.refused:
        yield f"refused: {error}"
    for source in inputs.sources:
        size = exposure_bytes(source.header) / 1e9
        yield f"{source.header.root}: from _{source.suffix}, {size:.1f} GB"
    filters = {(h.filter, h.pupil) for h in headers}
    disk = sum(product_bytes(header) for header in headers) / 1e9
    yield (
        f"{len(headers)} exposures in {len(filters)} filters until {options.until}: "
        f"{budget.workers} at once, {budget.workers * budget.bytes_each / 1e9:.1f} GB of "
        f"memory, {disk:.1f} GB of products in {out}"
    )


def _inputs(given: Sequence[Path], options: ReduceOptions) -> Inputs:
    if not given:
        raise ParameterError("no files or folders given; see rampline reduce --help")
    return collect_inputs(given, options.exclude, mixed=bool(options.name))


def _reduce(
    desk: Desk,
    inputs: Inputs,
    folders: Folders,
    parameters: Parameters,
    options: ReduceOptions,
    budget: Budget,
) -> None:
    """Walk the stages."""
    calibrated = _calibrate(desk, inputs, folders, parameters, options, budget)
    if not calibrated:
        raise RamplineError("no exposure could be reduced")
    surveys = [result.survey for result in calibrated if result.survey is not None]
    if options.reaches("mosaic") and surveys:
        run = FieldRun(
            folders=folders, parameters=parameters, options=options, budget=budget
        )
        combine_field(desk, surveys, run)
        if options.rounds == 2:
            second = run_second_round(desk, calibrated, run)
            _drop_intermediates(second, run.second().folders, options)
        _drop_intermediates(calibrated, folders, options)


def _calibrate(
    desk: Desk,
    inputs: Inputs,
    folders: Folders,
    parameters: Parameters,
    options: ReduceOptions,
    budget: Budget,
) -> list[ExposureResult]:
    """Reduce every exposure by itself; those that fail are left out of what follows."""
    place = Workplace(
        folder=folders.exposures,
        pictures=folders.pictures,
        references=options.references,
        threads=budget.threads,
    )
    skies = [source for source in inputs.sources if is_background(source.header)]
    targets = [source for source in inputs.sources if source not in skies]

    def tasks(sources: Sequence[Source], until: Until) -> list[Task]:
        return [
            desk.task(
                source.header.root,
                calibrate_exposure,
                ExposureRequest(
                    path=source.path,
                    suffix=source.suffix,
                    place=place,
                    parameters=parameters,
                    until=until,
                    backgrounds=choose_backgrounds(source.header, rates),
                ),
            )
            for source in sources
        ]

    rates: list[tuple[Header, Path]] = []
    if skies and targets and options.reaches("cal"):
        for source, outcome in zip(
            skies,
            desk.run_stage("background exposures", tasks(skies, "rate")),
            strict=True,
        ):
            if not outcome.error:
                rates.append((source.header, outcome.value.rate))
    elif skies:
        targets = list(inputs.sources)
    outcomes = desk.run_stage("exposures", tasks(targets, options.until))
    return [outcome.value for outcome in outcomes if not outcome.error]


def _drop_intermediates(
    results: Sequence[ExposureResult], folders: Folders, options: ReduceOptions
) -> None:
    """Delete what was made on the way and nobody asked to keep; never an input."""
    for result in results:
        for suffix, path in (("rate", result.rate), ("cal", result.cal)):
            ours = path is not None and path.parent == folders.exposures
            if path is not None and ours and suffix not in options.keep:
                path.unlink(missing_ok=True)


def _summary(desk: Desk, folders: Folders, seconds: float) -> Iterator[str]:
    failed = len(desk.failures)
    yield f"done in {seconds:.0f} s" + (f", {failed} failed:" if failed else "")
    yield from (f"  {line}" for line in desk.failures)
    yield f"products in {folders.out}, pictures in {folders.pictures}"
