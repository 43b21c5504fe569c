"""From the aligned exposures of one filter to its mosaic.

Outliers first (`rampline.pipeline.find_outliers`), then the drizzle of what is left, window
by window. Windows go to the bench's threads; the result does not depend on how.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..astrometry.pixel_map import map_to_grid
from ..astrometry.point_spread import predict_point_spread
from ..exposure.geometry import Geometry, PixelMap
from ..exposure.grid import Grid
from ..exposure.header import Header
from ..exposure.records import Flags32, Mosaic, Plane, SkyImage
from ..flags import BAD_FOR_MOSAIC, DO_NOT_USE, OUTLIER
from ..mosaic.drizzle import (
    DrizzleInput,
    DrizzleParams,
    MosaicPlanes,
    add_exposure,
    finish_sums,
    reach,
    start_sums,
)
from ..mosaic.noise_curve import NoiseCurve, NoiseCurveParams
from ..mosaic.outliers import OutlierParams
from ..mosaic.weights import NoisePlanes, weigh_pixels
from ..mosaic.window import CONTEXT_BITS, Window, box_of, overlapping
from .dither_set import DitherSet, PackedMask, PlaneStore
from .exposure_cache import ExposureCache
from .find_outliers import outliers
from .mosaic_noise import Halves, choose_halves, measure_mosaic_noise
from .runner import Bench, Runner

BYTES_PER_PIXEL = 20
"""Five float32 planes of an exposure in the cache."""


MEMORY = PlaneStore()
"""Everything in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dither:
    """One exposure of a mosaic; its pixels stay on disk until they are needed.

    Attributes
    ----------
    header : Header
    geometry : Geometry
        Aligned.
    level_mjy_sr : float, MJy/sr
        Sky level to be taken off in the mosaic.
    load : callable
        Returns the calibrated image; may be called more than once.
    """

    header: Header
    geometry: Geometry
    level_mjy_sr: float
    load: Callable[[], SkyImage]


class CombinedDithers(NamedTuple):
    """A mosaic and what was found on the way."""

    mosaic: Mosaic
    packed: tuple[PackedMask, ...]
    """For each exposure the pixels that disagree with the others."""
    noise: NoiseCurve
    """Of areas of the mosaic."""

    @property
    def outliers(self) -> tuple[NDArray[np.bool_], ...]:
        """The same as masks, (rows, cols) bool."""
        return tuple(mask.open() for mask in self.packed)


def combine_dithers(
    dithers: Sequence[Dither],
    grid: Grid,
    name: str,
    run: Runner[None],
    params: tuple[OutlierParams, DrizzleParams, NoiseCurveParams],
    store: PlaneStore = MEMORY,
) -> CombinedDithers:
    """Make the mosaic of one filter.

    Parameters
    ----------
    dithers : sequence of Dither
        At least one, all of one filter.
    grid : Grid
    name : str
        Product root of the mosaic.
    run : Runner of None
        Keeps the trail of the steps.
    params : (OutlierParams, DrizzleParams, NoiseCurveParams)
    store : PlaneStore
        For exposures and the mosaic's planes.
    """
    outlier_params, drizzle_params, noise_params = params
    dither_set = lay_dithers(dithers, grid, run.bench, drizzle_params, store)
    if len(dithers) > 1:
        dither_set = run.maybe(outliers, dither_set, outlier_params)
    headers = tuple(dither.header for dither in dithers)
    halves = choose_halves(dither_set, headers, noise_params)
    planes = run(drizzle, (dither_set, halves), drizzle_params)
    dither_set.cache.clear()
    noise = measure_mosaic_noise(
        halves, dither_set, drizzle_params.pixfrac, noise_params
    )
    first = headers[0]
    mosaic = Mosaic(
        grid=grid,
        filter=first.filter,
        pupil=first.pupil,
        channel=first.channel,
        name=name,
        **planes._asdict(),
        pixel_area_sr=grid.pixel_area_sr,
        headers=headers,
    )
    return CombinedDithers(mosaic, tuple(dither_set.outliers), noise)


def lay_dithers(
    dithers: Sequence[Dither],
    grid: Grid,
    bench: Bench,
    params: DrizzleParams,
    store: PlaneStore,
) -> DitherSet:
    """Map all exposures onto the grid and make ready to load them."""
    shape = (grid.n_rows, grid.n_cols)
    maps = tuple(map_to_grid(dither.geometry, grid) for dither in dithers)
    pixels = max(int(np.prod(m.shape)) for m in maps)
    kept = store.max_bytes // (pixels * BYTES_PER_PIXEL)
    found = [PackedMask.of(np.zeros(m.shape, np.bool_)) for m in maps]

    def make(k: int) -> DrizzleInput:
        ready = prepare_exposure(dithers[k], maps[k], params)
        ready.weight[found[k].open()] = 0.0
        return ready

    return DitherSet(
        cache=ExposureCache(make, len(dithers), kept),
        maps=maps,
        boxes=tuple(box_of(m, shape) for m in maps),
        shape=shape,
        bench=bench,
        store=store,
        fwhm_px=_image_width(dithers[0].header),
        outliers=found,
    )


def _image_width(header: Header) -> float:
    """Return the width of a star's image in pixels."""
    wheels = header.filter, header.pupil, header.channel
    return predict_point_spread(*wheels).fwhm_px


def prepare_exposure(
    dither: Dither, pixel_map: PixelMap, params: DrizzleParams
) -> DrizzleInput:
    """Load one exposure and weigh its pixels.

    Its planes are one block of memory, which goes back to the system when the exposure has
    to go; planes one by one leave holes that the next ones do not fit into.
    """
    image = dither.load()
    stored = (image.sky, image.var_poisson, image.var_read, image.var_flat)
    block = np.empty((len(stored) + 1, *image.sky.shape), np.float32)
    sky, weight, noise = block[0], block[-1], NoisePlanes(*block[1:-1])
    for plane, values in zip(block, stored, strict=False):
        plane[:] = values
    weight[:] = weigh_pixels(sky, image.flags, noise, BAD_FOR_MOSAIC, params.weight)
    np.putmask(sky, weight == 0.0, np.nan)
    return DrizzleInput(
        sky=sky,
        weight=weight,
        noise=noise,
        pixel_map=pixel_map,
        level=dither.level_mjy_sr,
        exposure_s=dither.header.exposure_s,
    )


def drizzle(
    laid: tuple[DitherSet, Halves], _planes: None, params: DrizzleParams
) -> MosaicPlanes:
    """Drizzle all exposures onto the grid, one half after the other."""
    dither_set, halves = laid
    n = len(dither_set.cache)
    pad = max(reach(m) for m in dither_set.maps)
    planes = _empty_planes(dither_set, (n + CONTEXT_BITS - 1) // CONTEXT_BITS)

    def fill(window: Window) -> None:
        sums = start_sums(window, pad, n)
        near = overlapping(dither_set.boxes, window)
        for k in near:
            if not halves.is_second[k]:
                add_exposure(sums, dither_set.cache.take(k), k, params.pixfrac)
        half_way = halves.keep(sums)
        for k in near:
            if halves.is_second[k]:
                add_exposure(sums, dither_set.cache.take(k), k, params.pixfrac)
        halves.compare(half_way, sums)
        for plane, part in zip(planes, finish_sums(sums), strict=True):
            plane[(..., *window.slices)] = part
        dither_set.store.release()

    dither_set.bench.over(dither_set.windows(), fill)
    return planes


def _empty_planes(dither_set: DitherSet, n_context: int) -> MosaicPlanes:
    """Return planes of arbitrary content."""
    shape, make = dither_set.shape, dither_set.store.make

    def plane() -> Plane:
        return make(shape, np.float32)

    return MosaicPlanes(
        sky=plane(),
        err=plane(),
        weight=plane(),
        exposure_s=plane(),
        context=make((n_context, *shape), np.int32),
        var_poisson=plane(),
        var_read=plane(),
        var_flat=plane(),
    )


def mark_outliers(
    image: SkyImage, found: NDArray[np.bool_], geometry: Geometry
) -> SkyImage:
    """Return an exposure as it entered its mosaic: flagged and aligned.

    Parameters
    ----------
    image : SkyImage
    found : (rows, cols) bool
        Outliers; they get OUTLIER and DO_NOT_USE.
    geometry : Geometry
        Aligned.

    Returns
    -------
    SkyImage
        With the image's own planes; what is no longer usable is blanked when it is written.
    """
    flags: Flags32 = image.flags.copy()
    np.bitwise_or(flags, np.uint32(OUTLIER | DO_NOT_USE), out=flags, where=found)
    return replace(image, flags=flags, geometry=geometry)
