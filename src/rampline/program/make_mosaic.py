"""One filter of an aligned field: levels, outliers, drizzle; ``_i2d`` and its association."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import __version__
from ..astrometry.footprint import common_region, pixel_scale
from ..astrometry.gwcs_model import grid_gwcs
from ..astrometry.pixel_map import grid_cards
from ..exposure.grid import Grid
from ..exposure.header import Card, put_cards
from ..exposure.records import SkyImage
from ..files.catalogs import write_association
from ..files.names import product_name
from ..files.provenance import Provenance, StepRun
from ..files.read import read_gwcs
from ..files.write import write_sky
from ..files.write_mosaic import MosaicWorld, write_mosaic
from ..mosaic.noise import correlated_noise_factor
from ..params import walk_params
from ..pipeline.combine import CombinedDithers, Dither, combine_dithers, mark_outliers
from ..pipeline.exposure_geometry import realigned_wcs
from ..pipeline.runner import Footprint, Runner
from ..pipeline.sky_to_mosaic import SkyToMosaic, gather_dithers, level_exposures
from .alignment_table import read_alignment
from .make_survey import load_sky, read_survey
from .pictures import draw_mosaic
from .products import bench, input_file, is_current
from .task_key import hash_file, make_key

MODULE = "program.make_mosaic"


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicRequest:
    """What the task of one filter is to do.

    Attributes
    ----------
    surveys : tuple of Path
        Of all exposures of the field, as they were aligned.
    members : tuple of int
        Which of them are of this filter.
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
    members: tuple[int, ...]
    alignment: Path
    folder: Path
    pictures: Path
    name: str
    crf_folder: Path | None
    params: SkyToMosaic
    threads: int
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicResult:
    """A mosaic.

    Attributes
    ----------
    path : Path
    made : tuple of str
    """

    path: Path
    made: tuple[str, ...]


def make_mosaic(request: MosaicRequest) -> MosaicResult:
    """Make the mosaic of one filter unless it is up to date."""
    path = request.folder / product_name(request.name, "i2d")
    stored = [read_survey(survey) for survey in request.surveys]
    cals = [cal for cal, _ in stored]
    inputs = [input_file(cals[k]) for k in request.members]
    keeps = "crf" if request.crf_folder else ""
    hashes = [file.content_hash for file in inputs]
    hashes += [hash_file(request.alignment), keeps]
    key = make_key(MODULE, hashes, request.params)
    if is_current(path, key):
        return MosaicResult(path=path, made=())
    field, grid = read_alignment(request.alignment, [survey for _, survey in stored])
    levels = level_exposures(field, request.members, grid, request.params.levels)

    def load(k: int) -> SkyImage:
        return load_sky(cals[k])

    dithers = gather_dithers(field, request.members, levels, load)
    run: Runner[None] = Runner(None, bench(request.threads))
    steps = (request.params.outliers, request.params.drizzle)
    combined = combine_dithers(
        dithers, grid, request.name, run, steps, request.max_bytes
    )
    provenance = Provenance(
        version=__version__,
        steps=_steps(run.trail, request.params),
        parameters=tuple(walk_params(request.params)),
        inputs=tuple(inputs),
        task_key=key,
    )
    if request.crf_folder is not None:
        members = [cals[k] for k in request.members]
        _write_exposures(request.crf_folder, members, combined, dithers, provenance)
    _write_association(request, cals, dithers)
    world = _world(request, grid, dithers)
    write_mosaic(path, combined.mosaic, world, provenance)
    # those of the mosaic before
    for suffix, ending in (("cat", "ecsv"), ("segm", "fits")):
        name = product_name(request.name, suffix, ending)
        request.folder.joinpath(name).unlink(missing_ok=True)
    draw_mosaic(request.pictures, combined.mosaic)
    return MosaicResult(path=path, made=("i2d",))


def _steps(trail: Sequence[Footprint], params: SkyToMosaic) -> tuple[StepRun, ...]:
    """Return the steps up to the mosaic under the names that JWST's cards go by."""
    return (
        StepRun("alignment", 0.0),
        StepRun(
            "sky_matching", 0.0, "COMPLETE" if params.levels.enabled else "SKIPPED"
        ),
        *(StepRun(footprint.step, footprint.seconds) for footprint in trail),
    )


def _write_association(
    request: MosaicRequest, cals: Sequence[Path], dithers: Sequence[Dither]
) -> None:
    folder = request.folder.resolve()
    members = [os.path.relpath(cals[k].resolve(), folder) for k in request.members]
    program = dithers[0].header.program
    path = request.folder / product_name(request.name, "asn", "json")
    write_association(path, request.name, members, program, __version__)


def _world(
    request: MosaicRequest, grid: Grid, dithers: Sequence[Dither]
) -> MosaicWorld:
    geometries = [dither.geometry for dither in dithers]
    region = Card("S_REGION", common_region(geometries), "spatial extent of the mosaic")
    pixfrac = request.params.drizzle.pixfrac
    ratio = grid.scale_arcsec / pixel_scale(geometries[0])
    noise = Card(
        "CORRNOIS", correlated_noise_factor(pixfrac, ratio), "noise of areas over ERR"
    )
    return MosaicWorld(
        gwcs=grid_gwcs(grid),
        cards=(*grid_cards(grid), region, noise),
        pixel_fraction=pixfrac,
        scale_ratio=ratio,
        association=product_name(request.name, "asn", "json"),
    )


def _write_exposures(
    folder: Path,
    cals: Sequence[Path],
    combined: CombinedDithers,
    dithers: Sequence[Dither],
    provenance: Provenance,
) -> None:
    """Write each exposure as it entered the mosaic: ``_crf``."""
    for cal, found, dither in zip(cals, combined.outliers, dithers, strict=True):
        image = dither.load()
        marked = mark_outliers(image, found, dither)
        header = dither.header
        # `jwst` takes this level off when it goes on from here
        matched = (
            Card("BKGMETH", "match", "Background method"),
            Card("BKGLEVEL", dither.level_mjy_sr, "Computed background level"),
            Card("BKGSUB", False, "Was background subtracted from data?"),
        )
        cards = put_cards(header.primary, matched)
        marked = replace(marked, header=replace(header, primary=cards))
        world = realigned_wcs(read_gwcs(cal), image.geometry, marked.geometry, header)
        path = folder / product_name(header.root, "crf")
        write_sky(path, marked, world.gwcs, world.cards, provenance)
