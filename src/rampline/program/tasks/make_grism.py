"""A dispersed exposure once the field is known: ``_rate`` to ``_flatfield``, still slopes."""

import math
from dataclasses import dataclass
from pathlib import Path

from ...artifacts.grism_sky import GrismSky, GrismSkyParams
from ...errors import MissingReferenceError
from ...exposure.header import Header
from ...files.content import hash_file
from ...files.names import product_name
from ...files.provenance import StepRun
from ...files.read import read_header, read_slope
from ...files.templates import read_planes, write_planes
from ...files.write import write_slope
from ...pipeline.drawn_regions import place_regions
from ...pipeline.grism_exposure import (
    CleanGrism,
    GrismPath,
    SkyPattern,
    clean_grism,
    make_pattern,
    with_flat,
)
from ...pipeline.runner import Runner
from ...reference.grism_sky import imaging_header, load_grism_sky
from ...reference.selection import ReferenceFiles
from ...reference.sky_planes import FlatField, load_flat
from ..input.parameter_tree import Parameters
from ..input.stars import star_problems
from ..input.user_regions import DrawnHere
from .artifact_list import Artifact, known_number, write_artifact_list
from .drawn_rows import region_rows
from .grism_sources import read_sources
from .pictures import draw_slope
from .products import (
    Made,
    Recipe,
    Workplace,
    bench,
    input_files,
    list_steps,
    reference_source,
    step_run,
)

MODULE = "program.tasks.make_grism"
LIGHT, LIGHT_ERR = "LIGHT", "LIGHT_ERR"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRequest:
    """Which exposures make the pattern of their sky, and where it goes."""

    rates: tuple[Path, ...]
    path: Path
    place: Workplace
    params: GrismSkyParams


@dataclass(frozen=True, slots=True, kw_only=True)
class GrismRequest:
    """What is to be done to one dispersed exposure.

    Attributes
    ----------
    rate : Path
    pattern : Path or None
        Of its visit; a reference file goes before it.
    sources : Path
        That may have ghosts.
    drawn : DrawnHere
        What the user's regions say; the sky has no place in a dispersed exposure.
    place : Workplace
    parameters : Parameters
    """

    rate: Path
    pattern: Path | None
    sources: Path
    drawn: DrawnHere
    place: Workplace
    parameters: Parameters


def make_sky_pattern(request: PatternRequest) -> Made:
    """Make the pattern of the sky of a visit's exposures unless it is up to date.

    Where no sky is to be seen there is no file.

    Raises
    ------
    RamplineError
        A product that is no longer whole, a missing flat.
    """
    header = read_header(request.rates[0])
    files = _flat_files(header, request.place)
    recipe = Recipe(
        module=MODULE,
        params=request.params,
        inputs=input_files(request.rates),
        references=files,
    )
    if recipe.is_made(request.path):
        return Made(path=request.path, made=())
    flat = load_flat(files, imaging_header(header))
    images = [read_slope(path) for path in request.rates]
    found = make_pattern(images, flat, request.params)
    if found is None:
        note = f"{header.detector} {header.filter} {header.pupil}: no sky to be seen"
        request.path.unlink(missing_ok=True)
        return Made(path=request.path, made=("none",), note=note)
    steps = (step_run("grism_sky", is_done=True),)
    planes = {LIGHT: found.light, LIGHT_ERR: found.err}
    write_planes(request.path, planes, recipe.provenance(steps))
    return Made(path=request.path, made=("pattern",))


def make_grism(request: GrismRequest) -> Made:
    """Make the flat-fielded slopes of one dispersed exposure unless up to date.

    Raises
    ------
    RamplineError
        One line that says why they cannot be made.
    """
    header = read_header(request.rate)
    place, parameters = request.place, request.parameters
    path = place.folder / product_name(header.root, "flatfield")
    files = _flat_files(header, place)
    sky_files, missing = _sky_files(header, place)
    read = (request.rate, *((request.pattern,) if request.pattern else ()))
    params = GrismPath(grism=parameters.grism, slope_to_sky=parameters.slope_to_sky)
    recipe = Recipe(
        module=MODULE,
        params=params,
        inputs=input_files(read),
        references=files,
        also_used=sky_files.used if sky_files else (),
        words=(hash_file(request.sources), *request.drawn.words()),
    )
    if recipe.is_made(path):
        return Made(path=path, made=())
    flat = load_flat(files, imaging_header(header))
    pattern = _read_pattern(request.pattern, sky_files, header, flat)
    run, drawn = Runner(flat, bench(place.threads)), request.drawn
    shape = header.readout.n_rows, header.readout.n_cols
    masks = place_regions(drawn.regions, None, shape)
    found = clean_grism(
        read_slope(request.rate),
        run,
        pattern,
        read_sources(request.sources),
        params,
        masks,
    )
    steps = (*list_steps(run.trail, params.slope_to_sky), *_steps(found))
    problems = (*drawn.problems, *star_problems(request.sources))
    write_slope(path, found.image, recipe.provenance(steps, problems))
    draw_slope(place.pictures, header.root, found.image, "flatfield")
    origin = pattern.origin if pattern else missing
    rows = _rows(found, origin)
    rows += region_rows(drawn, masks, found.image.planes.slope, "DN/s")
    more = {"tadpole_shift_px": list(found.tadpoles.shift), "problems": list(problems)}
    write_artifact_list(path.parent, header.root, rows, **more)
    return Made(path=path, made=("flatfield",), note=_note(found))


def has_pattern_file(header: Header, place: Workplace) -> bool:
    """Return whether there is a reference file of the sky's pattern."""
    return _sky_files(header, place)[0] is not None


def _flat_files(header: Header, place: Workplace) -> ReferenceFiles:
    """Return the imaging flat; without one, the flat filed under the grism itself."""
    source = reference_source(place.references)
    try:
        return source.select(imaging_header(header), ("flat",))
    except MissingReferenceError as missing:
        try:
            return source.select(header, ("flat",))
        except MissingReferenceError:
            raise missing from None


def _sky_files(header: Header, place: Workplace) -> tuple[ReferenceFiles | None, str]:
    """Return the sky's reference file, or why there is none: the products say so."""
    try:
        found = reference_source(place.references).select(header, ("wfssbkg",))
    except MissingReferenceError as error:
        return None, str(error)
    if "wfssbkg" not in found.paths:
        return None, "no wfssbkg reference file applies"
    return found, ""


def _read_pattern(
    visit: Path | None,
    files: ReferenceFiles | None,
    header: Header,
    flat: FlatField,
) -> SkyPattern | None:
    """Return the pattern of the reference file, else that of the visit, else None."""
    if files is not None:
        return SkyPattern(
            *load_grism_sky(files, header), origin=files.paths["wfssbkg"].name
        )
    if visit is None:
        return None
    return with_flat(GrismSky(*read_planes(visit, LIGHT, LIGHT_ERR)), flat)


def _steps(found: CleanGrism) -> tuple[StepRun, ...]:
    """Return the steps of a dispersed exposure alone."""
    is_clean = found.sky is not None and found.sky.factor > 0
    return (
        step_run("grism_sky", is_done=is_clean),
        step_run("tadpoles", is_done=True),
        step_run("shells", is_done=True),
    )


def _note(found: CleanGrism) -> str:
    """Return one line for the user; empty where there is nothing to say."""
    n_found = sum(math.isfinite(head.rate) for head in found.tadpoles.heads)
    if not found.tadpoles.heads and not found.n_shell:
        return ""
    share = 100.0 * found.n_shell / found.image.planes.slope.size
    return (
        f"{n_found} of {len(found.tadpoles.heads)} expected tadpoles found; shells on "
        f"{share:.1f} % of the pixels"
    )


def _rows(found: CleanGrism, origin: str) -> list[Artifact]:
    """Return what was expected, found and done."""
    rows = [_sky_row(found, origin)]
    for head in found.tadpoles.heads:
        is_there = math.isfinite(head.rate)
        rows.append(
            {
                "kind": "tadpole",
                "cause": head.expected.cause,
                "predicted": head.expected.rate,
                "predicted_unit": "DN/s",
                "found": is_there,
                "action": "flagged" if is_there else "none",
                "x": known_number(head.x),
                "y": known_number(head.y),
                "strength": known_number(head.rate),
                "unit": "DN/s",
                "significance": known_number(head.significance),
                "pixels": head.n_pixels,
            }
        )
    rows.append(
        {
            "kind": "shell",
            "found": found.n_shell > 0,
            "action": "flagged" if found.n_shell else "none",
            "pixels": found.n_shell,
        }
    )
    return rows


def _sky_row(found: CleanGrism, origin: str) -> Artifact:
    """Return what was done about the sky."""
    fit = found.sky
    if fit is None:
        return {"kind": "grism_sky", "action": "none", "pattern": origin}
    return {
        "kind": "grism_sky",
        "action": "subtracted" if fit.factor > 0 else "none",
        "pattern": origin,
        "strength": known_number(fit.factor),
        "strength_err": known_number(fit.err),
        "unit": "pattern",
        "pixels": fit.n_used,
    }
