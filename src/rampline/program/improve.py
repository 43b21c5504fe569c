"""The second round of one exposure: its slopes again, and its calibrated image."""

from dataclasses import dataclass, replace
from pathlib import Path

from ..detector.flicker_noise import FlickerNoiseParams
from ..files.provenance import StepRun
from ..files.read import read_header, read_slope
from ..files.supplied_light import find_supplied
from ..files.templates import read_planes
from ..files.write import write_slope
from ..params import Params
from ..pipeline.drawn_regions import place_regions
from ..pipeline.expect_artifacts import expect_artifacts
from ..pipeline.second_round import (
    CleanExposure,
    FieldKnowledge,
    SecondRound,
    clean_exposure,
)
from ..reference.planes import load_sky_planes
from ..reference.select import SKY_KINDS
from .artifact_list import write_artifact_list
from .describe_findings import describe_findings
from .exposure import ExposureRequest, ExposureResult, calibrate_exposure
from .field_view import FieldView, open_view
from .make_bad_pixels import FLAGS
from .make_stray import read_template
from .parameter_tree import Parameters
from .pictures import draw_slope
from .products import (
    Workplace,
    input_file,
    is_current,
    reference_source,
    step_run,
    trace,
)
from .stars import read_stars, star_problems
from .task_key import hash_file, make_key
from .user_regions import DrawnHere, region_rows

MODULE = "program.improve"


class ImproveParams(Params):
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


def improve(request: SecondRequest) -> ExposureResult:
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
    files = reference_source(request.place.references).select(header, SKY_KINDS)
    read = [request.rate, *request.view.files()]
    read += [path for path in (request.template, request.bad_pixels) if path]
    inputs = [input_file(path) for path in read]
    hashes = [file.content_hash for file in inputs]
    hashes += [hash_file(path) for path in (request.view.alignment, request.stars)]
    folder = request.parameters.second_round.stray_light.templates
    unusable = find_supplied(folder, header).problems
    hashes += [*request.drawn.words(), *unusable]
    params = ImproveParams(
        flicker_noise=request.parameters.ramp_to_slope.flicker_noise,
        second_round=request.parameters.second_round,
    )
    key = make_key(MODULE, hashes, params, files.used)
    if is_current(path, key):
        return False
    outlook, template = open_view(request.view), None
    if request.template is not None:
        template = read_template(request.template)
    stars = read_stars(request.stars)
    drawn = place_regions(
        request.drawn.regions, outlook.geometry, outlook.geometry.shape
    )
    known = FieldKnowledge(
        scene=outlook.scene(),
        is_source=outlook.hidden(),
        planes=load_sky_planes(files, header),
        template=template,
        expected=expect_artifacts(header, stars, params.second_round.expect),
        drawn=drawn,
    )
    image = read_slope(request.rate)
    if request.bad_pixels is not None:
        (bad,) = read_planes(request.bad_pixels, FLAGS)
        flagged = replace(image.planes, flags=image.planes.flags | bad)
        image = replace(image, planes=flagged)
    found = clean_exposure(image, known, params.flicker_noise, params.second_round)
    steps = _steps(found, request)
    problems = (*request.drawn.problems, *star_problems(request.stars), *unusable)
    provenance = trace(steps, params, files, inputs, key, problems)
    write_slope(path, found.image, provenance)
    slope = found.image.planes.slope
    rows = [
        *describe_findings(found),
        *region_rows(request.drawn, drawn, slope, "DN/s"),
    ]
    write_artifact_list(path.parent, header.root, rows, problems=list(problems))
    draw_slope(request.place.pictures, header.root, found.image)
    return True


def _steps(found: CleanExposure, request: SecondRequest) -> tuple[StepRun, ...]:
    """Return what was run again or anew."""
    ran = {
        "bad_pixels": request.bad_pixels is not None,
        "stray_light": found.stray is not None,
        "angled_stripes": found.angled is not None,
        "flicker_noise": request.parameters.ramp_to_slope.flicker_noise.enabled,
        "confirm": bool(found.expected),
    }
    return tuple(step_run(name, is_done=done) for name, done in ran.items())
