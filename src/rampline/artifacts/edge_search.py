"""Search the edges of a detector for light of stars that no catalogue names.

Type I dragon's breath enters at the point of the edge next to its star, and its geometry
is known: the search is a matched filter. Means of boxes of half its depth and half its
width, along each edge, are compared with those of the same boxes farther inside than any
plume reaches, so that the sky, faint sources and residual stripes set the scatter. Levels
of amplifier rows are subtracted with the plumes in them, which weakens those along rows
by half but lets none of the drift pass. 2MASS is complete to K = 14.3 (AB 16.2); plumes
of stars four magnitudes fainter are seen.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.records import Plane
from .bits import DRAGONS_BREATH_1
from .cells import Cells
from .edge_light import WALL_DEPTH_PX, WALL_HALF_WIDTH_PX, wall_box
from .expected import Expected
from .frames import SIDE, is_long
from .reach import in_cells
from .row_levels import without_row_levels
from .stray_fit import BLOCK as CELL

LEAST_KNOWN: Final = 0.3
"""Minimum fraction of known cells in a box."""
LEAST_BOXES: Final = 100
"""Minimum number of boxes from which to measure their scatter."""
_REACHED: Final = 2
"""Strips of boxes at either edge that plumes may reach."""
_NOTHING: Final = np.float32(np.nan)


class Frame(NamedTuple):
    """The detector of an exposure, and where a subarray lies on it."""

    detector: str
    first_pixel: tuple[int, int]
    """Row and column of the first pixel on the full detector."""


def search_edges(
    residual: Plane, is_source: NDArray[np.bool_], frame: Frame, significance: float
) -> list[Expected]:
    """Return the places where light enters at the edges of a detector.

    Parameters
    ----------
    residual : (rows, cols) float32
        Image minus its sky and its sources as far as they are known, 1/f stripes
        included; NaN on bad pixels and where other stray light is expected.
    is_source : (rows, cols) bool
    frame : Frame
    significance : float, sigma
        Minimum mean of a box, in units of the scatter of boxes.

    Returns
    -------
    list of Expected
        A box for each plume, pixels of this exposure; its strength is the mean of the
        half of it that was searched, in the unit of the image.
    """
    sky = np.where(is_source, _NOTHING, residual)
    even = without_row_levels(sky, np.zeros(sky.shape, np.bool_)).even
    cells = in_cells(even)
    long = is_long(frame.detector)
    found = []
    for axis, last in _detector_edges(frame, sky.shape):
        inward = cells if axis == 0 else cells.T
        inward = inward[::-1] if last else inward
        for along, excess in _search_edge(inward, significance, long=long):
            foot, away = [0.0, 0.0], [0.0, 0.0]
            foot[1 - axis] = float(sky.shape[axis] - 1 if last else 0)
            foot[axis] = CELL * (along + 0.5) - 0.5
            away[1 - axis] = -1.0 if last else 1.0
            found.append(
                Expected(
                    kind="dragons_breath_1",
                    bit=DRAGONS_BREATH_1,
                    detector=frame.detector,
                    corners=wall_box((foot[0], foot[1]), (away[0], away[1]), long=long),
                    strength=excess,
                    unit="DN/s",
                    cause="no star known",
                )
            )
    return found


def _detector_edges(frame: Frame, shape: tuple[int, ...]) -> Iterator[tuple[int, bool]]:
    """Yield the axis and end of the edges that an exposure shares with its detector."""
    for axis, (first, n) in enumerate(zip(frame.first_pixel, shape, strict=True)):
        if first == 0:
            yield axis, False
        if first + n == SIDE:
            yield axis, True


def _search_edge(
    cells: Cells, significance: float, *, long: bool
) -> Iterator[tuple[int, float]]:
    """Yield position along the first row of cells, and mean, of the light entering there."""
    depth = WALL_DEPTH_PX[long] // 2 // CELL
    half = WALL_HALF_WIDTH_PX[long] // 2 // CELL
    n_strips = cells.shape[0] // depth
    strips = np.array(
        [_strip(cells[k * depth : (k + 1) * depth], half) for k in range(n_strips)]
    )
    inside = strips[_REACHED:-_REACHED]
    inside = inside[np.isfinite(inside)]
    if inside.size < LEAST_BOXES * half:
        return
    # faint sources make the upper tail longer than that of noise
    level, high = (float(q) for q in np.percentile(inside, (50.0, 97.72)))
    above = np.nan_to_num(strips[0] - level, nan=0.0)
    while above.max() > significance * (high - level) / 2.0 > 0.0:
        best = int(above.argmax())
        yield best, float(above[best])
        above[max(0, best - 4 * half) : best + 4 * half + 1] = 0.0


def _strip(cells: Cells, half: int) -> NDArray[np.float64]:
    """Return means of boxes along a strip; NaN where few cells are known."""
    finite = np.isfinite(cells)
    count = finite.sum(axis=0).astype(np.float64)
    total = np.where(finite, cells, 0.0).sum(axis=0, dtype=np.float64)
    size = 2 * half + 1
    count, total = (
        scipy.ndimage.uniform_filter1d(values, size, mode="constant")
        for values in (count, total)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
    return np.where(count > LEAST_KNOWN * len(cells), mean, np.nan)
