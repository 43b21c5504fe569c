"""Find the pixels of each exposure that disagree with the other dithers of one filter.

Two passes over the pixels: the median of the dithers, window by window of the grid, and the
comparison of each exposure with it, band by band. Windows and exposures go to the bench's
threads; the result does not depend on how.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..mosaic.blot import blot_interval
from ..mosaic.layers import (
    drizzle_exposures,
    invert_map,
    sample_exposures,
    typical_sky,
    typical_weight,
)
from ..mosaic.median import median_of_layers
from ..mosaic.outliers import CONTRADICTION, OutlierParams, flag_outliers
from ..mosaic.window import Window, overlapping
from .worktable import ShelfItem, Worktable

BAND_ROWS = 64
HALO = 2
"""Rows next to a band that decide on it: a neighbour's neighbour."""


def outliers(table: Worktable, _planes: None, params: OutlierParams) -> Worktable:
    """Compare each exposure with the median of all; what disagrees loses its weight."""
    exposures = range(len(table.shelf))
    typical, blank = np.zeros((2, len(exposures)))

    def measure(k: int) -> None:
        ready = table.shelf.take(k).ready
        typical[k], blank[k] = typical_weight(ready), typical_sky(ready)

    table.bench.over(exposures, measure)
    median = median_of_dithers(table, typical, float(np.nanmedian(blank)), params)

    def compare(k: int) -> None:
        item, found = table.shelf.take(k), table.outliers[k]
        for start in range(0, found.shape[0], BAND_ROWS):
            rows = slice(start, min(start + BAND_ROWS, found.shape[0]))
            found[rows] = judge_rows(item, median, rows, params)
        item.ready.weight[found] = 0.0

    table.bench.over(exposures, compare)
    return table


def median_of_dithers(
    table: Worktable, typical: NDArray[np.float64], blank: float, params: OutlierParams
) -> Plane:
    """Return the median of all exposures on the whole grid, without their sky levels.

    ``typical`` is the weight of an output pixel that each of them covers fully, ``blank``
    what is left of the sky.
    """
    median = np.empty(table.shape, np.float32)
    with np.errstate(divide="ignore"):
        tolerance = CONTRADICTION**2 / typical
    boxes = zip(table.maps, table.boxes, strict=True)
    inverses = [(invert_map(pixel_map, box), box) for pixel_map, box in boxes]

    def fill(window: Window) -> None:
        seen = overlapping(table.boxes, window)
        ready = [table.shelf.take(k).ready for k in seen]
        if params.algorithm == "jwst":
            least = params.least_weight * typical[seen]
            layers = drizzle_exposures(ready, least, window)
        else:
            near = [inverses[k] for k in seen]
            layers = sample_exposures(ready, near, params.least_weight, window)
        median[window.slices] = median_of_layers(layers, tolerance[seen], blank)

    table.bench.over(table.windows(), fill)
    return median


def judge_rows(
    item: ShelfItem, median: Plane, rows: slice, params: OutlierParams
) -> NDArray[np.bool_]:
    """Return which pixels of a band of an exposure disagree with the median."""
    ready = item.ready
    start = max(0, rows.start - HALO)
    wide = slice(start, min(rows.stop + HALO, len(item.err)))
    cubic, linear = blot_interval(median, ready.pixel_map, wide)
    first = linear if params.algorithm == "jwst" else cubic
    found = flag_outliers(
        ready.sky[wide], item.err[wide], (first, linear), ready.level, params
    )
    return found[rows.start - start : rows.stop - start]
