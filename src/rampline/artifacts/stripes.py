"""Angled stripes: spikes of extremely bright stars a few degrees away.

They cross a whole detector, 30 degrees to either side of V3 wherever they were seen, so they
are sought there only: the angle is that at which the means of bins along it differ most, and
a direction counts if it stands out of those around. 1/f noise varies along rows as stripes
do along theirs; levels of amplifier rows and profiles of all directions are therefore fitted
in turn, each on what the others leave (backfitting). What is subtracted is the profile of
the clipped means across each direction.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..exposure.records import Plane
from ..numerics.selection import MAD_TO_SIGMA, robust_scatter
from ..params import Sigma, StepParams
from .stray_fit import output_width

BLOCK: Final = 4
"""Pixels that a block of the search and a bin of a profile are wide."""
SPIKES_DEG: Final = (60.0, -60.0)
"""Directions of the spikes, from the columns' axis: V3 is along the columns."""
SEARCH_DEG: Final = 8.0
"""Either way: the detectors are turned by less than a degree; the rest is for safety."""
AROUND_DEG: Final = 24.0
"""Power at a direction is compared with that of all directions as far as this."""
COARSE_DEG, FINE_DEG = 1.0, 0.1
CLIP: Final = 3.0
CLIP_ROUNDS: Final = 3
SWEEPS, ANGLE_SWEEPS = 6, 2
BRIGHT: Final = 4.0
"""Blocks this far from the others are no stripes, sigma."""
SMOOTHING_BINS: Final = 1.5
"""Of a profile, where no bin stands out of its neighbours."""
LEAST_BLOCKS: Final = 16
"""In a bin, for its mean to count."""
SLOW_ROWS: Final = 16.0
"""Blocks: standard deviation of the Gaussian that tells slow changes from 1/f noise."""
Vector = NDArray[np.float64]
Place = tuple[Vector, Vector]


class AngledStripeParams(StepParams):
    """When angled stripes are believed."""

    significance: Sigma = 5.0
    """Of a direction over the scatter of those around."""


class AngledStripes(NamedTuple):
    """Stripes of one exposure."""

    light: Plane
    """(rows, cols): what is to be subtracted, in the unit of the image."""
    err: float
    """Standard error of a bin of the profiles, all directions together."""
    angles_deg: tuple[float, ...]
    """Directions along the stripes, from the columns' axis (+x) towards the rows' (+y)."""


class _Profile(NamedTuple):
    """Stripes of one direction."""

    angle_deg: float
    centres: Vector
    """Of the bins across it, pixels."""
    means: Vector
    err: float

    def at(self, place: Place) -> Vector:
        """Return the light at rows and columns."""
        across = _across(place, self.angle_deg)
        return np.asarray(np.interp(across, self.centres, self.means))


class _Rows(NamedTuple):
    """Which amplifier row each block lies on."""

    number: NDArray[np.intp]
    shape: tuple[int, int]
    """Rows and amplifiers."""

    def level(self, values: Vector) -> Vector:
        """Return values less the levels of the amplifier rows, slow changes kept.

        Two profiles crossing make a slope along the rows as well as levels do.
        """
        size = self.shape[0] * self.shape[1]
        count = np.maximum(np.bincount(self.number, minlength=size), 1)
        mean = np.bincount(self.number, weights=values, minlength=size) / count
        mean = mean.reshape(self.shape)
        fast = mean - ndimage.gaussian_filter1d(mean, SLOW_ROWS, axis=0)
        return np.asarray(values - fast.ravel()[self.number])


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
    rows = _amplifier_rows(place, residual.shape)
    found: list[_Profile] = []
    spikes = list(SPIKES_DEG)
    while spikes:
        left = rows.level(blocks - _total(found, place))
        best = max((_direction(left, place, spike), spike) for spike in spikes)
        (ratio, angle), spike = best
        if not ratio > params.significance:
            break
        spikes.remove(spike)
        empty: Vector = np.zeros(2)
        found.append(_Profile(angle, empty, empty, 0.0))
        _fit_in_turn(found, blocks, place, rows)
    error = float(np.sqrt(sum(profile.err**2 for profile in found)))
    angles = tuple(profile.angle_deg for profile in found)
    return AngledStripes(_draw(found, residual.shape), error, angles)


def _fit_in_turn(
    found: list[_Profile], blocks: Vector, place: Place, rows: _Rows
) -> None:
    """Replace each direction, angle and profile, by what the others and the rows leave."""
    for sweep in range(SWEEPS):
        for k, profile in enumerate(found):
            others = _total([p for p in found if p is not profile], place)
            own = profile.at(place)
            even = rows.level(blocks - others - own) + own
            angle = profile.angle_deg
            if sweep < ANGLE_SWEEPS:
                angle = _refine(even, place, angle)
            found[k] = _profile(even, place, angle)


def _total(profiles: Sequence[_Profile], place: Place) -> Vector:
    """Return the light of several directions at rows and columns."""
    total: Vector = np.zeros(place[0].shape)
    for profile in profiles:
        total = total + profile.at(place)
    return total


def _draw(profiles: Sequence[_Profile], shape: tuple[int, ...]) -> Plane:
    """Return the light of all directions on the frame: evaluated on blocks, interpolated."""
    light = np.zeros(shape, np.float32)
    if profiles:
        n_blocks = [-(-n // BLOCK) for n in shape]
        middle = (BLOCK - 1) / 2.0
        rows, cols = (BLOCK * index + middle for index in np.indices(n_blocks))
        blocks = _total(profiles, (rows, cols)).astype(np.float32)
        wide = ndimage.zoom(blocks, BLOCK, order=1, mode="nearest", grid_mode=True)
        light[...] = wide[: shape[0], : shape[1]]
    return light


def _blocks(residual: Plane) -> tuple[Vector, Place]:
    """Return means of blocks, bright ones left out, and the places of their centres."""
    rows, cols = (n // BLOCK for n in residual.shape)
    cut = residual[: rows * BLOCK, : cols * BLOCK].reshape(rows, BLOCK, cols, BLOCK)
    finite = np.isfinite(cut)
    count = finite.sum(axis=(1, 3))
    total = np.where(finite, cut, np.float32(0)).sum(axis=(1, 3), dtype=np.float64)
    mean = total / np.maximum(count, 1)
    used = count >= BLOCK * BLOCK // 2
    if used.any():
        used &= np.abs(mean - np.median(mean[used])) < BRIGHT * robust_scatter(
            mean[used]
        )
    row, col = (index.astype(np.float64) for index in np.nonzero(used))
    middle = (BLOCK - 1) / 2.0
    return np.asarray(mean[used]), (BLOCK * row + middle, BLOCK * col + middle)


def _amplifier_rows(place: Place, shape: tuple[int, ...]) -> _Rows:
    """Return the amplifier rows of blocks of a frame."""
    n_rows, n_cols = shape
    width = output_width(n_cols)
    row, output = (
        (place[0] // BLOCK).astype(np.intp),
        (place[1] // width).astype(np.intp),
    )
    n_outputs = n_cols // width
    return _Rows(row * n_outputs + output, (-(-n_rows // BLOCK), n_outputs))


def _across(place: Place, angle_deg: float) -> Vector:
    """Return positions across a direction, pixels."""
    s, c = np.sin(np.radians(angle_deg)), np.cos(np.radians(angle_deg))
    return np.asarray(c * place[0] - s * place[1])


def _direction(values: Vector, place: Place, spike_deg: float) -> tuple[float, float]:
    """Return the significance of the best direction near a spike, and the direction."""
    if values.size == 0:
        return 0.0, spike_deg
    off = np.arange(-AROUND_DEG, AROUND_DEG + COARSE_DEG / 2, COARSE_DEG)
    power = np.array([_power(values, place, spike_deg + angle) for angle in off])
    # slow changes of the power with the angle are those of compact light
    near = np.abs(off) <= SEARCH_DEG
    excess = power - np.polynomial.Polynomial.fit(off[~near], power[~near], 2)(off)
    best = int(np.where(near, excess, -np.inf).argmax())
    scatter = robust_scatter(excess[~near])
    ratio = float(excess[best] / scatter) if scatter > 0.0 else 0.0
    return ratio, float(spike_deg + off[best])


def _refine(values: Vector, place: Place, angle_deg: float) -> float:
    """Return the best direction near one."""
    fine = angle_deg + np.arange(-COARSE_DEG, COARSE_DEG + FINE_DEG / 2, FINE_DEG)
    return float(fine[int(np.argmax([_power(values, place, angle) for angle in fine]))])


def _power(values: Vector, place: Place, angle_deg: float) -> float:
    """Return the variance between bins along a direction, each weighted by its blocks."""
    total, count, _ = _binned(values, _across(place, angle_deg))
    good = count >= LEAST_BLOCKS
    means = total[good] / count[good]
    level = np.average(means, weights=count[good]) if good.any() else 0.0
    return float((count[good] * (means - level) ** 2).sum())


def _profile(values: Vector, place: Place, angle_deg: float) -> _Profile:
    """Return the clipped means of the bins across a direction."""
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
    smooth = ndimage.gaussian_filter1d(means, SMOOTHING_BINS, mode="nearest")
    means = np.where(np.abs(means - smooth) > CLIP * error, means, smooth)
    return _Profile(angle_deg, centres, means - np.median(means), error)


def _binned(values: Vector, across: Vector) -> tuple[Vector, Vector, float]:
    """Return sums and numbers of the blocks in bins, and where the first bin begins."""
    first = float(across.min())
    index = ((across - first) / BLOCK).astype(np.intp)
    count = np.bincount(index).astype(np.float64)
    total = np.asarray(np.bincount(index, weights=values), np.float64)
    return total, count, first
