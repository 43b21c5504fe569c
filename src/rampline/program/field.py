"""The stages of a whole field: alignment, a mosaic for each filter, their catalogues."""

from collections.abc import Sequence
from pathlib import Path

from ..exposure.header import Header
from ..files.names import mosaic_root
from ..pipeline.sky_to_mosaic import SkyToMosaic, split_filters
from .alignment_table import read_alignment
from .budget import Budget
from .engine import Outcome
from .folders import Folders
from .make_alignment import AlignmentRequest, AlignmentResult, make_alignment
from .make_catalog import CatalogRequest, make_catalog
from .make_mosaic import MosaicRequest, make_mosaic
from .make_survey import read_survey
from .options import ReduceOptions
from .parameter_tree import Parameters
from .stage import Desk


def combine_field(
    desk: Desk,
    surveys: Sequence[Path],
    folders: Folders,
    parameters: Parameters,
    options: ReduceOptions,
    budget: Budget,
) -> None:
    """Align all exposures, make the mosaics, and their catalogues where asked.

    Parameters
    ----------
    desk : Desk
    surveys : sequence of Path
        Of the exposures that got so far.
    folders : Folders
    parameters : Parameters
    options : ReduceOptions
    budget : Budget
    """
    params = _with_scale(parameters.sky_to_mosaic, options)
    aligned = _align(desk, surveys, folders, params, options)
    if aligned is None:
        return
    requests = _mosaic_requests(aligned, surveys, folders, params, options, budget)
    tasks = [desk.task(request.name, make_mosaic, request) for request in requests]
    mosaics = [o.value.path for o in desk.run_stage("mosaics", tasks) if not o.error]
    if options.reaches("catalog"):
        _catalog(desk, mosaics, params, parameters, options)


def _with_scale(params: SkyToMosaic, options: ReduceOptions) -> SkyToMosaic:
    """Return the parameters with the pixel scale of the command line."""
    if options.pixel_scale_arcsec is None:
        return params
    grid = params.grid.model_copy(update={"pixel_scale": options.pixel_scale_arcsec})
    return params.model_copy(update={"grid": grid})


def _align(
    desk: Desk,
    surveys: Sequence[Path],
    folders: Folders,
    params: SkyToMosaic,
    options: ReduceOptions,
) -> AlignmentResult | None:
    request = AlignmentRequest(
        surveys=tuple(surveys),
        align_to=options.align_to,
        grid=options.grid,
        table=folders.mosaics / "alignment.ecsv",
        params=params,
    )
    task = desk.task("alignment", make_alignment, request)
    (outcome,) = desk.run_stage("alignment", [task])
    result: AlignmentResult | None = outcome.value
    return result


def _mosaic_requests(
    aligned: AlignmentResult,
    surveys: Sequence[Path],
    folders: Folders,
    params: SkyToMosaic,
    options: ReduceOptions,
    budget: Budget,
) -> list[MosaicRequest]:
    """Return one request for each filter, of the exposures whose alignment did not fail."""
    read = [read_survey(path)[1] for path in surveys]
    field, _ = read_alignment(aligned.table, read)
    filters = split_filters(field, params.grid)
    return [
        MosaicRequest(
            surveys=tuple(surveys),
            members=tuple(members),
            alignment=aligned.table,
            folder=folders.mosaics,
            pictures=folders.pictures,
            name=_mosaic_name(read[members[0]].header, options.name),
            crf_folder=folders.exposures if "crf" in options.keep else None,
            params=params,
            threads=budget.threads,
            max_bytes=options.max_memory_bytes // (2 * budget.workers),
        )
        for members in filters.values()
    ]


def _mosaic_name(header: Header, name: str) -> str:
    field = name or f"o{header.observation}"
    return mosaic_root(header.program, field, header.filter, header.pupil)


def _catalog(
    desk: Desk,
    mosaics: Sequence[Path],
    params: SkyToMosaic,
    parameters: Parameters,
    options: ReduceOptions,
) -> list[Outcome]:
    tasks = [
        desk.task(
            path.name.replace("_i2d.fits", "_cat"),
            make_catalog,
            CatalogRequest(
                mosaic=path,
                pixfrac=params.drizzle.pixfrac,
                references=options.references,
                params=parameters.mosaic_to_catalog,
            ),
        )
        for path in mosaics
    ]
    return desk.run_stage("catalogues", tasks)
