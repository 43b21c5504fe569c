"""One filter of an aligned field: levels, outliers, drizzle; ``_i2d`` and its association."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from ... import __version__
from ...astrometry.distortion_update import DistortionUpdate
from ...astrometry.footprint import common_region, pixel_scale
from ...astrometry.pixel_map import grid_cards
from ...astrometry.wcs_tree import grid_tree
from ...calibration.zero_points import ZeroPoints
from ...exposure.grid import Grid
from ...exposure.header import Card
from ...exposure.records import SkyImage
from ...files.catalogs import write_association
from ...files.content import hash_file
from ...files.names import product_name
from ...files.provenance import NOT_MEASURED, Provenance, StepRun
from ...files.scratch import ScratchPlanes
from ...files.write_mosaic import MosaicWorld, write_mosaic
from ...mosaic.correlation import correlated_noise_factor
from ...mosaic.noise_curve import NoiseCurve
from ...pipeline.combine import Dither, combine_dithers
from ...pipeline.dither_set import PackedMask, PlaneStore
from ...pipeline.runner import Runner, StepRecord
from ...pipeline.sky_to_mosaic import (
    AlignedField,
    SkyToMosaic,
    Survey,
    gather_dithers,
    level_exposures,
)
from ...pipeline.zero_points import compare_zero_points
from ..engines.budget import planes_bytes
from .alignment_table import read_alignment
from .make_crf import CrfRequest, are_current
from .make_survey import load_sky, read_survey
from .pictures import draw_mosaic
from .products import Made, Recipe, bench, input_files

MODULE = "program.tasks.make_mosaic"
COMPUTED = ("DQ",)
"""Extensions of an exposure that are read; the others are copied as they are needed."""
APERTURES = (3, 10, 33)
"""Widths in pixels of the apertures whose noise the header tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicRequest:
    """What the task of one filter is to do.

    Attributes
    ----------
    surveys : tuple of Path
        Of the exposures of this filter.
    alignment : Path
    folder, pictures : Path
    name : str
        Root of the product.
    crf_folder : Path or None
        Where the exposures as they entered the mosaic go, if they are kept.
    params : SkyToMosaic
    threads : int
    max_bytes : int
        For exposures in memory.
    """

    surveys: tuple[Path, ...]
    alignment: Path
    folder: Path
    pictures: Path
    name: str
    crf_folder: Path | None
    params: SkyToMosaic
    threads: int
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicResult(Made):
    """A mosaic.

    Attributes
    ----------
    exposures : tuple of CrfRequest
        What is yet to be written of its exposures.
    """

    exposures: tuple[CrfRequest, ...] = ()


def make_mosaic(request: MosaicRequest) -> MosaicResult:
    """Make the mosaic of one filter unless it is up to date."""
    path = request.folder / product_name(request.name, "i2d")
    stored = [read_survey(survey) for survey in request.surveys]
    cals = [cal for cal, _ in stored]
    recipe = Recipe(
        module=MODULE,
        params=request.params,
        inputs=input_files(cals),
        words=(hash_file(request.alignment), "crf" if request.crf_folder else ""),
    )
    roots = [survey.header.root for _, survey in stored]
    are_kept = are_current(request.crf_folder, roots, recipe.key)
    if recipe.is_made(path) and are_kept:
        return MosaicResult(path=path, made=())
    field, grid = read_alignment(request.alignment, [survey for _, survey in stored])
    members = range(len(cals))
    start = perf_counter()
    levels = level_exposures(field, members, grid, request.params.levels)
    levels_s = perf_counter() - start

    def load(k: int) -> SkyImage:
        return load_sky(cals[k], stored[k][1].geometry, COMPUTED)

    dithers = gather_dithers(field, members, levels, load)
    run: Runner[None] = Runner(None, bench(request.threads))
    params = request.params
    steps = params.outliers, params.drizzle, params.noise
    store = _plane_store(request, grid, len(cals))
    combined = combine_dithers(dithers, grid, request.name, run, steps, store)
    steps_run = _steps(run.trail, request.params, levels_s)
    provenance = recipe.provenance(steps_run)
    _write_association(request, cals, dithers)
    world = _world(request, grid, dithers, field)
    zero_points = compare_zero_points(field, members, grid, request.params.zero_points)
    world = _with_tables(world, combined.noise, zero_points)
    mosaic, release = combined.mosaic, store.release
    jobs: list[Callable[[], object]] = [
        partial(draw_mosaic, request.pictures, mosaic, release),
        partial(write_mosaic, path, mosaic, world, provenance, release),
    ]
    run.bench.over(jobs, _run)
    # those of the mosaic before
    for suffix, ending in (("cat", "ecsv"), ("segm", "fits")):
        name = product_name(request.name, suffix, ending)
        request.folder.joinpath(name).unlink(missing_ok=True)
    updates = [image.applied_update for image in field.alignment.images]
    entered = zip(stored, dithers, updates, combined.packed, strict=True)
    folder = request.crf_folder
    exposures = [_crf_request(*one, provenance, folder) for one in entered if folder]
    return MosaicResult(path=path, made=("i2d",), exposures=tuple(exposures))


def _plane_store(request: MosaicRequest, grid: Grid, n_exposures: int) -> PlaneStore:
    """Return where exposures and planes are kept: in memory only planes that are small."""
    n_bytes = planes_bytes(grid.n_rows * grid.n_cols, n_exposures)
    if n_bytes <= request.max_bytes // 4:
        return PlaneStore(request.max_bytes)
    scratch = ScratchPlanes(request.folder)
    return PlaneStore(request.max_bytes, scratch.make, scratch.release)


def _steps(
    trail: Sequence[StepRecord], params: SkyToMosaic, levels_s: float
) -> tuple[StepRun, ...]:
    """Return the steps up to the mosaic under the names that JWST's cards go by."""
    return (
        # of the whole field, before
        StepRun("alignment", NOT_MEASURED),
        StepRun("sky_matching", levels_s)
        if params.levels.enabled
        else StepRun("sky_matching", 0.0, "SKIPPED"),
        *(StepRun(record.step, record.seconds) for record in trail),
    )


def _write_association(
    request: MosaicRequest, cals: Sequence[Path], dithers: Sequence[Dither]
) -> None:
    folder = request.folder.resolve()
    members = [os.path.relpath(cal.resolve(), folder) for cal in cals]
    program = dithers[0].header.program
    path = request.folder / product_name(request.name, "asn", "json")
    write_association(path, request.name, members, program, __version__)


def _world(
    request: MosaicRequest,
    grid: Grid,
    dithers: Sequence[Dither],
    field: AlignedField,
) -> MosaicWorld:
    geometries = [dither.geometry for dither in dithers]
    region = Card("S_REGION", common_region(geometries), "spatial extent of the mosaic")
    pixfrac = request.params.drizzle.pixfrac
    ratio = grid.scale_arcsec / pixel_scale(geometries[0])
    noise = Card(
        "CORRNOIS", correlated_noise_factor(pixfrac, ratio), "noise of areas over ERR"
    )
    return MosaicWorld(
        gwcs=grid_tree(grid),
        cards=(*grid_cards(grid), region, noise, *alignment_cards(field)),
        pixel_fraction=pixfrac,
        scale_ratio=ratio,
        association=product_name(request.name, "asn", "json"),
        weight_noise="read+sky" if request.params.drizzle.weight == "sky" else "read",
    )


def _with_tables(
    world: MosaicWorld, curve: NoiseCurve, zero_points: ZeroPoints | None
) -> MosaicWorld:
    """Return the world with what was measured: noise of areas, fluxes of detectors."""
    tables = {"NOISE": curve.table()}
    if zero_points is not None:
        tables["ZEROPOINTS"] = zero_points.table()
    factors = tuple(
        Card(
            f"NOISE{width}",
            curve.factor(np.pi * width**2 / 4.0),
            f"noise of apertures {width} pixels wide over ERR",
        )
        for width in APERTURES
    )
    return replace(world, cards=(*world.cards, *factors), tables=tables)


def alignment_cards(field: AlignedField) -> tuple[Card, ...]:
    """Return how far the mosaic's exposures and its place on the sky can be trusted."""
    alignment = field.alignment
    statuses = [image.status for image in alignment.images]
    still = field.still
    moving = (
        ()
        if still is None
        else (
            Card(
                "MT_AVRA", still.ra_deg, "[deg] Moving target average RA over exposures"
            ),
            Card(
                "MT_AVDEC",
                still.dec_deg,
                "[deg] Moving target average Dec over exposures",
            ),
        )
    )
    return (
        Card("ALIGNOK", statuses.count("OK"), "exposures whose alignment is OK"),
        Card("ALIGNWK", statuses.count("WEAK"), "exposures of WEAK alignment"),
        Card("ALIGNFL", statuses.count("FAILED"), "exposures of FAILED alignment"),
        Card(
            "ALIGNCAT", alignment.n_catalog, "reference stars that the field hangs on"
        ),
        *moving,
    )


def _crf_request(
    stored: tuple[Path, Survey],
    dither: Dither,
    update: DistortionUpdate | None,
    found: PackedMask,
    provenance: Provenance,
    folder: Path,
) -> CrfRequest:
    """Return what is to be written of an exposure that entered the mosaic."""
    cal, survey = stored
    return CrfRequest(
        name=f"{dither.header.root}_crf",
        cal=cal,
        before=survey.geometry,
        after=dither.geometry,
        update=update,
        level_mjy_sr=dither.level_mjy_sr,
        outliers=found,
        provenance=provenance,
        folder=folder,
    )


def _run(job: Callable[[], object]) -> None:
    job()
