"""Single exposures resampled onto a window of the grid, from which the median is taken.

An exposure is interpolated at the position of each output pixel, or drizzled, as in the
JWST pipeline. With drizzling or linear interpolation, the median of an undersampled
star loses half of its peak, and dithers in which the star is centred on a pixel look
like cosmic-ray hits; the cubic through 4 x 4 pixels preserves the peak. Where one of
these pixels is unusable, the usable ones of the nearest four are interpolated linearly,
provided they carry most of the weight.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import PixelMap
from ..exposure.records import Plane
from ..numerics.jit import kernel
from ..numerics.nodes import count_nodes, interpolate_row, invert_nodes
from .blot import cubic_at
from .drizzle import DrizzleInput, add_exposure, reach, start_sums
from .median import UNUSABLE
from .window import Lattice, Window

CLIP_SIGMA = 3.0
CLIP_ROUNDS = 5
SAMPLES_PER_SIDE = 256
STEP = 32
"""Distance between the nodes of an inverse map, pixels."""


def invert_map(pixel_map: PixelMap, box: Window) -> Lattice:
    """Return the positions on an exposure of the pixels of a box of the grid.

    Parameters
    ----------
    pixel_map : PixelMap
    box : Window
        Of the grid; rows and columns of the lattice are counted from its first pixel.

    Returns
    -------
    Lattice
        NaN far from the exposure.
    """
    rows, cols = (
        -STEP + STEP * np.arange(count_nodes(max(1, n), STEP, -STEP)) for n in box.shape
    )
    places = np.empty((len(rows), len(cols), 2))
    places[..., 0] = (box.row_start + rows)[:, None]
    places[..., 1] = box.col_start + cols
    m = pixel_map
    return Lattice(invert_nodes(m.nodes, m.step, m.origin, places), STEP, -STEP)


def sample_exposures(
    exposures: Sequence[DrizzleInput],
    inverses: Sequence[tuple[Lattice, Window]],
    least: float,
    window: Window,
) -> Plane:
    """Interpolate exposures at the pixels of a window, each separately.

    Parameters
    ----------
    exposures : sequence of DrizzleInput
        The sky is NaN where the weight is 0.
    inverses : sequence of (Lattice, Window)
        For each exposure the inverse map and the box for which it holds.
    least : float
        Minimum usable fraction of the interpolation weight of the four nearest pixels.
    window : Window

    Returns
    -------
    (exposures, rows, cols) float32, MJy/sr
        With the sky level subtracted; NaN outside an exposure, infinite where it has no
        usable pixels.
    """
    layers = np.empty((len(exposures), *window.shape), np.float32)
    for layer, one, (lattice, box) in zip(layers, exposures, inverses, strict=True):
        first = window.row_start - box.row_start, window.col_start - box.col_start
        limits = np.float32(one.level), least
        sample_rows(one.sky, lattice, first, limits, layer)
    return layers


def drizzle_exposures(
    exposures: Sequence[DrizzleInput], least: NDArray[np.float64], window: Window
) -> Plane:
    """Drizzle exposures onto a window, each separately and with its weights.

    Parameters
    ----------
    exposures : sequence of DrizzleInput
    least : (exposures,) float64
        For each exposure the drizzled weight below which a pixel is excluded: a
        fraction of its `typical_weight`.
    window : Window

    Returns
    -------
    (exposures, rows, cols) float32, MJy/sr
        With the sky level subtracted; NaN where an exposure has no data.
    """
    layers = np.full((len(least), *window.shape), np.nan, np.float32)
    for layer, exposure, lowest in zip(layers, exposures, least, strict=True):
        sums = start_sums(window, reach(exposure.pixel_map), 0)
        add_exposure(sums, exposure, 0, 1.0)
        total, weights = sums.inner[..., 0], sums.inner[..., 1]
        thick = (weights > 0) & (weights >= lowest)
        np.divide(total, weights, out=layer, where=thick, casting="unsafe")
    return layers


def typical_weight(exposure: DrizzleInput) -> float:
    """Return the weight of an output pixel that an exposure fully covers.

    Parameters
    ----------
    exposure : DrizzleInput

    Returns
    -------
    float
        The mean of the pixels' weights after up to five rounds of 3-sigma clipping,
        divided by the area of an input pixel in output pixels; 0 for an exposure
        without a usable pixel.

    Notes
    -----
    The JWST pipeline takes the clipped mean of the drizzled weight image. Drizzle
    conserves the sum of the weights, so inside the exposure the two are equal, and this
    one is known before any window is drizzled. A regular sample of the pixels is used.
    """
    rows, cols = (max(1, n // SAMPLES_PER_SIDE) for n in exposure.weight.shape)
    weight = exposure.weight[::rows, ::cols].astype(np.float64)
    weight = weight[weight > 0]
    for _ in range(CLIP_ROUNDS):
        if weight.size == 0:
            return 0.0
        middle, spread = np.median(weight), weight.std()
        kept = weight[np.abs(weight - middle) <= CLIP_SIGMA * spread]
        if kept.size == weight.size:
            break
        weight = kept
    return float(weight.mean()) / pixel_area(exposure.pixel_map)


def typical_sky(exposure: DrizzleInput) -> float:
    """Return the median of the usable pixels minus the sky level, MJy/sr; 0 if none."""
    rows, cols = (max(1, n // SAMPLES_PER_SIDE) for n in exposure.weight.shape)
    sky = exposure.sky[::rows, ::cols][exposure.weight[::rows, ::cols] > 0]
    return float(np.median(sky)) - exposure.level if sky.size else 0.0


def pixel_area(pixel_map: PixelMap) -> float:
    """Return the mean area of a pixel of an exposure in pixels of the grid."""
    nodes, step = pixel_map.nodes, pixel_map.step
    down = np.diff(nodes[:, :-1], axis=0) / step
    along = np.diff(nodes[:-1], axis=1) / step
    cross = down[..., 0] * along[..., 1] - down[..., 1] * along[..., 0]
    return float(np.abs(cross).mean())


@kernel
def sample_rows(
    sky: NDArray[np.float32],
    lattice: Lattice,
    first: tuple[int, int],
    limits: tuple[np.float32, float],
    out: NDArray[np.float32],
) -> None:
    """Fill ``out`` with an exposure at output pixels starting at ``first``.

    ``limits`` are the sky level and the minimum fraction of usable weight.
    """
    nodes, step, origin = lattice
    level, least = limits
    rows, cols = sky.shape
    places = np.empty((2, out.shape[1]))
    for r in range(out.shape[0]):
        at = float(first[0] + r)
        interpolate_row(nodes, step, origin, at, float(first[1]), places)
        for c in range(out.shape[1]):
            row, col = places[0, c], places[1, c]
            value = np.float32(np.nan)
            if -0.5 < row < rows - 0.5 and -0.5 < col < cols - 0.5:
                value = np.float32(cubic_at(sky, row, col))
                if np.isnan(value):
                    value = sample_usable(sky, row, col, least)
                    value = UNUSABLE if np.isnan(value) else value
            out[r, c] = value - level


@kernel
def sample_usable(
    sky: NDArray[np.float32], row: float, col: float, least: float
) -> np.float32:
    """Interpolate between the finite pixels; NaN where their share is below ``least``."""
    rows, cols = sky.shape
    i, j = int(np.floor(row)), int(np.floor(col))
    total = 0.0
    share = 0.0
    for m in range(2):
        for n in range(2):
            y, x = i + m, j + n
            if 0 <= y < rows and 0 <= x < cols and not np.isnan(sky[y, x]):
                w = (1.0 - abs(row - y)) * (1.0 - abs(col - x))
                total += w * sky[y, x]
                share += w
    return np.float32(total / share) if share >= least else np.float32(np.nan)
