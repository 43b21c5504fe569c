"""Angled stripes: spikes of extremely bright stars a few degrees away.

They cross a whole detector at one angle each. The angle is that at which the means of bins
along it differ most; a direction counts if it stands out of all others. What is subtracted is
the profile of the clipped means across it. Rows and columns are left to the correction of 1/f
noise.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.selection import MAD_TO_SIGMA, robust_scatter
from ..params import Count, Sigma, StepParams

BLOCK: Final = 4
"""Pixels that a block of the search and a bin of a profile are wide."""
COARSE_DEG, FINE_DEG = 1.0, 0.1
NEAR_AXIS_DEG: Final = 3.0
"""Directions this close to rows or columns are not searched."""
CLIP: Final = 3.0
CLIP_ROUNDS: Final = 3
LEAST_BLOCKS: Final = 16
"""In a bin, for its mean to count."""


class AngledStripeParams(StepParams):
    """When angled stripes are believed."""

    significance: Sigma = 5.0
    """Of a direction over the scatter of all others."""
    most: Count = 6
    """Directions at most."""


class AngledStripes(NamedTuple):
    """Stripes of one exposure."""

    light: Plane
    """(rows, cols): what is to be subtracted, in the unit of the image."""
    err: float
    """Standard error of a bin of the profiles, all directions together."""
    angles_deg: tuple[float, ...]
    """Directions along the stripes, from the columns' axis (+x) towards the rows' (+y)."""


def find_angled_stripes(residual: Plane, params: AngledStripeParams) -> AngledStripes:
    """Find the stripes of an exposure.

    Parameters
    ----------
    residual : (rows, cols) float32
        Image less its sky; NaN on sources, other stray light and bad pixels.
    params : AngledStripeParams

    Returns
    -------
    AngledStripes
    """
    blocks, place = _blocks(residual)
    light = np.zeros(residual.shape, np.float32)
    found: list[float] = []
    variance = 0.0
    for _ in range(params.most):
        angle = _direction(_even(blocks, place), place, params.significance)
        if angle is None:
            break
        centres, means, error = _profile(blocks, place, angle)
        found.append(angle)
        variance += error**2
        blocks = blocks - np.interp(_across(place, angle), centres, means)
        rows, cols = np.ogrid[: residual.shape[0], : residual.shape[1]]
        s, c = np.sin(np.radians(angle)), np.cos(np.radians(angle))
        across = (c * rows - s * cols).ravel()
        light += (
            np.interp(across, centres, means).reshape(residual.shape).astype(np.float32)
        )
    return AngledStripes(light, float(np.sqrt(variance)), tuple(found))


Vector = NDArray[np.float64]
Place = tuple[Vector, Vector]


def _blocks(residual: Plane) -> tuple[Vector, Place]:
    """Return the means of blocks, extremes clipped, and the rows and columns of their centres."""
    rows, cols = (n // BLOCK for n in residual.shape)
    cut = residual[: rows * BLOCK, : cols * BLOCK].reshape(rows, BLOCK, cols, BLOCK)
    finite = np.isfinite(cut)
    count = finite.sum(axis=(1, 3))
    total = np.where(finite, cut, 0.0).sum(axis=(1, 3), dtype=np.float64)
    used = count >= BLOCK * BLOCK // 2
    values = np.asarray(total[used] / count[used], np.float64)
    row, col = (index.astype(np.float64) for index in np.nonzero(used))
    middle = (BLOCK - 1) / 2.0
    return values, (BLOCK * row + middle, BLOCK * col + middle)


def _across(place: Place, angle_deg: float) -> Vector:
    """Return positions across a direction, pixels."""
    s, c = np.sin(np.radians(angle_deg)), np.cos(np.radians(angle_deg))
    return np.asarray(c * place[0] - s * place[1])


def _even(values: Vector, place: Place) -> Vector:
    """Return blocks less the means of their rows and columns: what 1/f noise leaves."""
    for along in place:
        index = (along / BLOCK).astype(np.intp)
        count = np.maximum(np.bincount(index), 1)
        means = np.bincount(index, weights=values) / count
        values = np.asarray(values - means[index], np.float64)
    return values


def _direction(values: Vector, place: Place, significance: float) -> float | None:
    """Return the direction along which stripes run, None where none stands out."""
    if values.size == 0:
        return None
    angles = np.arange(-90.0, 90.0, COARSE_DEG)
    to_axis = np.abs((angles + 45.0) % 90.0 - 45.0)
    angles = angles[to_axis > NEAR_AXIS_DEG]
    power = np.array([_power(values, place, angle) for angle in angles])
    middle = float(np.median(power))
    scatter = robust_scatter(power)
    best = int(power.argmax())
    if not power[best] > middle + significance * scatter:
        return None
    fine = angles[best] + np.arange(-COARSE_DEG, COARSE_DEG + FINE_DEG / 2, FINE_DEG)
    return float(fine[int(np.argmax([_power(values, place, angle) for angle in fine]))])


def _power(values: Vector, place: Place, angle_deg: float) -> float:
    """Return the variance between bins along a direction, each weighted by its blocks."""
    total, count, _ = _binned(values, _across(place, angle_deg))
    good = count >= LEAST_BLOCKS
    means = total[good] / count[good]
    level = np.average(means, weights=count[good]) if good.any() else 0.0
    return float((count[good] * (means - level) ** 2).sum())


def _profile(
    values: Vector, place: Place, angle_deg: float
) -> tuple[Vector, Vector, float]:
    """Return centres and clipped means of the bins across a direction, and their error."""
    across = _across(place, angle_deg)
    used = np.ones(values.size, np.bool_)
    means: Vector = np.zeros(1)
    centres: Vector = np.zeros(1)
    error = 0.0
    for _ in range(CLIP_ROUNDS):
        total, count, first = _binned(values[used], across[used])
        good = count >= LEAST_BLOCKS
        bins = np.flatnonzero(good).astype(np.float64)
        centres = np.asarray(first + BLOCK * (bins + 0.5), np.float64)
        means = np.asarray(total[good] / count[good], np.float64)
        residual = values - np.interp(across, centres, means)
        scatter = float(np.median(np.abs(residual[used]))) * MAD_TO_SIGMA
        error = scatter / float(np.sqrt(np.median(count[good])))
        used = np.abs(residual) < CLIP * scatter
    return centres, means - np.median(means), error


def _binned(values: Vector, across: Vector) -> tuple[Vector, Vector, float]:
    """Return sums and numbers of the blocks in bins, and where the first bin begins."""
    first = float(across.min())
    index = ((across - first) / BLOCK).astype(np.intp)
    count = np.bincount(index).astype(np.float64)
    total = np.asarray(np.bincount(index, weights=values), np.float64)
    return total, count, first
