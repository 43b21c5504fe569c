"""The bad pixels of a detector in one epoch, from the exposures of the field."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...detector.bad_pixels import (
    BadPixels,
    add_exposure,
    empty_stack,
    judge_pixels,
)
from ...files.content import hash_file
from ...files.read import read_header, read_slope
from ...files.templates import write_planes
from ...flags import HOT, LOW_QE, OPEN, TELEGRAPH
from ...pipeline.bad_pixels import expose_pixels
from ...reference.selection import SKY_KINDS
from ...reference.sky_planes import load_sky_planes
from ..input.parameter_tree import Parameters
from .field_view import FieldView, open_view
from .products import (
    Made,
    Recipe,
    Workplace,
    input_files,
    reference_source,
    step_run,
)

MODULE = "program.tasks.make_bad_pixels"
FLAGS, RESPONSE = "DQ", "RESPONSE"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadPixelRequest:
    """Which exposures are laid on each other, and where the result goes.

    Attributes
    ----------
    rates : tuple of Path
        Of the first round, one detector and subarray, any filter.
    views : tuple of FieldView
        One for each.
    path : Path
    place : Workplace
    parameters : Parameters
    """

    rates: tuple[Path, ...]
    views: tuple[FieldView, ...]
    path: Path
    place: Workplace
    parameters: Parameters


def make_bad_pixels(request: BadPixelRequest) -> Made:
    """Find the bad pixels of one detector unless that is up to date.

    Raises
    ------
    RamplineError
        A product that is no longer whole, a missing reference file.
    """
    params = request.parameters.second_round.bad_pixels
    headers = [read_header(rate) for rate in request.rates]
    source = reference_source(request.place.references)
    files = [source.select(header, SKY_KINDS) for header in headers]
    seen = [path for view in request.views for path in view.files()]
    recipe = Recipe(
        module=MODULE,
        params=params,
        inputs=input_files((*request.rates, *seen)),
        references=files[0],
        also_used=tuple(file for some in files for file in some.used),
        words=(hash_file(request.views[0].alignment),),
    )
    if recipe.is_made(request.path):
        return Made(path=request.path, made=())
    readout = headers[0].readout
    stack = empty_stack((readout.n_rows, readout.n_cols))
    for rate, view, own in zip(request.rates, request.views, files, strict=True):
        image, outlook = read_slope(rate), open_view(view)
        planes = load_sky_planes(own, image.header)
        hidden, is_source = outlook.hidden(), outlook.sources()
        add_exposure(stack, expose_pixels(image, planes, hidden, is_source))
    found = judge_pixels(stack, params)
    content: dict[str, NDArray[Any]] = {FLAGS: found.flags, RESPONSE: found.response}
    steps = (step_run("bad_pixels", is_done=True),)
    write_planes(request.path, content, recipe.provenance(steps))
    note = f"{headers[0].detector}: {_counted(found)}"
    return Made(path=request.path, made=("bad_pixels",), note=note)


def _counted(found: BadPixels) -> str:
    kinds = (
        ("hot", HOT),
        ("of low response", LOW_QE),
        ("with telegraph noise", TELEGRAPH),
        ("open", OPEN),
    )
    counts = [
        f"{n} {name}"
        for name, bit in kinds
        if (n := int((found.flags & bit != 0).sum()))
    ]
    return ", ".join(counts) or "no further bad pixels"
