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
import scipy
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics import fourier
from ..numerics.conjugate_gradients import conjugate_gradients
from ..numerics.jit import kernel
from ..numerics.selection import MAD_TO_SIGMA, robust_scatter, select
from ..params import Sigma, StepParams
from .cells import average_blocks
from .frames import across_telescope, pixel_arcsec, pixel_to_telescope, pixel_unit
from .stray_fit import output_width

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


class Place(NamedTuple):
    """Where an image lies, and what is known of its stripes."""

    detector: str
    first_pixel: tuple[int, int] = (0, 0)
    """Row and column of a subarray's first pixel on the full detector."""
    cell_px: int = 1
    """Pixels to a side of a row or column, at most `BLOCK`."""
    angles_deg: tuple[float, ...] | None = None
    """Directions found before, with other light still in the image: only their profiles
    are measured anew."""


class _Along(NamedTuple):
    """Positions of blocks, pixels."""

    up: NDArray[np.float32]
    """Along V3."""
    left: NDArray[np.float32]
    """Along -V2."""
    ends: tuple[tuple[float, float], tuple[float, float]]
    """The lowest and highest of either."""


class _Blocks(NamedTuple):
    """Means of blocks and their positions."""

    values: Vector
    along: _Along
    row: NDArray[np.int32]
    """Index of the amplifier row."""
    light: Vector
    """(components, blocks): light whose strength is fitted with the stripes."""


class _Profile(NamedTuple):
    """Stripes of one direction."""

    angle_deg: float
    first: float
    """Position across the direction of the centre of the first bin, pixels."""
    means: Vector
    err: float


def find_angled_stripes(
    residual: Plane,
    place: Place,
    params: AngledStripeParams,
    light: Plane | None = None,
) -> AngledStripes:
    """Find the stripes of an exposure.

    Parameters
    ----------
    residual : (rows, cols) float32
        Image minus its sky, 1/f stripes included; NaN on sources, other stray light and
        bad pixels.
    place : Place
    params : AngledStripeParams
    light : (components, rows, cols) float32, optional
        Other light, subtracted already as well as it is known: how much of it there is
        besides is fitted together with the stripes once their directions are known.

    Returns
    -------
    AngledStripes
    """
    other = np.empty((0, *residual.shape), np.float32) if light is None else light
    blocks = _blocks(residual, other, place)
    profiles: list[_Profile] = []
    if place.angles_deg is None:
        alone = blocks._replace(light=blocks.light[:0])
        profiles, left = _search(alone, params.significance)
        angles = [_turn(profile, left, blocks.along) for profile in profiles]
    else:
        angles = list(place.angles_deg)
    if angles and blocks.values.size:
        profiles, _ = _fit_together(angles, blocks)
    drawn = np.zeros(residual.shape, np.float32)
    middle = (place.cell_px - 1) / 2.0
    rows, cols = (
        pixel_unit(first + middle + place.cell_px * np.arange(n))
        for first, n in zip(place.first_pixel, residual.shape, strict=True)
    )
    scale = pixel_arcsec(place.detector)
    for profile in profiles:
        across = across_telescope(place.detector, profile.angle_deg) / scale
        bins = (across - [profile.first, 0.0, 0.0, 0.0, 0.0, 0.0]) / BIN
        _draw(drawn, (rows, cols), bins, profile.means)
    error = float(np.sqrt(sum(profile.err**2 for profile in profiles)))
    return AngledStripes(drawn, error, tuple(p.angle_deg for p in profiles))


def _search(blocks: _Blocks, significance: float) -> tuple[list[_Profile], Vector]:
    """Return the stripes of directions that stand out, strongest first, and residuals."""
    left = _limited(blocks.values - _row_means(blocks))
    profiles: list[_Profile] = []
    spikes = list(SPIKES_DEG)
    while spikes and left.size:
        best = max((_direction(left, blocks.along, spike), spike) for spike in spikes)
        (ratio, angle), spike = best
        if not ratio > significance:
            break
        spikes.remove(spike)
        angles = [profile.angle_deg for profile in profiles]
        angles.append(_refine(left, blocks.along, angle))
        profiles, left = _fit_together(angles, blocks)
    return profiles, left


def _blocks(residual: Plane, other: Plane, place: Place) -> _Blocks:
    """Return the blocks of which at least half of the pixels are known."""
    mean, known = average_blocks(residual, BLOCK // place.cell_px)
    row, col = np.nonzero(known >= 0.5)
    n_cols = place.cell_px * residual.shape[1]
    width = output_width(n_cols)
    number = row * -(-n_cols // width) + BLOCK * col // width
    middle = (BLOCK - 1) / 2.0
    y, x = (
        BLOCK * index + middle + first
        for index, first in zip((row, col), place.first_pixel, strict=True)
    )
    telescope = pixel_to_telescope(place.detector, x, y)
    scale = pixel_arcsec(place.detector)
    up, left = (
        np.asarray(part / scale, np.float32) for part in (telescope.v3, -telescope.v2)
    )
    up_ends, left_ends = (
        (float(part.min(initial=0.0)), float(part.max(initial=0.0)))
        for part in (up, left)
    )
    along = _Along(up, left, (up_ends, left_ends))
    light = np.empty((len(other), row.size))
    for part, component in zip(light, other, strict=True):
        part[:] = average_blocks(component, BLOCK // place.cell_px)[0][row, col]
    values = mean[row, col].astype(np.float64)
    return _Blocks(values, along, number.astype(np.int32), light)


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
    across = [_across(blocks.along, angle) for angle in angles]
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
    n_bins = int(ends[-1])
    found: Vector = np.zeros(n_bins + len(blocks.light))

    def left_of(found: Vector) -> Vector:
        seen = found[index].sum(axis=0) + found[n_bins:] @ blocks.light
        return np.asarray(values - seen)

    clip, scatter, used = FIRST_CLIP, 0.0, np.ones(values.size, np.bool_)
    for _ in range(1 + CLIP_ROUNDS):
        scatter = float(np.median(np.abs(left[used]))) * MAD_TO_SIGMA
        used = np.abs(left) < clip * scatter
        # solving for the small remainder makes the solution more accurate
        found += _solve(
            left_of(found)[used], index[:, used], blocks.light[:, used], ends
        )
        left = left_of(found)
        clip = CLIP
    profiles = []
    parts = zip(angles, first, np.split(found, ends), bins, size, strict=False)
    for angle, start, means, own, n in parts:
        count = np.bincount(own[used], minlength=n)
        profiles.append(_profile(angle, start, means, count, scatter))
    return profiles, _limited(left)


def _solve(
    values: Vector, index: NDArray[np.int32], light: Vector, ends: NDArray[np.intp]
) -> Vector:
    """Return bins, levels and strengths whose sums fit the values by least squares.

    Two profiles, each linear, can add up to a linear trend with row. They get all of
    it.
    """
    index, light = np.ascontiguousarray(index), np.ascontiguousarray(light)
    size = int(ends[-1]) + len(light)
    weight = np.bincount(index.ravel(), minlength=size).astype(np.float64)
    weight[ends[-1] :] = (light * light).sum(axis=1)
    alone = 1.0 / np.where(weight > 0.0, weight, 1.0)
    slope = np.zeros(size)
    if len(index) > len(SPIKES_DEG):
        # rows without a block take any level: they must not make up for the others
        levels = np.unique(index[-1])
        slope[levels] = levels - levels.mean()
        slope /= np.sqrt((slope * slope).sum())

    def even(whole: Vector) -> Vector:
        return np.asarray(whole - (slope * whole).sum() * slope)

    def image_of(whole: Vector) -> Vector:
        sums = np.zeros(size)
        _add_seen(index, light, whole, sums)
        return even(sums)

    def guess_of(whole: Vector) -> Vector:
        return even(alone * whole)

    def dot(one: Vector, other: Vector) -> float:
        return float((one * other).sum())

    right = np.zeros(size)
    for own in index:
        right += np.bincount(own, weights=values, minlength=size)
    right[ends[-1] :] = light @ values
    right = even(right)
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
    power = scipy.ndimage.uniform_filter1d(cycles**2, CYCLES)
    gain = np.maximum(1.0 - variance / np.maximum(power, variance), 0.0)
    smooth = np.asarray(fourier.idctn(gain * cycles, filled.shape), np.float64)
    error = float(np.sqrt(variance * np.mean(gain)))
    return _Profile(angle, first + BIN / 2, smooth - np.median(smooth), error)


def _turn(profile: _Profile, left: Vector, along: _Along) -> float:
    """Return the refined direction of a profile, with rows and others subtracted."""
    at = (_across(along, profile.angle_deg) - profile.first) / BIN
    own = np.interp(at, np.arange(len(profile.means)), profile.means)
    return _refine(left + own, along, profile.angle_deg)


def _bin_medians(values: Vector, own: NDArray[np.int32], n_bins: int) -> Vector:
    """Return the median of each bin; 0 for bins of few blocks."""
    out = np.zeros(n_bins)
    count = np.bincount(own, minlength=n_bins)
    _medians_of_bins(values, own, count, int(LEAST_BLOCKS * BIN / BLOCK), out)
    return out


def _across(along: _Along, angle_deg: float) -> Vector:
    """Return positions across a direction, pixels."""
    s, c = np.sin(np.radians(angle_deg)), np.cos(np.radians(angle_deg))
    return np.asarray(c * along.up - s * along.left)


def _direction(values: Vector, along: _Along, spike_deg: float) -> tuple[float, float]:
    """Return the significance of the best direction near a spike, and the direction."""
    off = np.arange(-AROUND_DEG, AROUND_DEG + COARSE_DEG / 2, COARSE_DEG)
    power = np.array([_power(values, along, spike_deg + angle) for angle in off])
    # slow changes of the power with the angle are due to compact light
    near = np.abs(off) <= SEARCH_DEG
    excess = power - np.polynomial.Polynomial.fit(off[~near], power[~near], 2)(off)
    best = int(np.where(near, excess, -np.inf).argmax())
    scatter = robust_scatter(excess[~near])
    ratio = float(excess[best] / scatter) if scatter > 0.0 else 0.0
    return ratio, float(spike_deg + off[best])


def _refine(values: Vector, along: _Along, angle_deg: float) -> float:
    """Return the best direction near one: the peak of a parabola through three points."""
    fine = angle_deg + np.arange(-COARSE_DEG, COARSE_DEG + FINE_DEG / 2, FINE_DEG)
    power = np.array([_power(values, along, angle) for angle in fine])
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


def _power(values: Vector, along: _Along, angle_deg: float) -> float:
    """Return the variance between bins along a direction, each weighted by its blocks."""
    s, c = np.sin(np.radians(angle_deg)), np.cos(np.radians(angle_deg))
    reach = [
        (k * low, k * high) for k, (low, high) in zip((c, -s), along.ends, strict=True)
    ]
    low, high = (sum(limit(pair) for pair in reach) for limit in (min, max))
    total, count = np.zeros((2, int((high - low) / BLOCK) + 2))
    _sum_bins(values, along[:2], (c / BLOCK, -s / BLOCK, low / BLOCK), total, count)
    good = count >= LEAST_BLOCKS
    means = total[good] / count[good]
    level = np.average(means, weights=count[good]) if good.any() else 0.0
    return float((count[good] * (means - level) ** 2).sum())


@kernel
def _sum_bins(
    values: Vector,
    along: tuple[NDArray[np.float32], NDArray[np.float32]],
    across: tuple[float, float, float],
    total: Vector,
    count: Vector,
) -> None:
    """Add values to bins across a direction: its cosine, minus its sine, the first bin."""
    up, left = along
    c, s, first = across
    for i in range(len(values)):
        k = int(c * up[i] + s * left[i] - first)
        total[k] += values[i]
        count[k] += 1.0


@kernel
def _medians_of_bins(
    values: Vector,
    own: NDArray[np.int32],
    count: NDArray[np.intp],
    least: int,
    out: Vector,
) -> None:
    """Fill the medians of the bins of at least so many values."""
    sorted_in = np.empty(len(values))
    end = np.cumsum(count)
    at = end - count
    for i in range(len(values)):
        sorted_in[at[own[i]]] = values[i]
        at[own[i]] += 1
    for k in range(len(out)):
        if count[k] >= least:
            out[k] = select(
                sorted_in[end[k] - count[k] : end[k]], count[k], (count[k] - 1) // 2
            )


@kernel
def _add_seen(
    index: NDArray[np.int32], light: Vector, whole: Vector, sums: Vector
) -> None:
    """Add to ``sums``, at the indices of each block, its sum of ``whole`` over them.

    The last of ``whole`` are strengths of ``light``, (components, blocks).
    """
    n_places, n_blocks = index.shape
    first = len(whole) - len(light)
    for i in range(n_blocks):
        seen = 0.0
        for k in range(n_places):
            seen += whole[index[k, i]]
        for k in range(len(light)):
            seen += light[k, i] * whole[first + k]
        for k in range(n_places):
            sums[index[k, i]] += seen
        for k in range(len(light)):
            sums[first + k] += light[k, i] * seen


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
