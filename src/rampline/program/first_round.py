"""The first round of a run: every exposure by itself.

What exposures must know of each other comes before: the charge that earlier ones left in
the traps of a detector, and the sky that exposures taken for it show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..exposure.header import Header
from .engines.engine import ProcessEngine, Task
from .field import FieldRun
from .input.inputs import Inputs, Source
from .input.options import Until
from .input.user_regions import drawn_on
from .output.journal import EXPOSURES, SKIES
from .stage import StageRunner
from .tasks.make_cal import choose_backgrounds, is_background
from .tasks.make_exposure import ExposureRequest, ExposureResult, calibrate_exposure
from .tasks.make_rate import Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What other exposures say about each.

    Attributes
    ----------
    held : mapping of str to Path
        By exposure: charge of earlier ones that is held in traps before it.
    distant : set of str
        Files of exposures that enter no mosaic.
    looks : mapping of str to Finish
        By exposure: what scattered light its slopes are searched for.
    skies : sequence of (Header, Path)
        Exposures of the sky alone, and their slopes.
    """

    held: Mapping[str, Path]
    distant: frozenset[str]
    looks: Mapping[str, Finish]
    skies: Sequence[tuple[Header, Path]] = ()


def run_first_round(
    stages: StageRunner, inputs: Inputs, run: FieldRun
) -> list[ExposureResult]:
    """Reduce every exposure by itself.

    Returns
    -------
    list of ExposureResult
        Without those that failed: they are left out of what follows.
    """
    known = _Known(
        held=_follow_persistence(stages, inputs.sources, run),
        distant=frozenset(str(error.path) for error in inputs.distant),
        looks=_plan_looks(stages, inputs.sources, run),
    )
    targets = list(inputs.sources)
    skies = [source for source in targets if is_background(source.header)]
    if 0 < len(skies) < len(targets) and run.options.reaches("cal"):
        targets = [source for source in targets if source not in skies]
        known = replace(known, skies=_reduce_skies(stages, skies, known, run))
    # what is calibrated needs a survey only
    light = all(source.suffix == "cal" for source in targets)
    tasks = [_task(stages, source, run.options.until, known, run) for source in targets]
    outcomes = stages.run_stage(EXPOSURES, tasks, light=light)
    return [outcome.value for outcome in outcomes if outcome.value is not None]


def _follow_persistence(
    stages: StageRunner, sources: Sequence[Source], run: FieldRun
) -> dict[str, Path]:
    """Keep the ledger of each detector; return what is held before each exposure."""
    params = run.parameters.ramp_to_slope
    is_raw = any(source.suffix == "uncal" for source in sources)
    if not (is_raw and params.persistence.enabled):
        return {}
    from .tasks.make_ledger import ledger_requests, make_ledger

    folder, references = run.folders.persistence, run.options.references
    requests = ledger_requests(sources, folder, references, params)
    tasks = [stages.task(request.name, make_ledger, request) for request in requests]
    if len(tasks) < len(sources) and isinstance(stages.engine, ProcessEngine):
        # the ledger of one detector runs here: meanwhile the others get ready
        stages.engine.prepare()
    outcomes = stages.run_stage("persistence", tasks) if tasks else []
    held: dict[str, Path] = {}
    for outcome in outcomes:
        if outcome.value is not None:
            held |= outcome.value.held
    return held


def _plan_looks(
    stages: StageRunner, sources: Sequence[Source], run: FieldRun
) -> Mapping[str, Finish]:
    """Return what scattered light is looked for in raw exposures.

    Stars are asked for where a second round needs them anyway, or the user gives them.
    """
    headers = [s.header for s in sources if s.suffix != "cal"]
    wants_stars = run.options.rounds == 2 or run.options.star_table is not None
    templates = run.parameters.second_round.stray_light.templates
    if not (headers and (wants_stars or templates)):
        return {}
    # opens in 0.4 s what other runs do without
    from .first_look import plan_looks
    from .input.stars import find_stars, write_stars

    stars, problem = None, ""
    if wants_stars:
        stars, problem = find_stars(run.options.stars, headers)
    if problem:
        stages.progress.say(problem)
    if stars is not None and run.options.rounds == 2:
        run.folders.stars.parent.mkdir(parents=True, exist_ok=True)
        write_stars(run.folders.stars, stars, are_all=not problem)
    return plan_looks(headers, stars, run)


def _reduce_skies(
    stages: StageRunner, skies: Sequence[Source], known: _Known, run: FieldRun
) -> list[tuple[Header, Path]]:
    """Return the exposures of the sky alone and their slopes."""
    tasks = [_task(stages, source, "rate", known, run) for source in skies]
    outcomes = stages.run_stage(SKIES, tasks)
    return [
        (source.header, outcome.value.rate)
        for source, outcome in zip(skies, outcomes, strict=True)
        if outcome.value is not None and outcome.value.rate is not None
    ]


def _task(
    stages: StageRunner, source: Source, until: Until, known: _Known, run: FieldRun
) -> Task[ExposureResult]:
    header = source.header
    request = ExposureRequest(
        path=source.path,
        suffix=source.suffix,
        place=run.place,
        parameters=run.parameters,
        until="cal" if str(source.path) in known.distant else until,
        backgrounds=choose_backgrounds(header, known.skies),
        held=known.held.get(header.root),
        drawn=drawn_on(run.drawn, header),
        finish=known.looks.get(header.root),
    )
    return stages.task(header.root, calibrate_exposure, request)
