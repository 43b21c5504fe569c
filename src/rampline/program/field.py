"""The stages of a whole field: alignment, a mosaic for each filter, their catalogues."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..exposure.header import Header
from ..files.names import mosaic_root
from ..pipeline.sky_to_mosaic import SkyToMosaic, split_filters
from .engines.budget import Budget
from .engines.engine import Task
from .input.options import ReduceOptions
from .input.parameter_tree import Parameters
from .input.user_regions import RegionFile
from .output.folders import Folders
from .stage import StageRunner
from .tasks.alignment_table import read_alignment
from .tasks.make_alignment import AlignmentRequest, make_alignment
from .tasks.make_catalog import CatalogRequest, make_catalog
from .tasks.make_crf import make_crf
from .tasks.make_mosaic import MosaicRequest, make_mosaic
from .tasks.make_survey import read_survey
from .tasks.pictures import draw_field
from .tasks.products import Made, Workplace


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRun:
    """What all stages of a field share.

    Attributes
    ----------
    folders : Folders
    parameters : Parameters
    options : ReduceOptions
    budget : Budget
    name : str
        Of the field, in the names of its mosaics.
    drawn : tuple of RegionFile
        What the user masks or protects.
    """

    folders: Folders
    parameters: Parameters
    options: ReduceOptions
    budget: Budget
    name: str
    drawn: tuple[RegionFile, ...] = ()

    def second(self) -> "FieldRun":
        """Return the same for the second round, whose products have their own folder."""
        return replace(self, folders=self.folders.second)

    @property
    def place(self) -> Workplace:
        """Where exposures are made."""
        return Workplace(
            folder=self.folders.exposures,
            pictures=self.folders.pictures,
            references=self.options.references,
            threads=self.budget.threads,
        )

    @property
    def mosaic_params(self) -> SkyToMosaic:
        """The parameters with the pixel scale of the command line."""
        params, scale = self.parameters.sky_to_mosaic, self.options.pixel_scale_arcsec
        if scale is None:
            return params
        grid = params.grid.model_copy(update={"pixel_scale": scale})
        return params.model_copy(update={"grid": grid})


def combine_field(stages: StageRunner, surveys: Sequence[Path], run: FieldRun) -> None:
    """Align all exposures, make the mosaics, and their catalogues where asked.

    Parameters
    ----------
    stages : StageRunner
    surveys : sequence of Path
        Of the exposures that got so far.
    run : FieldRun
    """
    aligned = _align(stages, surveys, run)
    if aligned is None:
        return
    requests = _mosaic_requests(aligned, surveys, run)
    tasks = [stages.task(request.name, make_mosaic, request) for request in requests]
    outcomes = stages.run_stage("mosaics", tasks)
    made = [o.value for o in outcomes if o.value is not None]
    mosaics = [mosaic.path for mosaic in made]
    draw_field(run.folders.pictures, mosaics)
    # a catalogue keeps one core busy; meanwhile the others write
    has_catalogs = run.options.reaches("catalog")
    last = _catalog_tasks(stages, mosaics, run) if has_catalogs else []
    last += [
        stages.task(request.name, make_crf, request)
        for mosaic in made
        for request in mosaic.exposures
    ]
    if last:
        title = "catalogues" if has_catalogs else "exposures of the mosaics"
        stages.run_stage(title, last, light=len(mosaics) == 1)


def _align(stages: StageRunner, surveys: Sequence[Path], run: FieldRun) -> Made | None:
    request = AlignmentRequest(
        surveys=tuple(surveys),
        align_to=run.options.align_to,
        grid=run.options.grid,
        table=run.folders.alignment,
        params=run.mosaic_params,
    )
    task = stages.task("alignment", make_alignment, request)
    (outcome,) = stages.run_stage("alignment", [task])
    return outcome.value


def _mosaic_requests(
    aligned: Made, surveys: Sequence[Path], run: FieldRun
) -> list[MosaicRequest]:
    """Return one request for each filter, of the exposures whose alignment did not fail."""
    read = [read_survey(path)[1] for path in surveys]
    field, _ = read_alignment(aligned.path, read)
    params, options, folders = run.mosaic_params, run.options, run.folders
    filters = split_filters(field, params.grid)
    # fewer filters than workers: each has the cores of several
    at_once = max(1, min(run.budget.workers, len(filters)))
    threads = max(1, run.budget.workers * run.budget.threads // at_once)
    return [
        MosaicRequest(
            surveys=tuple(surveys[k] for k in members),
            alignment=aligned.path,
            folder=folders.mosaics,
            pictures=folders.pictures,
            name=mosaic_name(read[members[0]].header, run.name),
            crf_folder=folders.exposures if "crf" in options.keep else None,
            params=params,
            threads=threads,
            max_bytes=options.max_memory_bytes // (2 * at_once),
        )
        for members in filters.values()
    ]


def mosaic_name(header: Header, name: str) -> str:
    """Return the root of the mosaic that an exposure of a field belongs to."""
    return mosaic_root(header.program, name, header.filter, header.pupil)


def _catalog_tasks(
    stages: StageRunner, mosaics: Sequence[Path], run: FieldRun
) -> list[Task[Made]]:
    return [
        stages.task(
            path.name.replace("_i2d.fits", "_cat"),
            make_catalog,
            CatalogRequest(
                mosaic=path,
                pixfrac=run.mosaic_params.drizzle.pixfrac,
                references=run.options.references,
                params=run.parameters.mosaic_to_catalog,
            ),
        )
        for path in mosaics
    ]
