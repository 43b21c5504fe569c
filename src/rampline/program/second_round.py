"""The second round of a run: every exposure again from its stripes on, then the field."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..astrometry.pixel_map import grid_from_cards
from ..files.names import product_name
from ..files.provenance import StepRun
from ..files.read import read_header, read_slope
from ..files.read_mosaic import read_image_cards, read_mosaic
from ..files.write import write_slope
from ..pipeline.second_round import clean_with_scene
from ..pipeline.sky_to_mosaic import mask_mosaic, see_scene, split_filters
from ..reference.planes import load_sky_planes
from ..reference.select import SKY_KINDS
from .alignment_table import read_alignment
from .exposure import ExposureRequest, ExposureResult, calibrate_exposure
from .field import FieldRun, combine_field, mosaic_name
from .make_survey import read_survey
from .parameter_tree import Parameters
from .pictures import draw_slope
from .products import Workplace, input_file, is_current, reference_source, trace
from .stage import Desk
from .task_key import hash_file, make_key

MODULE = "program.second_round"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondRequest:
    """What the second round of one exposure is to do.

    Attributes
    ----------
    rate, mosaic, alignment : Path
        The exposure's slopes, the draft mosaic of its filter, the alignment table.
    survey : Path
        Of the exposure, as it was aligned.
    place : Workplace
    parameters : Parameters
    """

    rate: Path
    mosaic: Path
    alignment: Path
    survey: Path
    place: Workplace
    parameters: Parameters


def run_second_round(
    desk: Desk, first: Sequence[ExposureResult], run: FieldRun
) -> list[ExposureResult]:
    """Reduce the exposures of a field again with the draft mosaics known.

    Parameters
    ----------
    desk : Desk
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
    place = Workplace(
        folder=second.folders.exposures,
        pictures=second.folders.pictures,
        references=run.options.references,
        threads=run.budget.threads,
    )
    requests = _requests(first, run, place)
    tasks = [
        desk.task(f"{request.rate.name.removesuffix('_rate.fits')}_2", improve, request)
        for request in requests
    ]
    outcomes = desk.run_stage("second round: exposures", tasks)
    results: list[ExposureResult] = [o.value for o in outcomes if not o.error]
    unchanged = [result for result in first if result.rate is None]
    surveys = [r.survey for r in (*results, *unchanged) if r.survey is not None]
    if surveys:
        combine_field(desk, surveys, second)
    return results


def _requests(
    first: Sequence[ExposureResult], run: FieldRun, place: Workplace
) -> list[SecondRequest]:
    with_mosaic = [result for result in first if result.survey is not None]
    surveys = tuple(r.survey for r in with_mosaic if r.survey is not None)
    read = [read_survey(path)[1] for path in surveys]
    alignment = run.folders.mosaics / "alignment.ecsv"
    field, _ = read_alignment(alignment, read)
    requests = []
    for members in split_filters(field, run.parameters.sky_to_mosaic.grid).values():
        name = mosaic_name(read[members[0]].header, run.options.name)
        mosaic = run.folders.mosaics / product_name(name, "i2d")
        for k in members:
            rate = with_mosaic[k].rate
            if rate is not None and mosaic.is_file():
                requests.append(
                    SecondRequest(
                        rate=rate,
                        mosaic=mosaic,
                        alignment=alignment,
                        survey=surveys[k],
                        place=place,
                        parameters=run.parameters,
                    )
                )
    return requests


def improve(request: SecondRequest) -> ExposureResult:
    """Make the slopes and the calibrated image of one exposure again."""
    rate = request.place.folder / request.rate.name
    is_new = _clean(request, rate)
    result = calibrate_exposure(
        ExposureRequest(
            path=rate,
            suffix="rate",
            place=request.place,
            parameters=request.parameters,
            until="catalog",
        )
    )
    made = ("rate", *result.made) if is_new else result.made
    return ExposureResult(
        root=result.root, rate=rate, cal=result.cal, survey=result.survey, made=made
    )


def _clean(request: SecondRequest, path: Path) -> bool:
    """Write the slopes with the stripes of the second round, unless up to date."""
    header = read_header(request.rate)
    files = reference_source(request.place.references).select(header, SKY_KINDS)
    inputs = [input_file(request.rate), input_file(request.mosaic)]
    hashes = [file.content_hash for file in inputs] + [hash_file(request.alignment)]
    params = request.parameters.ramp_to_slope.flicker_noise
    key = make_key(MODULE, hashes, params, files.used)
    if is_current(path, key):
        return False
    survey = read_survey(request.survey)[1]
    field, _ = read_alignment(request.alignment, [survey])
    cards, (n_rows, n_cols) = read_image_cards(request.mosaic)
    mosaic = read_mosaic(request.mosaic, grid_from_cards(cards, n_rows, n_cols))
    scene = see_scene(mosaic, mask_mosaic(mosaic), field.geometries[0])
    planes = load_sky_planes(files, header)
    clean = clean_with_scene(read_slope(request.rate), scene, planes, params)
    steps = (StepRun("flicker_noise", 0.0),)
    write_slope(path, clean, trace(steps, params, files, inputs, key))
    draw_slope(request.place.pictures, header.root, clean)
    return True
