"""The noise of areas of a mosaic: its sky is `background`'s, the measurement `mosaic`'s."""

from collections.abc import Callable
from itertools import pairwise, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..background.sky_model import SkyModelParams, evaluate_sky, model_sky
from ..exposure.records import Mosaic, Plane
from ..mosaic.noise_curve import (
    NoiseCurve,
    NoiseCurveParams,
    Piece,
    measure_noise_curve,
    sum_all_boxes,
)
from .runner import Bench
from .worktable import nothing

PIECE: Final = 1024
"""Pixels a piece is wide: sixteen of the largest boxes."""
EVERY: Final = 16
"""Pixels between those that tell how much of a piece has data."""


def measure_mosaic_noise(
    mosaic: Mosaic,
    drop: tuple[float, float],
    bench: Bench,
    params: NoiseCurveParams,
    release: Callable[[], None] = nothing,
) -> NoiseCurve:
    """Measure the noise of areas of blank sky of a mosaic.

    Parameters
    ----------
    mosaic : Mosaic
        Its planes may be memory maps: some pieces are read.
    drop : (float, float)
        Side of the drop, and of the mosaic's pixel, over that of the exposures' pixel.
    bench : Bench
        Its threads take a piece each.
    params : NoiseCurveParams
    release : callable
        Called after each piece: what is mapped may leave memory.

    Returns
    -------
    NoiseCurve
        As predicted, without measurement, where the step is left out.
    """
    most = params.pieces if params.enabled else 0
    boxes = choose_pieces(mosaic.sky, most, release) if most else []
    pulls: list[tuple[NDArray[np.float64], ...]] = [()] * len(boxes)

    def look(k: int) -> None:
        pulls[k] = sum_all_boxes(_see_piece(mosaic, boxes[k]), params)
        release()

    bench.over(range(len(boxes)), look)
    return measure_noise_curve(pulls, drop)


def choose_pieces(
    sky: Plane, most: int, release: Callable[[], None] = nothing
) -> list[tuple[slice, slice]]:
    """Choose pieces of at most 1024 x 1024 pixels, half of which have data, evenly."""
    edges = [
        np.linspace(0, n, -(-n // PIECE) + 1).astype(int).tolist() for n in sky.shape
    ]
    rows, cols = ([slice(*pair) for pair in pairwise(e)] for e in edges)
    filled = []
    for row, col in product(rows, cols):
        some = slice(row.start, row.stop, EVERY), slice(col.start, col.stop, EVERY)
        if np.isfinite(sky[some]).mean() > 0.5:
            filled.append((row, col))
        if col is cols[-1]:
            release()
    if not filled or most == 0:
        return []
    chosen = np.linspace(0, len(filled) - 1, min(most, len(filled)))
    return [filled[k] for k in np.unique(np.rint(chosen).astype(int))]


def _see_piece(mosaic: Mosaic, box: tuple[slice, slice]) -> Piece:
    """Return a piece less its sky, with its sources masked."""
    sky, err = mosaic.sky[box], mosaic.err[box]
    known = np.isfinite(sky) & np.isfinite(err)
    found = model_sky(sky, known, SkyModelParams())
    signal = sky - evaluate_sky(found.coefficients, (sky.shape[0], sky.shape[1]))
    return Piece(signal, err, known & ~found.is_source)
