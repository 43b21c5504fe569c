"""The path from calibrated exposures to one mosaic for each filter, in order.

Only small tables pass from part to part, never images: a survey of each exposure (its
sources and the sky between them); the alignment of the field, all filters together; one grid
for all filters; and for each filter the sky levels, then the mosaic. `sky_to_mosaic` runs all
parts in one process; a scheduler may run them elsewhere, in the same order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..astrometry.aberration import spread_detectors
from ..astrometry.alignment import (
    Alignment,
    AlignmentParams,
    ImageAlignment,
    align_exposures,
)
from ..astrometry.distortion_update import update_geometry
from ..astrometry.footprint import grid_from_footprints, outline
from ..astrometry.geometry import (
    combine_corrections,
    mean_direction,
    sky_vectors,
    tangent_frame,
)
from ..astrometry.image_sources import place_references, place_sources
from ..astrometry.moving_target import follow_target, mean_place
from ..astrometry.pixel_map import map_pixels, map_to_grid
from ..astrometry.point_spread import predict_point_spread
from ..astrometry.reference_catalog import ReferenceStars
from ..astrometry.sources import PointSources, SourceParams, find_point_sources
from ..background.level_matching import (
    LevelMatchingParams,
    SkyCells,
    SkyLevels,
    cell_centres,
    match_levels,
    measure_sky_cells,
)
from ..background.sky_model import SkyModelParams, model_sky
from ..calibration.zero_points import ZeroPointParams
from ..exposure.geometry import Geometry
from ..exposure.grid import Grid
from ..exposure.header import Header, SkyPlace
from ..exposure.records import Flags32, SkyImage
from ..flags import BAD_FOR_MOSAIC, SATURATED
from ..mosaic.drizzle import DrizzleParams
from ..mosaic.noise_curve import NoiseCurveParams
from ..mosaic.outliers import OutlierParams
from ..params import Arcsec, Params, Unit
from .combine import CombinedDithers, Dither, combine_dithers
from .runner import Bench, Runner


class GridParams(Params):
    """The grid that all mosaics of a field share."""

    pixel_scale: Arcsec = 0.03
    """Pixel size."""
    position_angle: Annotated[float, Field(ge=-360, le=360), Unit("deg")] = 0.0
    """Of the row axis, from north towards east; 0 is north up."""
    cell: str = ""
    """Cell of the tessellation (card GRIDCELL of a mosaic), to fit an existing mosaic of a
    field near the border of two cells; empty: the nearest cell."""
    include_failed: bool = False
    """Whether exposures whose alignment FAILED enter the mosaics."""
    include_weak: bool = True
    """Whether exposures whose alignment is WEAK (not confirmed) enter the mosaics."""


class SkyToMosaic(Params):
    """Parameters of every step on this path, in the order of the path."""

    sources: SourceParams = SourceParams()
    """Point sources of each exposure."""
    alignment: AlignmentParams = AlignmentParams()
    """Relative and absolute alignment of all exposures."""
    grid: GridParams = GridParams()
    """The common grid."""
    levels: LevelMatchingParams = LevelMatchingParams()
    """Sky levels of the exposures of a filter."""
    outliers: OutlierParams = OutlierParams()
    """Pixels that disagree with the other dithers."""
    drizzle: DrizzleParams = DrizzleParams()
    """The mosaic."""
    noise: NoiseCurveParams = NoiseCurveParams()
    """Noise of areas of the mosaic."""
    zero_points: ZeroPointParams = ZeroPointParams()
    """Fluxes of stars on several detectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the alignment and the sky levels need of one exposure: small.

    Attributes
    ----------
    header : Header
    geometry : Geometry
        Before alignment.
    sources : PointSources
    sky : SkyCells
        ``grid_position`` holds rows and columns of the exposure.
    """

    header: Header
    geometry: Geometry
    sources: PointSources
    sky: SkyCells


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedField:
    """All exposures of a field after alignment, in the order given.

    Attributes
    ----------
    surveys : tuple of Survey
    geometries : tuple of Geometry
        Aligned, except where the alignment FAILED; turned with a moving target.
    alignment : Alignment
    still : SkyPlace or None
        Where a moving target stands still, its mean place; None: all lie in the sky's frame.
    """

    surveys: tuple[Survey, ...]
    geometries: tuple[Geometry, ...]
    alignment: Alignment
    still: SkyPlace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMosaics:
    """A field on one grid.

    Attributes
    ----------
    field : AlignedField
    grid : Grid
    combined : mapping of (filter, pupil) to CombinedDithers
        Exposures in the order of `split_filters`.
    """

    field: AlignedField
    grid: Grid
    combined: Mapping[tuple[str, str], CombinedDithers]


def survey_exposure(image: SkyImage, params: SkyToMosaic) -> Survey:
    """Find the sources of an exposure and measure the sky between them."""
    header, shape = image.header, image.geometry.shape
    usable = _without(image.flags, BAD_FOR_MOSAIC)
    spread = predict_point_spread(header.filter, header.pupil, header.channel)
    unsaturated = _without(image.flags, BAD_FOR_MOSAIC | SATURATED)
    sources = find_point_sources(
        image.sky, image.err, unsaturated, spread, params.sources
    )
    is_sky = usable
    if params.levels.field == "sky":
        is_sky = usable & ~model_sky(image.sky, usable, SkyModelParams()).is_source
    places = np.stack(cell_centres(shape, params.levels), axis=-1)
    cells = measure_sky_cells(image.sky, is_sky, places, params.levels)
    return Survey(header=header, geometry=image.geometry, sources=sources, sky=cells)


def _without(flags: Flags32, bits: int) -> NDArray[np.bool_]:
    """Return the pixels without any of the bits; in bands, so that these stay in cache."""
    out = np.empty(flags.shape, np.bool_)
    for first in range(0, len(flags), 32):
        rows = slice(first, first + 32)
        np.equal(flags[rows] & np.uint32(bits), 0, out=out[rows])
    return out


def align_field(
    surveys: Sequence[Survey], stars: ReferenceStars | None, params: AlignmentParams
) -> AlignedField:
    """Align all exposures of a field, all filters together.

    Parameters
    ----------
    surveys : sequence of Survey
        At least one.
    stars : ReferenceStars or None
        None: the exposures are aligned with each other only.
    params : AlignmentParams
    """
    frame = _field_frame([survey.geometry for survey in surveys])
    spread = [
        spread_detectors(s.geometry) if params.spread_detectors else s.geometry
        for s in surveys
    ]
    images = [
        place_sources(s.sources, g, s.header, frame)
        for s, g in zip(surveys, spread, strict=True)
    ]
    catalog = None
    if stars is not None:
        catalog = place_references(
            stars.ra_deg, stars.dec_deg, stars.error_arcsec, frame
        )
    alignment = align_exposures(images, catalog, params)
    alignment = _from_headers(alignment, surveys, spread)
    places = [survey.header.moving_target for survey in surveys]
    known = [place for place in places if place is not None]
    return place_exposures(surveys, alignment, mean_place(known) if known else None)


def place_exposures(
    surveys: Sequence[Survey], alignment: Alignment, still: SkyPlace | None
) -> AlignedField:
    """Lay an alignment on the exposures it was made of, all or some of them.

    Parameters
    ----------
    surveys : sequence of Survey
    alignment : Alignment
        With the images of the surveys, in the same order.
    still : SkyPlace or None
        Where a moving target is to stand still.
    """
    geometries = []
    for survey, image in zip(surveys, alignment.images, strict=True):
        geometry = _add_alignment(survey.geometry, image)
        target = survey.header.moving_target
        if still is not None and target is not None:
            geometry = follow_target(geometry, target, still)
        geometries.append(geometry)
    return AlignedField(
        surveys=tuple(surveys),
        geometries=tuple(geometries),
        alignment=alignment,
        still=still,
    )


def choose_grid(field: AlignedField, params: GridParams) -> Grid:
    """Choose the common grid of all mosaics of a field, from the tessellation of the sky.

    Raises
    ------
    ValueError
        If no exposure may enter a mosaic, if the exposures do not lie on one hemisphere, or
        if the tessellation has no cell of that name.
    """
    used = [field.geometries[k] for k in usable_exposures(field, params)]
    scale, angle = params.pixel_scale, params.position_angle
    return grid_from_footprints(used, scale, angle, params.cell)


def usable_exposures(field: AlignedField, params: GridParams) -> list[int]:
    """Return the numbers of the exposures that may enter a mosaic."""
    allowed = {
        "OK": True,
        "WEAK": params.include_weak,
        "FAILED": params.include_failed,
    }
    return [
        k for k, image in enumerate(field.alignment.images) if allowed[image.status]
    ]


def split_filters(
    field: AlignedField, params: GridParams
) -> dict[tuple[str, str], list[int]]:
    """Return the usable exposures of each filter and pupil, in the order given."""
    filters: dict[tuple[str, str], list[int]] = {}
    for k in usable_exposures(field, params):
        header = field.surveys[k].header
        filters.setdefault((header.filter, header.pupil), []).append(k)
    return filters


def level_exposures(
    field: AlignedField, members: Sequence[int], grid: Grid, params: LevelMatchingParams
) -> SkyLevels:
    """Match the sky levels of the exposures of one filter.

    Parameters
    ----------
    field : AlignedField
    members : sequence of int
        Numbers of the exposures.
    grid : Grid
    params : LevelMatchingParams

    Returns
    -------
    SkyLevels
        In the order of ``members``; zero levels where the step is left out.
    """
    if not params.enabled:
        unknown = np.full(len(members), np.nan)
        alone = np.arange(len(members))
        level = np.zeros(len(members))
        return SkyLevels(level=level, error=unknown, group=alone, differences=())
    return match_levels([_sky_on_grid(field, k, grid) for k in members], params)


def gather_dithers(
    field: AlignedField,
    members: Sequence[int],
    levels: SkyLevels,
    load: Callable[[int], SkyImage],
) -> list[Dither]:
    """Return the exposures of one filter as `combine_dithers` takes them.

    Parameters
    ----------
    field : AlignedField
    members : sequence of int
        Numbers of the exposures.
    levels : SkyLevels
        In the order of ``members``.
    load : callable
        Returns the calibrated image of exposure ``k``; may be called more than once.
    """
    return [
        Dither(
            header=field.surveys[k].header,
            geometry=field.geometries[k],
            level_mjy_sr=float(level),
            load=partial(load, k),
        )
        for k, level in zip(members, levels.level, strict=True)
    ]


def sky_to_mosaic(
    images: Sequence[SkyImage],
    stars: ReferenceStars | None,
    name: str,
    bench: Bench,
    params: SkyToMosaic,
) -> FieldMosaics:
    """Walk the exposures of one field, all in memory, to their mosaics.

    Parameters
    ----------
    images : sequence of SkyImage
        At least one, of any filters.
    stars : ReferenceStars or None
        None: the exposures are aligned with each other only.
    name : str
        Of the field, for the mosaics' names.
    bench : Bench
    params : SkyToMosaic

    Raises
    ------
    ValueError
        If no exposure may enter a mosaic.
    """
    surveys = [survey_exposure(image, params) for image in images]
    field = align_field(surveys, stars, params.alignment)
    grid = choose_grid(field, params.grid)
    combined = {}
    for (filter_, pupil), members in split_filters(field, params.grid).items():
        levels = level_exposures(field, members, grid, params.levels)
        dithers = gather_dithers(field, members, levels, images.__getitem__)
        run: Runner[None] = Runner(None, bench)
        title = f"{name}_{filter_}-{pupil}".lower()
        steps = (params.outliers, params.drizzle, params.noise)
        combined[filter_, pupil] = combine_dithers(dithers, grid, title, run, steps)
    return FieldMosaics(field=field, grid=grid, combined=combined)


def _field_frame(geometries: Sequence[Geometry]) -> NDArray[np.float64]:
    """Return the tangent frame at the mean of the exposures' corners, (3, 3)."""
    corners = np.concatenate([outline(g, points_per_edge=1) for g in geometries])
    vectors = sky_vectors(corners[:, 0], corners[:, 1])
    return tangent_frame(*mean_direction(vectors))


def _from_headers(
    alignment: Alignment, surveys: Sequence[Survey], spread: Sequence[Geometry]
) -> Alignment:
    """Return an alignment that includes what was added to the headers' places before."""
    images = tuple(
        replace(image, correction=combine_corrections(g.correction, image.correction))
        if g is not survey.geometry and image.status != "FAILED"
        else image
        for image, survey, g in zip(alignment.images, surveys, spread, strict=True)
    )
    return replace(alignment, images=images)


def _add_alignment(geometry: Geometry, image: ImageAlignment) -> Geometry:
    """Return a geometry with an alignment added to the one it already has.

    Its distortion is updated too, if the alignment has an update to apply.
    """
    combined = combine_corrections(geometry.correction, image.correction)
    update = image.applied_update
    if update is not None:
        nodes = update_geometry(geometry, update)
        return replace(geometry, v2v3_arcsec=nodes, correction=combined)
    return replace(geometry, correction=combined)


def _sky_on_grid(field: AlignedField, k: int, grid: Grid) -> SkyCells:
    """Return the sky of an exposure, the positions of its cells in pixels of the grid."""
    cells = field.surveys[k].sky
    pixel_map = map_to_grid(field.geometries[k], grid)
    own = cells.grid_position
    places = map_pixels(pixel_map, own[..., 0], own[..., 1])
    return replace(cells, grid_position=places)
