"""Find the pixels of each exposure that disagree with the other dithers of one filter.

Two passes over the pixels: the median of the dithers, window by window of a grid, and the
comparison of each exposure with it, band by band. The grid is the mosaic's, or one with a
few times as many rows where the mosaic's pixels are larger than the exposures', or stars so
narrow that a median on such pixels would say little of them. Windows and exposures go to the
bench's threads; the result does not depend on how.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import PixelMap
from ..exposure.records import Plane
from ..mosaic.blot import blot_straight, curve_blot
from ..mosaic.drizzle import DrizzleInput
from ..mosaic.layers import (
    drizzle_exposures,
    invert_map,
    sample_exposures,
    typical_sky,
    typical_weight,
)
from ..mosaic.median import median_of_layers
from ..mosaic.outliers import (
    OutlierParams,
    doubtful_pixels,
    flag_outliers,
)
from ..mosaic.undersampling import (
    InterpolationErrors,
    contrast_of_dithers,
    interpolation_errors,
    interpolation_share,
)
from ..mosaic.window import Window, overlapping
from .dither_set import DitherSet, PackedMask

BAND_ROWS = 64
HALO = 5
"""Rows next to a band that decide on it: two to what is found around a pixel, one to what
confirms that, two to the brightest pixel near."""
COARSEST, COARSEST_FOR_NARROW = 1.1, 0.7
"""Pixel of the grid of the median over pixel of the exposures, at most; the second where
stars are so narrow that interpolation misses their peaks by more than is allowed anyway."""


@dataclass(frozen=True, slots=True)
class StaticModel:
    """What pixels are held against.

    Attributes
    ----------
    median : (grid rows, grid cols) float32, MJy/sr
    errors : InterpolationErrors
    params : OutlierParams
    """

    median: Plane
    errors: InterpolationErrors
    params: OutlierParams


class Typical(NamedTuple):
    """What the exposures are like where there is only sky.

    Attributes
    ----------
    weight : (exposures,) float64
        Of an output pixel that each of them covers fully.
    blank : float, MJy/sr
        What is left of the sky.
    """

    weight: NDArray[np.float64]
    blank: float


def outliers(dither_set: DitherSet, _planes: None, params: OutlierParams) -> DitherSet:
    """Compare each exposure with the median of all; what disagrees loses its weight."""
    typical = measure_exposures(dither_set)
    fine = dither_set.refined(refinement(dither_set, params))
    median = median_of_dithers(fine, typical, params)
    errors = interpolation_errors(fine.fwhm_px, fine.scale_ratio)
    model = StaticModel(median, errors, params)

    def compare(k: int) -> None:
        ready = dither_set.cache.take(k)
        n_rows = len(ready.sky)
        found = np.empty(ready.sky.shape, np.bool_)
        for start in range(0, n_rows, BAND_ROWS):
            rows = slice(start, min(start + BAND_ROWS, n_rows))
            found[rows] = compare_rows(ready, model, fine.maps[k], rows)
        ready.weight[found] = 0.0
        dither_set.outliers[k] = PackedMask.of(found)
        dither_set.store.release()

    dither_set.bench.over(range(len(dither_set.cache)), compare)
    return dither_set


def measure_exposures(dither_set: DitherSet) -> Typical:
    """Measure weight and blank sky of all exposures."""
    weight, blank = np.zeros((2, len(dither_set.cache)))

    def measure(k: int) -> None:
        ready = dither_set.cache.take(k)
        weight[k], blank[k] = typical_weight(ready), typical_sky(ready)

    dither_set.bench.over(range(len(dither_set.cache)), measure)
    return Typical(weight, float(np.nanmedian(blank)))


def median_of_dithers(
    dither_set: DitherSet, typical: Typical, params: OutlierParams
) -> Plane:
    """Return the median of all exposures on the whole grid, without their sky levels."""
    median: Plane = dither_set.store.make(dither_set.shape, np.float32)
    is_plain = params.algorithm == "jwst"
    contrast = np.inf if is_plain else contrast_of_dithers(dither_set.fwhm_px)
    boxes = zip(dither_set.maps, dither_set.boxes, strict=True)
    inverses = [(invert_map(pixel_map, box), box) for pixel_map, box in boxes]

    def fill(window: Window) -> None:
        wide = window.grown(1, dither_set.shape)
        seen = overlapping(dither_set.boxes, wide)
        ready = [dither_set.cache.take(k) for k in seen]
        if is_plain:
            least = params.least_weight * typical.weight[seen]
            layers = drizzle_exposures(ready, least, wide)
        else:
            near = [inverses[k] for k in seen]
            layers = sample_exposures(ready, near, params.least_weight, wide)
        part = median_of_layers(layers, typical.blank, contrast)
        median[window.slices] = part[window.within(wide)]
        dither_set.store.release()

    dither_set.bench.over(dither_set.windows(), fill)
    return median


def refinement(dither_set: DitherSet, params: OutlierParams) -> int:
    """Return how many rows of the median's grid make one of the mosaic's.

    The JWST pipeline takes the mosaic's grid whatever its pixels.
    """
    if params.algorithm == "jwst":
        return 1
    is_narrow = interpolation_share(dither_set.fwhm_px) > params.scale_first
    coarsest = COARSEST_FOR_NARROW if is_narrow else COARSEST
    return max(1, int(np.ceil(dither_set.scale_ratio / coarsest)))


def compare_rows(
    ready: DrizzleInput, model: StaticModel, pixel_map: PixelMap, rows: slice
) -> NDArray[np.bool_]:
    """Return which pixels of a band of an exposure disagree with the median."""
    start = max(0, rows.start - HALO)
    wide = slice(start, min(rows.stop + HALO, len(ready.sky)))
    # the total error is the sum of its parts: one plane less to keep
    err = np.sqrt(sum(variance[wide] for variance in ready.noise))
    sky, level, params = ready.sky[wide], ready.level, model.params
    straight = curved = blot_straight(model.median, pixel_map, wide)
    if params.algorithm != "jwst":
        where = doubtful_pixels(sky, err, straight, level, params)
        curved = curve_blot(model.median, pixel_map, wide, straight, where)
    blots = curved, straight
    found = flag_outliers(sky, err, blots, level, model.errors, params)
    return found[rows.start - start : rows.stop - start]
