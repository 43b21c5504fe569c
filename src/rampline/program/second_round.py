"""The second round of a run: what the field knows goes back into every exposure.

Sources of the draft mosaics are masked, once for each filter; the exposures of a visit,
detector and filter make a picture of their stray light, those of all visits together one of
the wisps; every exposure is then made again from there on, and the field after them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..artifacts.wisps import expect_wisps
from ..exposure.header import Header
from ..files.names import product_name
from ..pipeline.sky_to_mosaic import split_filters
from .field import FieldRun, combine_field, mosaic_name
from .input.user_regions import drawn_on
from .output.journal import EXPOSURES_AGAIN
from .stage import StageRunner
from .tasks.alignment_table import read_alignment
from .tasks.field_view import FieldView
from .tasks.make_bad_pixels import BadPixelRequest, make_bad_pixels
from .tasks.make_exposure import ExposureResult
from .tasks.make_sources import SourcesRequest, make_sources
from .tasks.make_stray import StrayRequest, make_stray
from .tasks.make_survey import read_survey
from .tasks.remake_exposure import SecondRequest, remake_exposure
from .visit_groups import (
    Key,
    group_by,
    split_epochs,
    visit_group,
    visit_group_name,
    wisp_group,
    wisp_group_name,
)

MOST_FOR_WISPS = 36
"""Exposures that make a programme's wisps: more add time and memory, and little light."""
EPOCH_DAYS = 30.0
"""Bad pixels change within weeks: exposures of a longer span of time are parted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An exposure of the second round."""

    header: Header
    rate: Path
    view: FieldView


def run_second_round(
    stages: StageRunner, first: Sequence[ExposureResult], run: FieldRun
) -> list[ExposureResult]:
    """Reduce the exposures of a field again with the draft mosaics known.

    Parameters
    ----------
    stages : StageRunner
    first : sequence of ExposureResult
        Of the first round; those outside the mosaics are left out, and those without
        slopes enter the new mosaics as they are.
    run : FieldRun
        Of the first round.

    Returns
    -------
    list of ExposureResult
        Of the second round.
    """
    second = run.second()
    second.folders.make()
    second.folders.field.mkdir(exist_ok=True)
    members = _members(first, run)
    _mask_sources(stages, members)
    templates = _find_stray_light(stages, members, run.folders.stars, second)
    same_pixels = _by_epoch(members)
    bad_pixels = _find_bad_pixels(stages, members, same_pixels, second)
    tasks = [
        stages.task(
            f"{member.header.root}_2",
            remake_exposure,
            SecondRequest(
                rate=member.rate,
                view=member.view,
                template=templates.get(visit_group(member.header)),
                bad_pixels=bad_pixels.get(same_pixels(member.header)),
                stars=run.folders.stars,
                drawn=drawn_on(run.drawn, member.header),
                place=second.place,
                parameters=run.parameters,
            ),
        )
        for member in members
    ]
    outcomes = stages.run_stage(EXPOSURES_AGAIN, tasks)
    results = [o.value for o in outcomes if o.value is not None]
    unchanged = [result for result in first if result.rate is None]
    surveys = [r.survey for r in (*results, *unchanged) if r.survey is not None]
    if surveys:
        combine_field(stages, surveys, second)
    return results


def _members(first: Sequence[ExposureResult], run: FieldRun) -> list[Member]:
    """Return the exposures that have slopes and are in a mosaic."""
    with_mosaic = [result for result in first if result.survey is not None]
    surveys = tuple(r.survey for r in with_mosaic if r.survey is not None)
    read = [read_survey(path)[1] for path in surveys]
    headers = [survey.header for survey in read]
    alignment = run.folders.alignment
    field, _ = read_alignment(alignment, read)
    filters = split_filters(field, run.parameters.sky_to_mosaic.grid)
    names = {key: mosaic_name(headers[k[0]], run.name) for key, k in filters.items()}
    masks = {key: _mask_path(run, name) for key, name in names.items()}
    long = tuple(
        masks[key] for key, k in filters.items() if headers[k[0]].channel == "LONG"
    )
    members = []
    for key, numbers in filters.items():
        mosaic = run.folders.mosaics / product_name(names[key], "i2d")
        for k in numbers:
            rate = with_mosaic[k].rate
            if rate is None or not mosaic.is_file():
                continue
            own = (masks[key],)
            view = FieldView(
                mosaic=mosaic,
                sources=masks[key],
                hidden=long if long and headers[k].channel == "SHORT" else own,
                alignment=alignment,
                survey=surveys[k],
            )
            members.append(Member(header=headers[k], rate=rate, view=view))
    return members


def _mask_path(run: FieldRun, name: str) -> Path:
    return run.folders.second.field / product_name(name, "sources")


def _mask_sources(stages: StageRunner, members: Sequence[Member]) -> None:
    """Mask the sources of every draft mosaic that an exposure looks at."""
    wanted = {m.view.sources: m.view.mosaic for m in members}
    tasks = [
        stages.task(path.stem, make_sources, SourcesRequest(mosaic=mosaic, path=path))
        for path, mosaic in wanted.items()
    ]
    if tasks:
        stages.run_stage("second round: sources", tasks)


def _find_stray_light(
    stages: StageRunner, members: Sequence[Member], stars: Path, second: FieldRun
) -> dict[Key, Path]:
    """Return the templates of the groups that have enough exposures."""
    params = second.parameters.second_round.stray_light
    if not params.enabled:
        return {}
    short = [member for member in members if member.header.channel == "SHORT"]

    def request(inside: Sequence[Member], name: str) -> StrayRequest:
        return StrayRequest(
            rates=tuple(m.rate for m in inside),
            views=tuple(m.view for m in inside),
            stars=stars,
            path=second.folders.field / f"{name}.fits",
            place=second.place,
            parameters=second.parameters,
        )

    wisps: dict[Key, Path] = {}
    if not params.templates:
        requests = {
            key: replace(
                request(inside, f"{wisp_group_name(inside[0].header)}_wisps"),
                is_programme=True,
            )
            for key, inside in of_several_visits(short, params.least_exposures)
        }
        wisps = stages.make_files("second round: wisps", make_stray, requests)
    requests = {}
    for key, inside in group_by(short, lambda m: visit_group(m.header)).items():
        header = inside[0].header
        own = wisps.get(wisp_group(header))
        if own or params.templates or len(inside) >= params.least_exposures:
            name = f"{visit_group_name(header)}_stray"
            requests[key] = replace(request(inside, name), wisps=own)
    return stages.make_files("second round: stray light", make_stray, requests)


def of_several_visits(
    short: Sequence[Member], least: int
) -> Iterator[tuple[Key, list[Member]]]:
    """Yield exposures of more than one visit that show the same wisps, spread evenly."""
    for key, inside in group_by(short, lambda m: wisp_group(m.header), least).items():
        header = inside[0].header
        if not expect_wisps(header.detector, header.filter):
            continue
        if len({visit_group(m.header) for m in inside}) > 1:
            step = -(-len(inside) // MOST_FOR_WISPS)
            yield key, inside[::step]


def _find_bad_pixels(
    stages: StageRunner,
    members: Sequence[Member],
    key_of: Callable[[Header], Key],
    second: FieldRun,
) -> dict[Key, Path]:
    """Return the maps of the detectors that have enough exposures in an epoch."""
    params = second.parameters.second_round.bad_pixels
    if not params.enabled:
        return {}
    groups = group_by(members, lambda m: key_of(m.header), params.least_exposures)
    requests = {
        key: BadPixelRequest(
            rates=tuple(m.rate for m in inside),
            views=tuple(m.view for m in inside),
            path=second.folders.field / f"{'_'.join(key).lower()}_bad_pixels.fits",
            place=second.place,
            parameters=second.parameters,
        )
        for key, inside in groups.items()
    }
    return stages.make_files("second round: bad pixels", make_bad_pixels, requests)


def _by_epoch(members: Sequence[Member]) -> Callable[[Header], Key]:
    """Return what tells exposures with the same bad pixels: one detector in one epoch."""
    epochs: dict[str, Key] = {}
    headers = [member.header for member in members]
    detectors = group_by(headers, lambda h: (h.detector, h.readout.subarray))
    for optics, same in detectors.items():
        starts = split_epochs([header.start_mjd for header in same], EPOCH_DAYS)
        for header, start in zip(same, starts, strict=True):
            epochs[header.root] = (*optics, f"{start:.1f}")
    return lambda header: epochs[header.root]
