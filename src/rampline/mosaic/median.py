"""The sky without its passing events: the median of the dithers.

Each exposure is drizzled alone onto the window; output pixels that it covers too thinly
are left out; the median of the others is the picture that outliers are held against.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.jit import kernel
from .drizzle import DrizzleInput, add_exposure, reach, start_sums
from .window import Window

CLIP_SIGMA = 3.0
CLIP_ROUNDS = 5
SAMPLES_PER_SIDE = 256


def median_of_exposures(
    exposures: Iterable[DrizzleInput],
    least: NDArray[np.float64],
    tolerance: NDArray[np.float64],
    window: Window,
    *,
    alike: bool = True,
) -> Plane:
    """Return the median of exposures on a window of the grid.

    Parameters
    ----------
    exposures : iterable of DrizzleInput
        Taken one after the other.
    least : (exposures,) float64
        Of each exposure the drizzled weight below which a pixel is left out; a share of
        its `typical_weight`.
    tolerance : (exposures,) float64, (MJy/sr)**2
        Of each exposure: two contradict each other where the square of their difference is
        above the sum of their tolerances.
    window : Window
    alike : bool
        Whether all usable pixels have the weight 1. A pixel near a saturated one has few
        groups and little weight: it would count less than its neighbours, and the flank of
        the star would move.

    Returns
    -------
    (rows, cols) float32, MJy/sr
        NaN where fewer than two exposures are left: one exposure cannot judge itself.
        The JWST pipeline keeps that one. Where two are left their mean, but the lower one
        where they contradict each other, because what passes by is bright: held against
        the mean, as the JWST pipeline does it, both would be flagged and leave a hole.
    """
    layers = np.full((len(least), *window.shape), np.nan, np.float32)
    for layer, exposure, lowest in zip(layers, exposures, least, strict=True):
        sums = start_sums(window, reach(exposure.pixel_map), 0)
        add_exposure(sums, exposure, 0, 1.0, alike=alike)
        total, weights = sums.inner[..., 0], sums.inner[..., 1]
        thick = (weights > 0) & (weights >= lowest)
        np.divide(total, weights, out=layer, where=thick, casting="unsafe")
    median = np.empty(window.shape, np.float32)
    median_of_layers(layers, tolerance, median)
    return median


def typical_weight(exposure: DrizzleInput, *, alike: bool = False) -> float:
    """Return the weight of an output pixel that an exposure covers fully.

    Parameters
    ----------
    exposure : DrizzleInput
    alike : bool
        Whether all pixels that have a weight have the weight 1.

    Returns
    -------
    float
        The mean of the pixels' weights after clipping at 3 sigma, five times, over the area
        of an input pixel in output pixels; 0 for an exposure without a usable pixel.

    Notes
    -----
    The JWST pipeline takes the clipped mean of the drizzled weight image. Drizzle keeps the
    sum of the weights, so inside the exposure the two are equal, and this one is known
    before any window is drizzled. A regular sample of the pixels is enough.
    """
    rows, cols = (max(1, n // SAMPLES_PER_SIDE) for n in exposure.weight.shape)
    weight = exposure.weight[::rows, ::cols].astype(np.float64)
    weight = weight[weight > 0]
    if alike:
        weight = np.ones_like(weight)
    for _ in range(CLIP_ROUNDS):
        if weight.size == 0:
            return 0.0
        middle, spread = np.median(weight), weight.std()
        kept = weight[np.abs(weight - middle) <= CLIP_SIGMA * spread]
        if kept.size == weight.size:
            break
        weight = kept
    return float(weight.mean()) / _pixel_area(exposure)


def _pixel_area(exposure: DrizzleInput) -> float:
    """Return the mean area of an input pixel in output pixels."""
    nodes, step = exposure.pixel_map.nodes, exposure.pixel_map.step
    down = np.diff(nodes[:, :-1], axis=0) / step
    along = np.diff(nodes[:-1], axis=1) / step
    cross = down[..., 0] * along[..., 1] - down[..., 1] * along[..., 0]
    return float(np.abs(cross).mean())


@kernel
def median_of_layers(
    layers: NDArray[np.float32],
    tolerance: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Write the median over the first axis, NaN left out, NaN where fewer than two remain.

    Two layers give their mean, or the lower one where the square of their difference is
    above the sum of their tolerances. Insertion sort: for a dozen dithers nothing is
    faster on single pixels.
    """
    n_layers, rows, cols = layers.shape
    sorted_ = np.empty(n_layers, np.float32)
    for row in range(rows):
        for col in range(cols):
            n = 0
            allowed = 0.0
            for k in range(n_layers):
                value = layers[k, row, col]
                if np.isnan(value):
                    continue
                place = n
                while place > 0 and sorted_[place - 1] > value:
                    sorted_[place] = sorted_[place - 1]
                    place -= 1
                sorted_[place] = value
                allowed += tolerance[k]
                n += 1
            middle = np.float32(np.nan)
            if n % 2 and n > 2:
                middle = sorted_[n // 2]
            elif n > 1:
                pair = sorted_[n // 2 - 1] + sorted_[n // 2]
                middle = np.float32(0.5) * pair
            if n == 2 and (sorted_[1] - sorted_[0]) ** 2 > allowed:
                middle = sorted_[0]
            out[row, col] = middle
