"""The stages of dispersed exposures, which come last: they need the direct images.

The exposures of a visit, detector, filter and grism make the pattern of their sky, unless
there is a reference file of it; then each is made alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..exposure.header import Header
from ..files.names import product_name
from ..files.read import read_header
from .field import FieldRun, mosaic_name
from .input.stars import find_stars
from .input.user_regions import drawn_on
from .stage import StageRunner
from .tasks.grism_sources import (
    gather_sources,
    nearest_catalog,
    read_given,
    write_sources,
)
from .tasks.make_exposure import DISPERSED, ExposureResult
from .tasks.make_grism import (
    GrismRequest,
    PatternRequest,
    has_pattern_file,
    make_grism,
    make_sky_pattern,
)
from .tasks.make_survey import read_survey
from .tasks.products import Workplace
from .visit_groups import Key, group_by, visit_group, visit_group_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispersed:
    """A dispersed exposure with its slopes."""

    header: Header
    rate: Path


def run_grisms(
    stages: StageRunner,
    results: Sequence[ExposureResult],
    direct: Sequence[ExposureResult],
    run: FieldRun,
) -> None:
    """Reduce the dispersed exposures of a run.

    Parameters
    ----------
    stages : StageRunner
    results : sequence of ExposureResult
        Of the first round, the dispersed among them.
    direct : sequence of ExposureResult
        Those whose mosaics and catalogues are in ``run``: of the last round.
    run : FieldRun
        Of the last round.
    """
    rates = [result.rate for result in results if result.rate is not None]
    read = [Dispersed(header=read_header(rate), rate=rate) for rate in rates]
    members = [member for member in read if member.header.exp_type == DISPERSED]
    if not members:
        return
    place = replace(run.place, folder=members[0].rate.parent)
    run.folders.field.mkdir(parents=True, exist_ok=True)
    sources = _gather_sources(stages, members, direct, run)
    patterns = _make_patterns(stages, members, run, place)
    tasks = [
        stages.task(
            f"{member.header.root}_grism",
            make_grism,
            GrismRequest(
                rate=member.rate,
                pattern=patterns.get(visit_group(member.header)),
                sources=sources[member.header.filter],
                drawn=drawn_on(run.drawn, member.header),
                place=place,
                parameters=run.parameters,
            ),
        )
        for member in members
    ]
    stages.run_stage("grism exposures", tasks)


def _gather_sources(
    stages: StageRunner,
    members: Sequence[Dispersed],
    direct: Sequence[ExposureResult],
    run: FieldRun,
) -> dict[str, Path]:
    """Write the sources that may have ghosts, for each filter."""
    stars, problem = find_stars(run.options.stars, [m.header for m in members])
    if problem:
        stages.progress.say(problem)
    catalogs, given = _catalogs(direct, run), read_given(run.options.star_table)
    found = {}
    for name in sorted({member.header.filter for member in members}):
        path = run.folders.field / f"grism_sources_{name.lower()}.ecsv"
        catalog = nearest_catalog(catalogs, name) if catalogs else None
        gathered = gather_sources(catalog, stars, given, name)
        write_sources(path, gathered, are_all=not problem)
        found[name] = path
    return found


def _catalogs(
    direct: Sequence[ExposureResult], run: FieldRun
) -> list[tuple[str, Path]]:
    """Return the catalogues of the run with their filters."""
    surveys = [result.survey for result in direct if result.survey is not None]
    found = {}
    for survey in surveys:
        header = read_survey(survey)[1].header
        root = mosaic_name(header, run.name)
        path = run.folders.mosaics / product_name(root, "cat", "ecsv")
        if path.is_file():
            found[path] = header.filter
    return [(filter_name, path) for path, filter_name in found.items()]


def _make_patterns(
    stages: StageRunner, members: Sequence[Dispersed], run: FieldRun, place: Workplace
) -> dict[Key, Path]:
    """Make the patterns of the groups that have enough exposures and no reference."""
    params = run.parameters.grism.grism_sky
    groups = group_by(members, lambda m: visit_group(m.header), params.least_exposures)
    requests = {
        key: PatternRequest(
            rates=tuple(member.rate for member in inside),
            path=run.folders.field / f"{visit_group_name(inside[0].header)}_sky.fits",
            place=place,
            params=params,
        )
        for key, inside in groups.items()
        if params.enabled and not has_pattern_file(inside[0].header, place)
    }
    return stages.make_files("grism exposures: sky", make_sky_pattern, requests)
