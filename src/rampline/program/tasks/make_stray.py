"""The stray light of a detector and filter, from its exposures.

Wisps stay the same from visit to visit: where a programme has several, all its exposures
make them, and those of each visit its claws.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...artifacts.stray_fit import StrayTemplate
from ...errors import RamplineError
from ...exposure.header import Card, Header
from ...exposure.planes import SkyPlanes
from ...exposure.records import SlopeImage
from ...files.content import hash_file
from ...files.read import read_header, read_slope
from ...files.read_provenance import read_provenance
from ...files.supplied_light import SuppliedLight, find_supplied, read_supplied
from ...files.templates import read_planes, write_planes
from ...pipeline.expect_artifacts import expect_artifacts
from ...pipeline.scattered_light import Knowledge
from ...pipeline.stray_template import (
    supplied_template,
    visit_template,
    wisps_alone,
)
from ...reference.selection import SKY_KINDS
from ...reference.sky_planes import load_sky_planes
from ..input.parameter_tree import Parameters
from ..input.stars import read_stars
from .field_view import FieldView, open_view
from .products import (
    Made,
    Recipe,
    Workplace,
    input_files,
    reference_source,
    step_run,
)

MODULE = "program.tasks.make_stray"
LIGHT, LIGHT_ERR, BITS = "LIGHT", "LIGHT_ERR", "ARTIFACT"
N_LIGHT = "NLIGHT"
"""Card: how many components are light."""
SHIFT = "SHIFT"
"""Card: the largest dither between the exposures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayRequest:
    """Which exposures make the template, and where it goes.

    Attributes
    ----------
    rates : tuple of Path
        Of the first round.
    views : tuple of FieldView
        One for each.
    stars : Path
        Around the field: those that draw stripes, which are no part of the template.
    path : Path
    place : Workplace
    parameters : Parameters
    wisps : Path or None
        Of the whole programme: only claws come from these exposures.
    is_programme : bool
        Whether these exposures are of several visits: they make wisps only.
    """

    rates: tuple[Path, ...]
    views: tuple[FieldView, ...]
    stars: Path
    path: Path
    place: Workplace
    parameters: Parameters
    wisps: Path | None = None
    is_programme: bool = False


def make_stray(request: StrayRequest) -> Made:
    """Make the template of one detector and filter unless it is up to date.

    Raises
    ------
    RamplineError
        A product that is no longer whole, a missing reference file, too few exposures.
    """
    params = request.parameters.second_round
    header = read_header(request.rates[0])
    supplied = find_supplied(params.stray_light.templates, header)
    recipe = _recipe(request, header, supplied)
    if recipe.is_made(request.path):
        return Made(path=request.path, made=())
    planes = load_sky_planes(recipe.references, header)
    wisps = None if request.wisps is None else read_template(request.wisps)
    if supplied.paths:
        wisps = supplied_template(read_supplied(supplied.paths, header, planes))
    exposures = _exposures(request, planes)
    template = visit_template(exposures, params, wisps)
    if template is None:
        raise RamplineError(f"{request.path.name}: too few exposures")
    template = wisps_alone(template) if request.is_programme else template
    found: dict[str, NDArray[Any]] = {
        LIGHT: template.light,
        LIGHT_ERR: template.err,
        BITS: template.bits,
    }
    cards = [
        Card(N_LIGHT, template.n_light, "components that are light"),
        Card(SHIFT, template.shift_px, "[pixel] largest dither"),
    ]
    steps = (step_run("stray_light", is_done=True),)
    provenance = recipe.provenance(steps, supplied.problems)
    write_planes(request.path, found, provenance, cards)
    share = 100.0 * float(np.mean(template.bits > 0))
    note = (
        f"{header.detector} {header.filter}: stray light on {share:.1f} % of the pixels"
    )
    note = "; ".join((note, *supplied.problems))
    return Made(path=request.path, made=("stray",), note=note)


def _recipe(request: StrayRequest, header: Header, supplied: SuppliedLight) -> Recipe:
    """Return what determines the template."""
    seen = [path for view in request.views for path in view.files()]
    wisps = (request.wisps,) if request.wisps is not None else ()
    small = (request.views[0].alignment, request.stars, *supplied.paths)
    return Recipe(
        module=MODULE,
        params=request.parameters.second_round,
        inputs=input_files((*request.rates, *seen, *wisps)),
        references=reference_source(request.place.references).select(header, SKY_KINDS),
        words=(*map(hash_file, small), *supplied.problems),
    )


def _exposures(
    request: StrayRequest, planes: SkyPlanes
) -> Iterator[tuple[SlopeImage, Knowledge]]:
    """Yield each exposure, and what of it shows bare sky."""
    params, stars = request.parameters.second_round, read_stars(request.stars)
    for rate, view in zip(request.rates, request.views, strict=True):
        image = read_slope(rate)
        expected = expect_artifacts(image.header, stars, params.expect)
        hidden = open_view(view).hidden()
        yield image, Knowledge(is_source=hidden, planes=planes, expected=expected)


def read_template(path: Path) -> StrayTemplate:
    """Read what `make_stray` wrote.

    Raises
    ------
    InputError
        A file that is no longer whole.
    """
    light, err, bits = read_planes(path, LIGHT, LIGHT_ERR, BITS)
    cards = read_provenance(path).primary
    numbers = int(cards[N_LIGHT]), float(cards[SHIFT])
    return StrayTemplate(light, err, bits, *numbers)
