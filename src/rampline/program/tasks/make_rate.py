"""From a raw exposure to its slopes: ``_uncal`` to ``_rate`` and ``_rateints``."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from ...detector.flicker_noise import FlickerNoiseParams
from ...errors import InputError, MissingReferenceError
from ...exposure.header import Header
from ...exposure.records import SlopeImage
from ...files.content import hash_file
from ...files.names import product_name
from ...files.provenance import InputFile, StepRun
from ...files.read import read_ramp
from ...files.write import write_slope, write_slope_ints
from ...flags import REFERENCE_PIXEL
from ...pipeline.ramp_to_slope import RampToSlope, ramp_to_slope
from ...pipeline.runner import Runner
from ...reference.ramp_planes import load_ramp_planes
from ...reference.selection import RAMP_KINDS
from ...reference.sky_planes import FlatField, load_flat
from .artifact_list import artifact_list_path
from .make_ledger import read_held
from .products import (
    Recipe,
    Workplace,
    bench,
    list_steps,
    log_findings,
    reference_source,
)

log = logging.getLogger(__name__)

MODULE = "program.tasks.make_rate"


class Finish(Protocol):
    """What is done to new slopes before they are written."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What of it cannot be done, in words of the products."""

    def words(self) -> list[str]:
        """Return what of it determines the slopes."""

    def finish(
        self, image: SlopeImage, flicker: FlickerNoiseParams, place: Workplace
    ) -> tuple[SlopeImage, tuple[StepRun, ...]]:
        """Return the slopes and what was done to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateResult:
    """A ``_rate`` file.

    Attributes
    ----------
    path : Path
    slope : SlopeImage or None
        What was written; None where the file was up to date.
    """

    path: Path
    slope: SlopeImage | None


def make_rate(
    raw: Path,
    header: Header,
    place: Workplace,
    params: RampToSlope,
    held: Path | None = None,
    finish: Finish | None = None,
) -> RateResult:
    """Make the slopes of one exposure unless they are up to date.

    Parameters
    ----------
    raw : Path
    header : Header
        Of the raw file.
    place : Workplace
    params : RampToSlope
    held : Path or None
        Charge of earlier exposures, from the detector's ledger.
    finish : Finish or None
        What is done to the slopes before they are written.

    Raises
    ------
    RamplineError
        One line that says why there are no slopes.
    """
    path, readout = place.folder / product_name(header.root, "rate"), header.readout
    kinds = (*RAMP_KINDS, "ipc") if params.ipc.enabled else RAMP_KINDS
    files = reference_source(place.references).select(header, kinds)
    flat = _flat(header, place) if params.flicker_noise.enabled else None
    words = [] if held is None else [hash_file(held)]
    recipe = Recipe(
        module=MODULE,
        params=params,
        inputs=(InputFile(raw.name, hash_file(raw)),),
        references=files,
        also_used=() if flat is None else flat.files,
        words=(*words, *(finish.words() if finish is not None else ())),
    )
    if recipe.is_made(path):
        return RateResult(path=path, slope=None)
    tools = bench(place.threads)
    shape = (readout.n_ints, readout.n_groups, readout.n_rows, readout.n_cols)
    planes = load_ramp_planes(files, header, want_ipc=params.ipc.enabled)
    if flat is not None:
        planes = replace(planes, flat=flat.flat)
    if held is not None:
        planes = replace(planes, held=read_held(held))
    run = Runner(planes, tools)
    # without a name here the samples' memory serves the slopes
    slope = ramp_to_slope(
        read_ramp(raw, tools.workspace.lend(shape, np.uint16)), run, params
    )
    _refuse_empty(raw, slope)
    steps = list_steps(run.trail, params)
    problems: tuple[str, ...] = ()
    artifact_list_path(place.folder, header.root).unlink(missing_ok=True)
    if finish is not None:
        slope, more = finish.finish(slope, params.flicker_noise, place)
        steps, problems = (*steps, *more), finish.problems
    provenance = recipe.provenance(steps, problems)
    log_findings(header, slope.header)
    if slope.integrations is not None:
        ints = place.folder / product_name(header.root, "rateints")
        write_slope_ints(ints, slope, provenance)
    write_slope(path, slope, provenance)
    return RateResult(path=path, slope=slope)


def _flat(header: Header, place: Workplace) -> FlatField | None:
    """Return the flat by which stripes are told from the sky, or none: slopes need none."""
    try:
        files = reference_source(place.references).select(header, ("flat",))
        return load_flat(files, header)
    except MissingReferenceError as error:
        log.warning("stripes are measured without a flat: %s", error)
        return None


def _refuse_empty(raw: Path, slope: SlopeImage) -> None:
    """Refuse an exposure without a single slope: nothing can come of it."""
    rows = zip(slope.planes.slope, slope.planes.flags, strict=True)
    # most are left after a few rows
    if not any(
        np.isfinite(slopes[flags & REFERENCE_PIXEL == 0]).any()
        for slopes, flags in rows
    ):
        what = "no pixel has a slope: all are saturated, flagged or without data"
        raise InputError(str(raw), what, "leave it out with --exclude")
