"""Angled stripes: spikes of extremely bright stars a few degrees away.

They are straight in the telescope's frame and cross a whole detector. All known ones
lie 30 degrees to either side of V3, so they are searched for only there: the angle is
that at which the means of bins along it differ most, and a direction is accepted if it
stands out from its surroundings. 1/f noise varies between amplifier rows as stripes do,
so the levels of all amplifier rows and the profiles of all directions are fitted
together. One degeneracy remains: a linear trend with row that two directions share may
be either; it is attributed to light.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..exposure.records import Plane
from ..numerics import fourier
from ..numerics.conjugate_gradients import conjugate_gradients
from ..numerics.jit import kernel
from ..numerics.selection import MAD_TO_SIGMA, robust_scatter
from ..params import Sigma, StepParams
from .frames import across_telescope, pixel_arcsec, pixel_to_telescope, pixel_unit
from .stray_fit import average_blocks, output_width

BLOCK: Final = 4
"""Width of a block, pixels."""
BIN: Final = 2.0
"""Width of a bin of a profile, pixels; in the search it is that of a block."""
SPIKES_DEG: Final = (60.0, -60.0)
"""Directions of the spikes, from the column axis (-V2) towards V3."""
SEARCH_DEG: Final = 8.0
"""Half-width of the search range around each spike."""
AROUND_DEG: Final = 24.0
"""Half-width of the range of directions with which the power is compared."""
COARSE_DEG, FINE_DEG = 1.0, 0.1
CLIP, FIRST_CLIP = 3.0, 5.0
"""Blocks farther from the fit, and from the initial medians, are excluded, sigma."""
CLIP_ROUNDS: Final = 2
LEAST_BLOCKS: Final = 16
"""Minimum number of blocks in a bin as wide as a block for its mean to be used."""
CYCLES: Final = 15
"""Neighbouring cycles of a profile whose mean power separates light from noise."""
_LIMITS: Final = (1e-2, 60)
"""Fraction of the error at which to stop, and maximum number of iterations."""
Vector = NDArray[np.float64]
Place = tuple[Vector, Vector]


class AngledStripeParams(StepParams):
    """When angled stripes are accepted."""

    significance: Sigma = 5.0
    """Minimum excess of a direction, in units of the scatter of its surroundings."""


class AngledStripes(NamedTuple):
    """Stripes of one exposure."""

    light: Plane
    """(rows, cols): light to subtract, in the unit of the image."""
    err: float
    """Standard error of a bin of the profiles, all directions combined."""
    angles_deg: tuple[float, ...]
    """Directions along the stripes, from -V2 (close to the column axis) towards V3."""


class _Blocks(NamedTuple):
    """Means of blocks and their positions."""

    values: Vector
    place: Place
    """Along V3 and along -V2, pixels."""
    row: NDArray[np.int32]
    """Index of the amplifier row."""


class _Profile(NamedTuple):
    """Stripes of one direction."""

    angle_deg: float
    first: float
    """Position across the direction of the centre of the first bin, pixels."""
    means: Vector
    err: float


def find_angled_stripes(
    residual: Plane,
    detector: str,
    first_pixel: tuple[int, int],
    params: AngledStripeParams,
) -> AngledStripes:
    """Find the stripes of an exposure.

    Parameters
    ----------
    residual : (rows, cols) float32
        Image minus its sky, 1/f stripes included; NaN on sources, other stray light and
        bad pixels.
    detector : str
    first_pixel : (int, int)
        Row and column of a subarray's first pixel on the full detector.
    params : AngledStripeParams

    Returns
    -------
    AngledStripes
    """
    blocks = _blocks(residual, detector, first_pixel)
    left = _limited(blocks.values - _row_means(blocks))
    profiles: list[_Profile] = []
    spikes = list(SPIKES_DEG)
    while spikes and left.size:
        best = max((_direction(left, blocks.place, spike), spike) for spike in spikes)
        (ratio, angle), spike = best
        if not ratio > params.significance:
            break
        spikes.remove(spike)
        angles = [profile.angle_deg for profile in profiles]
        angles.append(_refine(left, blocks.place, angle))
        profiles, left = _fit_together(angles, blocks)
    if profiles:
        angles = [_turn(profile, left, blocks.place) for profile in profiles]
        profiles, _ = _fit_together(angles, blocks)
    light = np.zeros(residual.shape, np.float32)
    units = [
        pixel_unit(first + np.arange(n))
        for first, n in zip(first_pixel, residual.shape, strict=True)
    ]
    for profile in profiles:
        across = across_telescope(detector, profile.angle_deg) / pixel_arcsec(detector)
        bins = (across - [profile.first, 0.0, 0.0, 0.0, 0.0, 0.0]) / BIN
        _draw(light, (units[0], units[1]), bins, profile.means)
    error = float(np.sqrt(sum(profile.err**2 for profile in profiles)))
    return AngledStripes(light, error, tuple(p.angle_deg for p in profiles))


def _blocks(residual: Plane, detector: str, first_pixel: tuple[int, int]) -> _Blocks:
    """Return the blocks of which at least half of the pixels are known."""
    mean, known = average_blocks(residual, BLOCK)
    row, col = np.nonzero(known >= 0.5)
    width = output_width(residual.shape[1])
    number = row * -(-residual.shape[1] // width) + BLOCK * col // width
    middle = (BLOCK - 1) / 2.0
    y, x = (
        BLOCK * index + middle + first
        for index, first in zip((row, col), first_pixel, strict=True)
    )
    telescope, scale = pixel_to_telescope(detector, x, y), pixel_arcsec(detector)
    place = telescope.v3 / scale, -telescope.v2 / scale
    return _Blocks(mean[row, col], place, number.astype(np.int32))


def _row_means(blocks: _Blocks) -> Vector:
    """Return the mean of the amplifier row of each block."""
    count = np.maximum(np.bincount(blocks.row), 1)
    return (np.bincount(blocks.row, weights=blocks.values) / count)[blocks.row]


def _fit_together(
    angles: Sequence[float], blocks: _Blocks
) -> tuple[list[_Profile], Vector]:
    """Return the profile of each direction, and the residuals of the blocks, `_limited`.

    The fit starts from medians of bins, which compact sources do not affect.
    """
    values = blocks.values
    across = [_across(blocks.place, angle) for angle in angles]
    first = [float(a.min()) for a in across]
    bins = [
        ((a - b) / BIN).astype(np.int32) for a, b in zip(across, first, strict=True)
    ]
    size = [int(b.max()) + 1 for b in bins]
    ends = np.cumsum([*size, int(blocks.row.max()) + 1])
    index = np.stack([*bins, blocks.row]) + np.append(0, ends[:-1])[:, None]
    index = np.ascontiguousarray(index, np.int32)
    left = values - _row_means(blocks)
    for own, n in zip(bins, size, strict=True):
        left = left - _bin_medians(left, own, n)[own]
    found: Vector = np.zeros(int(ends[-1]))
    clip, scatter, used = FIRST_CLIP, 0.0, np.ones(values.size, np.bool_)
    for _ in range(1 + CLIP_ROUNDS):
        scatter = float(np.median(np.abs(left[used]))) * MAD_TO_SIGMA
        used = np.abs(left) < clip * scatter
        # solving for the small remainder makes the solution more accurate
        rest = values - found[index].sum(axis=0)
        found += _solve(rest[used], index[:, used], ends)
        left = values - found[index].sum(axis=0)
        clip = CLIP
    profiles = []
    parts = zip(angles, first, np.split(found, ends), bins, size, strict=False)
    for angle, start, means, own, n in parts:
        count = np.bincount(own[used], minlength=n)
        profiles.append(_profile(angle, start, means, count, scatter))
    return profiles, _limited(left)


def _solve(values: Vector, index: NDArray[np.int32], ends: NDArray[np.intp]) -> Vector:
    """Return the bins and levels whose sums fit the values by least squares.

    Two profiles, each linear, can add up to a linear trend with row. They get all of
    it.
    """
    index, size = np.ascontiguousarray(index), int(ends[-1])
    alone = 1.0 / np.maximum(np.bincount(index.ravel(), minlength=size), 1)
    slope = np.zeros(size)
    if len(index) > len(SPIKES_DEG):
        slope[ends[-2] :] = np.linspace(-1.0, 1.0, size - ends[-2])
        slope /= np.sqrt((slope * slope).sum())

    def even(whole: Vector) -> Vector:
        return np.asarray(whole - (slope * whole).sum() * slope)

    def image_of(whole: Vector) -> Vector:
        sums = np.zeros(size)
        _add_seen(index, whole, sums)
        return even(sums)

    def guess_of(whole: Vector) -> Vector:
        return even(alone * whole)

    def dot(one: Vector, other: Vector) -> float:
        return float((one * other).sum())

    each = [np.bincount(own, weights=values, minlength=size) for own in index]
    right = even(np.asarray(np.sum(each, axis=0), np.float64))
    return conjugate_gradients(image_of, right, guess_of, dot, _LIMITS)


def _profile(
    angle: float, first: float, means: Vector, count: NDArray[np.intp], scatter: float
) -> _Profile:
    """Return a profile, bins of few blocks interpolated from their neighbours.

    It is smoothed with a Wiener filter (Wiener 1949) based on the power of its cycles.
    """
    bins = np.flatnonzero(count >= LEAST_BLOCKS * BIN / BLOCK)
    if bins.size == 0:
        return _Profile(angle, first, np.zeros(1), 0.0)
    filled = np.interp(np.arange(len(means)), bins, means[bins])
    variance = scatter**2 / float(np.median(count[bins]))
    cycles = fourier.dctn(filled)
    power = ndimage.uniform_filter1d(cycles**2, CYCLES)
    gain = np.maximum(1.0 - variance / np.maximum(power, variance), 0.0)
    smooth = np.asarray(fourier.idctn(gain * cycles, filled.shape), np.float64)
    error = float(np.sqrt(variance * np.mean(gain)))
    return _Profile(angle, first + BIN / 2, smooth - np.median(smooth), error)


def _turn(profile: _Profile, left: Vector, place: Place) -> float:
    """Return the refined direction of a profile, with rows and others subtracted."""
    at = (_across(place, profile.angle_deg) - profile.first) / BIN
    own = np.interp(at, np.arange(len(profile.means)), profile.means)
    return _refine(left + own, place, profile.angle_deg)


def _bin_medians(values: Vector, own: NDArray[np.int32], n_bins: int) -> Vector:
    """Return the median of each bin; 0 for bins of few blocks."""
    order = np.lexsort((values, own))
    count = np.bincount(own, minlength=n_bins)
    middle = np.cumsum(count) - (count + 1) // 2
    enough = count >= LEAST_BLOCKS * BIN / BLOCK
    return np.where(enough, values[order][np.minimum(middle, values.size - 1)], 0.0)


def _across(place: Place, angle_deg: float) -> Vector:
    """Return positions across a direction, pixels."""
    s, c = np.sin(np.radians(angle_deg)), np.cos(np.radians(angle_deg))
    return np.asarray(c * place[0] - s * place[1])


def _direction(values: Vector, place: Place, spike_deg: float) -> tuple[float, float]:
    """Return the significance of the best direction near a spike, and the direction."""
    off = np.arange(-AROUND_DEG, AROUND_DEG + COARSE_DEG / 2, COARSE_DEG)
    power = np.array([_power(values, place, spike_deg + angle) for angle in off])
    # slow changes of the power with the angle are due to compact light
    near = np.abs(off) <= SEARCH_DEG
    excess = power - np.polynomial.Polynomial.fit(off[~near], power[~near], 2)(off)
    best = int(np.where(near, excess, -np.inf).argmax())
    scatter = robust_scatter(excess[~near])
    ratio = float(excess[best] / scatter) if scatter > 0.0 else 0.0
    return ratio, float(spike_deg + off[best])


def _refine(values: Vector, place: Place, angle_deg: float) -> float:
    """Return the best direction near one: the peak of a parabola through three points."""
    fine = angle_deg + np.arange(-COARSE_DEG, COARSE_DEG + FINE_DEG / 2, FINE_DEG)
    power = np.array([_power(values, place, angle) for angle in fine])
    best = int(np.clip(power.argmax(), 1, len(fine) - 2))
    low, high, next_ = power[best - 1 : best + 2]
    bend = low - 2.0 * high + next_
    off = 0.5 * (low - next_) / bend if bend < 0.0 else 0.0
    return float(fine[best] + FINE_DEG * np.clip(off, -1.0, 1.0))


def _limited(values: Vector) -> Vector:
    """Return values clipped at `FIRST_CLIP` sigma, or compact light would dominate."""
    scatter = float(np.median(np.abs(values))) if values.size else 0.0
    most = FIRST_CLIP * MAD_TO_SIGMA * scatter
    return np.clip(values, -most, most)


def _power(values: Vector, place: Place, angle_deg: float) -> float:
    """Return the variance between bins along a direction, each weighted by its blocks."""
    across = _across(place, angle_deg)
    index = ((across - across.min()) / BLOCK).astype(np.intp)
    count = np.bincount(index)
    total = np.bincount(index, weights=values)
    good = count >= LEAST_BLOCKS
    means = total[good] / count[good]
    level = np.average(means, weights=count[good]) if good.any() else 0.0
    return float((count[good] * (means - level) ** 2).sum())


@kernel
def _add_seen(index: NDArray[np.int32], whole: Vector, sums: Vector) -> None:
    """Add to ``sums``, at the indices of each block, its sum of ``whole`` over them."""
    n_places, n_blocks = index.shape
    for i in range(n_blocks):
        seen = 0.0
        for k in range(n_places):
            seen += whole[index[k, i]]
        for k in range(n_places):
            sums[index[k, i]] += seen


@kernel
def _draw(
    light: Plane, units: tuple[Vector, Vector], across: Vector, means: Vector
) -> None:
    """Add a profile to an image, interpolated between bins, constant beyond them.

    ``across`` are the coefficients of a quadratic in ``units`` of rows and columns: the
    distance of a pixel from the centre of the first bin, in bins.
    """
    rows, cols = units
    last = len(means) - 1
    for i in range(len(rows)):
        w = rows[i]
        level = across[0] + across[2] * w + across[5] * w * w
        slope = across[1] + across[4] * w
        for j in range(len(cols)):
            u = cols[j]
            at = min(max(level + (slope + across[3] * u) * u, 0.0), float(last))
            k = min(int(at), max(last - 1, 0))
            after = means[min(k + 1, last)]
            light[i, j] += np.float32(means[k] + (at - k) * (after - means[k]))
