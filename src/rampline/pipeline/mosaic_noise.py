"""The noise of areas of a mosaic, from the difference of two halves of its exposures.

Every other exposure of a detector is of one half, the others of the other. Half the
difference of the two has no sky and no sources in it, and the noise of the mosaic: exactly,
where both weigh the same. The mosaic is drizzled half by half, so that the first one needs
only be looked at on the way.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise, product
from typing import Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..astrometry.pixel_map import map_pixels
from ..exposure.geometry import PixelMap
from ..exposure.header import Header
from ..mosaic.drizzle import Sums
from ..mosaic.noise_curve import (
    NoiseCurve,
    NoiseCurveParams,
    Piece,
    compare_halves,
    measure_noise_curve,
    sum_all_boxes,
)
from ..mosaic.window import Window
from ..numerics.polygon import fill_polygon
from .dither_set import DitherSet

PIECE: Final = 1024
"""Width of a piece, pixels: sixteen of the largest boxes."""
EVERY: Final = 16
"""Step of the pixels that are looked at to see how much of a piece has data."""
BRIGHT: Final = 10.0
"""Of sources fainter than this, in sigma of a pixel, undersampling and what is left of
misalignment leave less in the difference than noise."""
REACH: Final = 5
"""Width of the square that is left out around a bright pixel."""


class HalfWay(NamedTuple):
    """A window as the exposures of the first half have left it.

    Attributes
    ----------
    piece : int
    shared : Window
        What piece and window share.
    values : (rows, cols, 5) float64
        Sums of what they share, as in `rampline.mosaic.drizzle.Sums`.
    """

    piece: int
    shared: Window
    values: NDArray[np.float64]


class Halves(NamedTuple):
    """Two halves of the exposures, and some pieces of the grid in which they are compared.

    Attributes
    ----------
    is_second : list of bool
        For each exposure whether it is of the second half.
    pieces : list of Window
    found : list of (3, rows, cols) float32, MJy/sr
        For each piece half the difference of the halves, their mean, and the error of half
        the difference.
    """

    is_second: list[bool]
    pieces: list[Window]
    found: list[NDArray[np.float32]]

    def keep(self, sums: Sums) -> list[HalfWay]:
        """Keep what is to be compared of a window; the first half has been added."""
        kept = []
        for k, piece in enumerate(self.pieces):
            shared = sums.window.shared_with(piece)
            if min(shared.shape) > 0:
                part = sums.inner[shared.within(sums.window)]
                kept.append(HalfWay(k, shared, part.copy()))
        return kept

    def compare(self, kept: list[HalfWay], sums: Sums) -> None:
        """Compare the halves in a window; the second one has been added too."""
        for k, shared, values in kept:
            both = sums.inner[shared.within(sums.window)]
            out = self.found[k][(slice(None), *shared.within(self.pieces[k]))]
            compare_halves(values, both, out)


def choose_halves(
    dither_set: DitherSet, headers: Sequence[Header], params: NoiseCurveParams
) -> Halves:
    """Choose halves of the exposures and pieces of the grid.

    Parameters
    ----------
    dither_set : DitherSet
    headers : sequence of Header
        Of the exposures.
    params : NoiseCurveParams

    Returns
    -------
    Halves
        Without pieces where the step is left out or no detector has looked twice.
    """
    is_second = split_exposures(headers)
    looked_twice = params.enabled and any(is_second)
    is_seen = cover_grid(dither_set.maps, dither_set.shape)
    pieces = choose_pieces(is_seen, dither_set.shape, params.pieces * looked_twice)
    found = [np.full((3, *piece.shape), np.nan, np.float32) for piece in pieces]
    return Halves(is_second, pieces, found)


def measure_mosaic_noise(
    halves: Halves, dither_set: DitherSet, pixfrac: float, params: NoiseCurveParams
) -> NoiseCurve:
    """Measure the noise of areas of a mosaic, in some pieces of it.

    Parameters
    ----------
    halves : Halves
        As compared by the drizzle.
    dither_set : DitherSet
    pixfrac : float
        Side of the drop over the side of the exposures' pixel.
    params : NoiseCurveParams

    Returns
    -------
    NoiseCurve
        As predicted, without measurement, where there are no pieces.
    """
    pulls: list[tuple[NDArray[np.float64], ...]] = [()] * len(halves.pieces)

    def look(k: int) -> None:
        pulls[k] = sum_all_boxes(without_sources(halves.found[k]), params)

    dither_set.bench.over(range(len(pulls)), look)
    return measure_noise_curve(pulls, (pixfrac, dither_set.scale_ratio))


def split_exposures(headers: Sequence[Header]) -> list[bool]:
    """Return for each exposure whether it is of the second half: every other of a detector."""
    seen: Counter[str] = Counter()
    is_second = []
    for header in headers:
        is_second.append(seen[header.detector] % 2 == 1)
        seen[header.detector] += 1
    return is_second


def cover_grid(maps: Sequence[PixelMap], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels of the grid lie on an exposure: only every 16th of each axis."""
    coarse = -(-shape[0] // EVERY), -(-shape[1] // EVERY)
    is_seen = np.zeros(coarse, np.bool_)
    for pixel_map in maps:
        bottom, right = (n - 0.5 for n in pixel_map.shape)
        corners = map_pixels(
            pixel_map, (-0.5, -0.5, bottom, bottom), (-0.5, right, right, -0.5)
        )
        is_seen |= fill_polygon(corners[:, ::-1] / EVERY, coarse)
    return is_seen


def choose_pieces(
    is_seen: NDArray[np.bool_], shape: tuple[int, int], most: int
) -> list[Window]:
    """Choose pieces of at most 1024 x 1024 pixels, more than half of them with data."""
    if not most:
        return []
    edges = [np.linspace(0, n, -(-n // PIECE) + 1).astype(int).tolist() for n in shape]
    filled = []
    for (top, bottom), (left, right) in product(*map(pairwise, edges)):
        rows, cols = (
            slice(-(-start // EVERY), -(-stop // EVERY))
            for start, stop in ((top, bottom), (left, right))
        )
        if is_seen[rows, cols].mean() > 0.5:
            filled.append(Window(top, bottom, left, right))
    chosen = np.linspace(0, len(filled) - 1, min(most, len(filled)))
    return [filled[k] for k in np.unique(np.rint(chosen).astype(int))]


def without_sources(found: NDArray[np.float32]) -> Piece:
    """Return half the difference of the halves, bright sources left out.

    ``found`` is what `Halves` has of a piece.
    """
    signal, mean, err = found
    is_known = np.isfinite(mean) & (err > 0)
    if is_known.any():
        signal = signal - np.median(signal[is_known])
        mean = mean - np.median(mean[is_known])
    is_bright = np.where(is_known, mean > BRIGHT * err, False)
    near_bright = (
        scipy.ndimage.uniform_filter(is_bright.astype(np.float32), REACH)
        > 0.5 / REACH**2
    )
    return Piece(signal, err, is_known & ~near_bright)
