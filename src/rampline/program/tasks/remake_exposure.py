"""The second round of one exposure: its slopes again, and its calibrated image."""

from dataclasses import dataclass, replace
from pathlib import Path

from ...detector.flicker_noise import FlickerNoiseParams
from ...exposure.header import Header
from ...exposure.records import SlopeImage
from ...files.content import hash_file
from ...files.provenance import StepRun
from ...files.read import read_header, read_slope
from ...files.supplied_light import find_supplied
from ...files.templates import read_planes
from ...files.write import write_slope
from ...params import Params
from ...pipeline.drawn_regions import place_regions
from ...pipeline.expect_artifacts import expect_artifacts
from ...pipeline.second_round import (
    CleanExposure,
    FieldKnowledge,
    SecondRound,
    clean_exposure,
)
from ...reference.selection import SKY_KINDS, ReferenceFiles
from ...reference.sky_planes import load_sky_planes
from ..input.parameter_tree import Parameters
from ..input.stars import read_stars, star_problems
from ..input.user_regions import DrawnHere
from .artifact_list import write_artifact_list
from .describe_findings import describe_findings, steps_taken
from .drawn_rows import region_rows
from .field_view import FieldView, open_view
from .make_bad_pixels import FLAGS
from .make_exposure import ExposureRequest, ExposureResult, calibrate_exposure
from .make_stray import read_template
from .pictures import draw_slope
from .products import (
    Recipe,
    Workplace,
    input_files,
    reference_source,
    step_run,
)

MODULE = "program.tasks.remake_exposure"


class RemakeParams(Params):
    """What determines the slopes of a second round."""

    flicker_noise: FlickerNoiseParams
    """Stripes."""
    second_round: SecondRound
    """Stray light and expected artifacts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondRequest:
    """What the second round of one exposure is to do.

    Attributes
    ----------
    rate : Path
        Slopes of the first round.
    view : FieldView
    template : Path or None
        Stray light of its detector and filter.
    bad_pixels : Path or None
        Of its detector.
    stars : Path
        Stars around the field.
    drawn : DrawnHere
        What the user's regions say.
    place : Workplace
    parameters : Parameters
    """

    rate: Path
    view: FieldView
    template: Path | None
    bad_pixels: Path | None
    stars: Path
    drawn: DrawnHere
    place: Workplace
    parameters: Parameters


def remake_exposure(request: SecondRequest) -> ExposureResult:
    """Make the slopes and the calibrated image of one exposure again.

    Raises
    ------
    RamplineError
        One line that says why they cannot be made.
    """
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
    return replace(result, made=("rate", *result.made) if is_new else result.made)


def _clean(request: SecondRequest, path: Path) -> bool:
    """Write the slopes of the second round, unless up to date."""
    header = read_header(request.rate)
    folder = request.parameters.second_round.stray_light.templates
    unusable = find_supplied(folder, header).problems
    recipe = _recipe(request, header, unusable)
    if recipe.is_made(path):
        return False
    image, known = _known(request, header, recipe.references)
    flicker = request.parameters.ramp_to_slope.flicker_noise
    found = clean_exposure(image, known, flicker, request.parameters.second_round)
    problems = (*request.drawn.problems, *star_problems(request.stars), *unusable)
    provenance = recipe.provenance(_steps(found, request), problems)
    write_slope(path, found.image, provenance)
    slope = found.image.planes.slope
    rows = describe_findings(found)
    if known.drawn is not None:
        rows += region_rows(request.drawn, known.drawn, slope, "DN/s")
    write_artifact_list(path.parent, header.root, rows, problems=list(problems))
    draw_slope(request.place.pictures, header.root, found.image)
    return True


def _recipe(
    request: SecondRequest, header: Header, unusable: tuple[str, ...]
) -> Recipe:
    """Return what determines the slopes; `unusable` says which templates do not."""
    also_read = (request.template, request.bad_pixels)
    products = (request.rate, *request.view.files(), *filter(None, also_read))
    small = (request.view.alignment, request.stars)
    return Recipe(
        module=MODULE,
        params=RemakeParams(
            flicker_noise=request.parameters.ramp_to_slope.flicker_noise,
            second_round=request.parameters.second_round,
        ),
        inputs=input_files(products),
        references=reference_source(request.place.references).select(header, SKY_KINDS),
        words=(*map(hash_file, small), *request.drawn.words(), *unusable),
    )


def _known(
    request: SecondRequest, header: Header, references: ReferenceFiles
) -> tuple[SlopeImage, FieldKnowledge]:
    """Return the slopes of the first round, and what the field knows about them."""
    outlook = open_view(request.view)
    image = read_slope(request.rate)
    if request.bad_pixels is not None:
        (bad,) = read_planes(request.bad_pixels, FLAGS)
        flagged = replace(image.planes, flags=image.planes.flags | bad)
        image = replace(image, planes=flagged)
    expect = request.parameters.second_round.expect
    shape = outlook.geometry.shape
    known = FieldKnowledge(
        scene=outlook.scene(),
        is_source=outlook.hidden(),
        planes=load_sky_planes(references, header),
        template=None if request.template is None else read_template(request.template),
        expected=expect_artifacts(header, read_stars(request.stars), expect),
        drawn=place_regions(request.drawn.regions, outlook.geometry, shape),
    )
    return image, known


def _steps(found: CleanExposure, request: SecondRequest) -> tuple[StepRun, ...]:
    """Return what was run again or anew."""
    ran = {
        "bad_pixels": request.bad_pixels is not None,
        **steps_taken(found),
        "flicker_noise": request.parameters.ramp_to_slope.flicker_noise.enabled,
    }
    return tuple(step_run(name, is_done=done) for name, done in ran.items())
