"""The noise of areas of a mosaic, from the difference of two halves of its exposures.

Every other exposure of a detector is drizzled into one half, the others into the other. Half
the difference of the two has no sky and no sources in it, and the noise of the mosaic:
exactly, where both weigh the same.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..exposure.header import Header
from ..exposure.records import Plane
from ..mosaic.drizzle import add_exposure, finish_sums, reach, start_sums
from ..mosaic.noise_curve import (
    NoiseCurve,
    NoiseCurveParams,
    Piece,
    measure_noise_curve,
    sum_all_boxes,
)
from ..mosaic.window import Window, overlapping
from .dither_set import DitherSet, nothing

PIECE: Final = 1024
"""Width of a piece, pixels: sixteen of the largest boxes."""
EVERY: Final = 16
"""Step of the pixels that are looked at to see how much of a piece has data."""
BRIGHT: Final = 10.0
"""Of sources fainter than this, in sigma of a pixel, undersampling and what is left of
misalignment leave less in the difference than noise."""
REACH: Final = 5
"""Width of the square that is left out around a bright pixel."""


def measure_mosaic_noise(
    dither_set: DitherSet,
    sky: Plane,
    headers: Sequence[Header],
    pixfrac: float,
    params: NoiseCurveParams,
) -> NoiseCurve:
    """Measure the noise of areas of a mosaic, in some pieces of it.

    Parameters
    ----------
    dither_set : DitherSet
        With the exposures that the mosaic was made from.
    sky : (rows, cols) float32
        Of the mosaic: tells where data are. May be a memory map.
    headers : sequence of Header
        Of the exposures.
    pixfrac : float
        Side of the drop over the side of the exposures' pixel.
    params : NoiseCurveParams

    Returns
    -------
    NoiseCurve
        As predicted, without measurement, where the step is left out or no detector has
        looked twice.
    """
    is_second = split_exposures(headers)
    looked_twice = params.enabled and any(is_second)
    most = params.pieces if looked_twice else 0
    pieces = choose_pieces(sky, most, dither_set.store.release)
    pulls: list[tuple[NDArray[np.float64], ...]] = [()] * len(pieces)

    def look(k: int) -> None:
        piece = difference_of_halves(dither_set, pieces[k], is_second, pixfrac)
        pulls[k] = sum_all_boxes(piece, params)
        dither_set.store.release()

    dither_set.bench.over(range(len(pieces)), look)
    return measure_noise_curve(pulls, (pixfrac, dither_set.scale_ratio))


def split_exposures(headers: Sequence[Header]) -> list[bool]:
    """Return for each exposure whether it is of the second half: every other of a detector."""
    seen: Counter[str] = Counter()
    is_second = []
    for header in headers:
        is_second.append(seen[header.detector] % 2 == 1)
        seen[header.detector] += 1
    return is_second


def choose_pieces(
    sky: Plane, most: int, release: Callable[[], None] = nothing
) -> list[Window]:
    """Choose pieces of at most 1024 x 1024 pixels, more than half of them with data."""
    if not most:
        return []
    edges = [
        np.linspace(0, n, -(-n // PIECE) + 1).astype(int).tolist() for n in sky.shape
    ]
    filled = []
    for (top, bottom), (left, right) in product(*map(pairwise, edges)):
        some = np.s_[top:bottom:EVERY, left:right:EVERY]
        if np.isfinite(sky[some]).mean() > 0.5:
            filled.append(Window(top, bottom, left, right))
        release()
    chosen = np.linspace(0, len(filled) - 1, min(most, len(filled)))
    return [filled[k] for k in np.unique(np.rint(chosen).astype(int))]


def difference_of_halves(
    dither_set: DitherSet, window: Window, is_second: Sequence[bool], pixfrac: float
) -> Piece:
    """Return half the difference of the halves, without bright sources."""
    from scipy.ndimage import uniform_filter  # noqa: PLC0415 - 0.2 s, only for mosaics

    seen = overlapping(dither_set.boxes, window)
    pad = max(reach(dither_set.maps[k]) for k in seen)
    halves = start_sums(window, pad, 0), start_sums(window, pad, 0)
    for k in seen:
        add_exposure(halves[is_second[k]], dither_set.cache.take(k), k, pixfrac)
    first, second = map(finish_sums, halves)
    half = np.float32(0.5)
    signal, mean = half * (first.sky - second.sky), half * (first.sky + second.sky)
    err: Plane = half * np.hypot(first.err, second.err)
    is_known = np.isfinite(mean) & (err > 0)
    if is_known.any():
        signal -= np.median(signal[is_known])
        mean -= np.median(mean[is_known])
    is_bright = np.where(is_known, mean > BRIGHT * err, False)
    near_bright = uniform_filter(is_bright.astype(np.float32), REACH) > 0.5 / REACH**2
    return Piece(signal, err, is_known & ~near_bright)
