"""The second round of one exposure: its slopes again, and its calibrated image."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..artifacts.bright_stars import brightest_stars
from ..artifacts.stray_light import StrayTemplate
from ..detector.flicker_noise import FlickerNoiseParams
from ..exposure.header import Header
from ..files.fits_output import whole_file
from ..files.provenance import StepRun
from ..files.read import read_header, read_slope
from ..files.templates import read_planes
from ..files.write import write_slope
from ..params import Params
from ..pipeline.expect_artifacts import expect_artifacts
from ..pipeline.second_round import CleanExposure, SecondRound, clean_exposure
from ..reference.planes import load_sky_planes
from ..reference.select import SKY_KINDS
from .exposure import ExposureRequest, ExposureResult, calibrate_exposure
from .field_view import FieldView, look_at_field
from .make_stray import BITS, LIGHT, LIGHT_ERR
from .parameter_tree import Parameters
from .pictures import draw_slope
from .products import Workplace, input_file, is_current, reference_source, trace
from .stars import read_stars
from .task_key import hash_file, make_key

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
    stars : Path or None
        Stars around the field.
    place : Workplace
    parameters : Parameters
    """

    rate: Path
    view: FieldView
    template: Path | None
    stars: Path | None
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
    read += [request.template] if request.template else []
    inputs = [input_file(path) for path in read]
    hashes = [file.content_hash for file in inputs]
    tables = [request.view.alignment, *([request.stars] if request.stars else [])]
    hashes += [hash_file(table) for table in tables]
    params = ImproveParams(
        flicker_noise=request.parameters.ramp_to_slope.flicker_noise,
        second_round=request.parameters.second_round,
    )
    key = make_key(MODULE, hashes, params, files.used)
    if is_current(path, key):
        return False
    known = look_at_field(request.view, load_sky_planes(files, header))
    if request.template is not None:
        planes = read_planes(request.template, LIGHT, LIGHT_ERR, BITS)
        known = replace(known, template=StrayTemplate(*planes))
    stars = read_stars(request.stars) if request.stars else brightest_stars()
    expected = expect_artifacts(header, stars, params.second_round.expect)
    known = replace(
        known, expected=[item for item in expected if item.kind in CONFIRMED]
    )
    found = clean_exposure(
        read_slope(request.rate), known, params.flicker_noise, params.second_round
    )
    steps = (StepRun("flicker_noise", 0.0),)
    write_slope(path, found.image, trace(steps, params, files, inputs, key))
    _write_list(path.with_name(f"{header.root}_artifacts.json"), header, found)
    draw_slope(request.place.pictures, header.root, found.image)
    return True


CONFIRMED = ("dragons_breath_1", "dragons_breath_2", "ginkgo_leaf")
"""Expected light that is looked for in single exposures; wisps and claws have templates."""


def _write_list(path: Path, header: Header, found: CleanExposure) -> None:
    """Write what was expected and found in an exposure, and what was done about it."""
    rows: list[dict[str, Any]] = []
    if found.stray is not None:
        fit = found.stray
        rows.append(
            {
                "kind": "stray_light",
                "found": fit.strength > 0,
                "action": "subtracted" if fit.strength > 0 else "none",
                "strength": _number(fit.measured),
                "strength_err": _number(fit.strength_err),
                "unit": "template",
            }
        )
    for item, there in found.expected:
        rows.append(
            {
                "kind": item.kind,
                "cause": item.cause,
                "predicted": _number(item.strength),
                "predicted_unit": item.unit,
                "found": there.is_there,
                "action": "masked" if there.is_there else "none",
                "strength": _number(there.excess),
                "strength_err": _number(there.excess_err),
                "unit": "DN/s",
                "pixels": int(there.mask.sum()),
            }
        )
    text = json.dumps({"exposure": header.root, "artifacts": rows}, indent=1)
    with whole_file(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
