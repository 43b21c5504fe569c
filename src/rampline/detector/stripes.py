"""Levels of amplifier rows, from sums over strips of eight pixels.

After one pass over the image everything is computed on strips, an eighth of its size: the
source mask in blocks of 8 x 8 pixels, its repetition on the destriped image, and the row
means.
"""

from typing import Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..numerics.jit import kernel
from ..numerics.selection import robust_scatter, sorted_quantiles

STRIP: Final = 8
"""Length of a strip in pixels, and height of a block in rows."""
_ROUNDS: Final = 2
_MIN_FILLED: Final = 0.3
"""Blocks with a smaller fraction of usable pixels are taken for sources."""
_SAMPLED: Final = 3
"""Every third block suffices for level and scatter of the blocks."""
_AROUND: Final = 64
"""Rows over which the difference of an output from the others is averaged."""
_FEW: Final = 0.15
"""The levels of rows with a smaller usable fraction are not measured directly."""
_CLEAN: Final = 0.5
"""Rows with a larger usable fraction in all amplifiers set the prior variances."""


_FIRST_STEP: Final = 4
"""Index of the first pedestal among the fitted terms, after the sky's tilt and parabola."""
_UNEVEN: Final = 1.5
"""Scatter of an amplifier row's blocks over the typical one that shows a large source."""


class Strips(NamedTuple):
    """Sums over the usable pixels of strips, image minus sky."""

    total: NDArray[np.float32]
    """(rows, strips), DN/s"""
    used: NDArray[np.float32]
    """(rows, strips): number of pixels summed."""
    variance: float
    """Variance of a single pixel, (DN/s)**2."""


class Levels(NamedTuple):
    """Levels of the amplifier rows."""

    level: NDArray[np.float32]
    """(outputs, rows), DN/s"""
    err: NDArray[np.float32]
    """(outputs, rows), DN/s"""
    usable: NDArray[np.float32]
    """(outputs, rows), fraction of the pixels"""


def sum_strips(
    image: NDArray[np.float32],
    flags: NDArray[np.uint32],
    bad: int,
    flat: NDArray[np.float32],
    sky: tuple[float, float],
) -> Strips:
    """Sum the image minus sky over strips, excluding outliers.

    Parameters
    ----------
    image : (rows, cols) float32, DN/s
    flags : (rows, cols) uint32
    bad : int
        Bits of pixels to exclude.
    flat : (rows, cols) float32, or (1, 1) for none
    sky : (float, float), DN/s
        Level of the flat-fielded sky, and the distance beyond which pixels are excluded.
    """
    n_rows, n_cols = image.shape
    n_strips = -(-n_cols // STRIP)
    total = np.zeros((n_rows, n_strips), np.float32)
    count = np.zeros((n_rows, n_strips), np.float32)
    square = _fill_strips(image, flags, bad, flat, sky, (total, count))
    n = float(count.sum(dtype=np.float64))
    return Strips(total, count, square / max(n, 1.0))


class Residual(NamedTuple):
    """Residuals of the strips that show only sky, and their pedestals and tilt."""

    levels: Levels
    total: NDArray[np.float32]
    """(rows, strips), DN/s: sums minus sky and pedestals, still including the levels."""
    used: NDArray[np.float32]
    """(rows, strips): number of pixels summed; 0 on sources."""
    pedestal: NDArray[np.float32]
    """(outputs,), DN/s: offsets of whole amplifiers; part of the levels."""
    tilt: float
    """Tilt of the subtracted sky, DN/s from the first row to the last."""
    sums: NDArray[np.float32]
    """(2, outputs, rows): of totals and of used pixels, over each amplifier row."""
    scatter: tuple[float, float]
    """(DN/s)**2: variances of the levels' common and own part."""
    is_source: NDArray[np.bool_]
    """(rows / 8, strips): excluded blocks."""

    def drifting(self) -> NDArray[np.float32]:
        """Return the totals including all possible drift, (rows, strips) DN/s."""
        n_rows, n_strips = self.total.shape
        n_outputs = len(self.pedestal)
        pedestal = self.pedestal[np.arange(n_strips) * n_outputs // n_strips]
        tilt = np.float32(self.tilt) * height_of_rows(n_rows)
        both = pedestal + tilt[:, None].astype(np.float32)
        return np.asarray(self.total + self.used * both, np.float32)


def find_levels(
    strips: Strips, n_outputs: int, source_clip: float, strength: float
) -> Residual:
    """Estimate the level of each amplifier row from the strips that show only sky.

    Parameters
    ----------
    strips : Strips
    n_outputs : int
    source_clip : float, sigma
        Blocks, and groups of 3 x 3 and more, farther above the sky are excluded.
    strength : float
        Factor on the prior variance of the levels.
    """
    n_rows, n_strips = strips.total.shape
    output = np.arange(n_strips) * n_outputs // n_strips
    first_strip = np.searchsorted(output, np.arange(n_outputs))
    pedestal = _first_pedestals(*_block_sums(strips.total, strips.used), output)
    total = strips.total - strips.used * pedestal[output]
    blocks = _block_sums(total, strips.used)
    is_source = _find_sources(*blocks, source_clip)
    excess = fit_excess(blocks, is_source, output, n_rows)
    pedestal, tilt = pedestal + excess.pedestal, excess.tilt
    total = total - strips.used * excess.plane
    level = _first_levels(total, strips.used, output)
    for _ in range(_ROUNDS):
        blocks = _block_sums(total - strips.used * level.T[:, output], strips.used)
        is_source = _find_sources(*blocks, source_clip)
        excess = fit_excess(blocks, is_source, output, n_rows)
        pedestal, tilt = pedestal + excess.pedestal, tilt + excess.tilt
        total = total - strips.used * excess.plane
        seen = np.repeat(~is_source, STRIP, axis=0)[:n_rows]
        sums = np.stack([total * seen, strips.used * seen])
        summed = np.add.reduceat(sums, first_strip, axis=2).transpose(2, 0, 1)
        args = summed[:, 0], summed[:, 1], strips, strength
        best, err, scatter = _conditional_mean(*args)
        usable = np.asarray(summed[:, 1] / (n_strips * STRIP / n_outputs), np.float32)
        level = _bridge(best, usable > _FEW)
    levels = Levels(best + pedestal[:, None], err, usable)
    summed = summed.swapaxes(0, 1)
    found = levels, sums[0], sums[1], pedestal, tilt, summed, scatter
    return Residual(*found, is_source)


def _first_pedestals(
    total: NDArray[np.float32], count: NDArray[np.float32], output: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the excess of the faint blocks of each output over those of all, (outputs,).

    With its pedestal included, the sky of a high output would be taken for a source.
    """
    is_filled = count >= _MIN_FILLED * STRIP**2
    mean = total / np.maximum(count, 1e-3)
    faint = [mean[:, output == k][is_filled[:, output == k]] for k in np.unique(output)]
    low = np.array(
        [np.percentile(each, 15.87) if each.size else np.nan for each in faint]
    )
    known = np.isfinite(low)
    middle = low[known].mean() if known.any() else 0.0
    return np.where(known, low - middle, 0.0).astype(np.float32)


def _first_levels(
    total: NDArray[np.float32], used: NDArray[np.float32], output: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the median strip of each amplifier row, good enough to find sources.

    Where an amplifier's blocks scatter unusually, a large source may fill it: its median is
    replaced by an estimate from the other amplifiers and the adjacent rows.
    """
    n_outputs = int(output[-1]) + 1
    mean = np.where(used > _MIN_FILLED * STRIP, total / np.maximum(used, 1.0), np.nan)
    sums = _block_sums(total, used)
    blocks = np.where(sums[1] > 0.0, sums[0] / np.maximum(sums[1], 1.0), np.nan)
    level = np.empty((n_outputs, len(mean)), np.float32)
    uneven = np.empty(level.shape, np.bool_)
    for k in range(n_outputs):
        level[k] = _row_quantiles(mean[:, output == k], (0.5,))[0]
        low, high = _row_quantiles(blocks[:, output == k], (0.16, 0.84))
        spread = np.repeat(high - low, STRIP)[: len(mean)]
        uneven[k] = spread > _UNEVEN * np.median(spread)
    return _bridge(level, ~uneven)


def _bridge(
    level: NDArray[np.float32], is_known: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return levels (outputs, rows), the unknown ones interpolated from other outputs.

    The difference of an output from the others drifts slowly: it is taken from known rows
    before and after. If it were neglected, it would look like a source filling the output.
    """
    known = np.where(is_known, level, np.nan)
    common = _row_quantiles(known.T, (0.5,))[0]
    rows = np.arange(level.shape[1])
    bridged = level.copy()
    for k, here in enumerate(is_known):
        if here.all() or not here.any():
            continue
        number = scipy.ndimage.uniform_filter1d(here.astype(np.float32), _AROUND)
        apart = np.where(here, level[k] - common, np.float32(0.0))
        mean = scipy.ndimage.uniform_filter1d(apart, _AROUND)[here] / number[here]
        across = common[~here] + np.interp(rows[~here], rows[here], mean)
        bridged[k, ~here] = across
    return bridged


def _row_quantiles(
    values: NDArray[np.float32], quantiles: tuple[float, ...]
) -> list[NDArray[np.float32]]:
    """Return quantiles of each row, ignoring NaN; 0 for a row of only NaN."""
    ordered = np.sort(values, axis=1)
    n = np.count_nonzero(np.isfinite(ordered), axis=1)
    rows = np.arange(len(ordered))
    picked = [ordered[rows, (np.maximum(n - 1, 0) * q).astype(int)] for q in quantiles]
    return [np.where(n > 0, values, np.float32(0.0)) for values in picked]


@kernel
def _fill_strips(
    image: NDArray[np.float32],
    flags: NDArray[np.uint32],
    bad: int,
    flat: NDArray[np.float32],
    sky: tuple[float, float],
    sums: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> float:
    """Sum the image minus sky over strips; return the sum of its squares."""
    level, clip, bits = np.float32(sky[0]), np.float32(sky[1]), np.uint32(bad)
    total, count = sums
    n_rows, n_cols = image.shape
    has_flat = 1 if flat.size > 1 else 0
    square = 0.0
    for row in range(n_rows):
        for col in range(n_cols):
            response = flat[row * has_flat, col * has_flat]
            value = image[row, col] - response * level
            if flags[row, col] & bits == 0 and abs(value) < clip:
                total[row, col // STRIP] += value
                count[row, col // STRIP] += np.float32(1.0)
                square += value * value
    return square


def _block_sums(
    total: NDArray[np.float32], count: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the sums of the strips over eight rows each."""
    return _sum_rows(total), _sum_rows(count)


def _sum_rows(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sums of a plane over eight rows each; the last sum may have fewer."""
    whole = len(plane) // STRIP * STRIP
    sums = plane[:whole].reshape(-1, STRIP, plane.shape[1]).sum(axis=1)
    last = plane[whole:].sum(axis=0, keepdims=True)
    both = [sums, last] if whole < len(plane) else [sums]
    return np.concatenate(both)


def _find_sources(
    total: NDArray[np.float32], count: NDArray[np.float32], clip: float
) -> NDArray[np.bool_]:
    """Return the blocks covered by sources, including one block around them."""
    is_source = count < _MIN_FILLED * STRIP**2
    for size in (1, 3, 9):
        wide_total = scipy.ndimage.uniform_filter(total, size, mode="constant")
        wide_count = scipy.ndimage.uniform_filter(count, size, mode="constant")
        mean = wide_total / np.maximum(wide_count, 1e-3)
        if is_source.all():
            break
        sample = np.sort(mean[~is_source][::_SAMPLED])
        low, middle = sorted_quantiles(sample, (0.1587, 0.5))
        is_source = is_source | (mean > middle + clip * (middle - low))
    return np.asarray(
        scipy.ndimage.binary_dilation(is_source, np.ones((3, 3))), np.bool_
    )


class Excess(NamedTuple):
    """Excess of the sky between the sources over its model."""

    plane: NDArray[np.float32]
    """(rows, strips), DN/s: sky and pedestals"""
    pedestal: NDArray[np.float32]
    """(outputs,), DN/s: zero on average"""
    tilt: float
    """Tilt of the sky, DN/s from the first row to the last."""


def fit_excess(
    blocks: tuple[NDArray[np.float32], NDArray[np.float32]],
    is_source: NDArray[np.bool_],
    output: NDArray[np.intp],
    n_rows: int,
) -> Excess:
    """Fit the excess of the unmasked sky over its model, and the pedestals of the outputs.

    The parabola along the rows within outputs is the sky's; steps from one output to the
    next, which no sky has, are their pedestals.
    """
    total, count = blocks[0] * ~is_source, blocks[1] * ~is_source
    y = (np.arange(len(count)) + 0.5) * STRIP / n_rows - 0.5
    n_outputs = int(output[-1]) + 1
    steps = np.arange(n_outputs - 1)[:, None] == output
    across = np.concatenate([parabola(len(output)), steps - 1.0 / n_outputs])
    # all terms except the tilt are the same in every row
    weight, lever, square = (power @ count for power in (y**0, y, y * y))
    normal = np.empty((len(across) + 1, len(across) + 1))
    normal[1:, 1:] = (across * weight) @ across.T
    normal[0, 1:] = normal[1:, 0] = across @ lever
    normal[0, 0] = square.sum()
    right = np.append((y @ total).sum(), across @ total.sum(axis=0))
    found = np.linalg.lstsq(normal, right, rcond=1e-9)[0]
    pedestal = np.append(found[_FIRST_STEP:], 0.0)
    pedestal -= pedestal.mean()
    plane = (found[1:] @ across).astype(np.float32)
    plane = plane + (found[0] * height_of_rows(n_rows)[:, None]).astype(np.float32)
    return Excess(plane, pedestal.astype(np.float32), float(found[0]))


def height_of_rows(n_rows: int) -> NDArray[np.float64]:
    """Return the positions of rows or strips, from -1/2 (first) to 1/2 (last)."""
    return np.asarray((np.arange(n_rows) + 0.5) / n_rows - 0.5)


def parabola(n_strips: int) -> NDArray[np.float64]:
    """Return 1, x and x**2 along the rows, (3, strips), x from -1/2 to 1/2."""
    x = height_of_rows(n_strips)
    return np.stack([np.ones_like(x), x, x * x])


def _conditional_mean(
    total: NDArray[np.float32],
    count: NDArray[np.float32],
    strips: Strips,
    strength: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[float, float]]:
    """Return levels and errors (outputs, rows), and the prior variances."""
    n_outputs = len(total)
    mean = (total / np.maximum(count, 1.0)).T.astype(np.float64)
    noise = strips.variance / np.maximum(count.T.astype(np.float64), 1e-6)
    common, own = _prior_variances(mean, noise, count.T)
    prior = strength * (common + own * np.eye(n_outputs))
    least = np.finfo(np.float32).tiny
    noisy = prior + (noise[:, :, None] + least) * np.eye(n_outputs)
    gain = np.linalg.solve(noisy, np.broadcast_to(prior, noisy.shape)).transpose(
        0, 2, 1
    )
    level = np.einsum("rij,rj->ir", gain, mean)
    left = np.einsum("ii->i", prior) - np.einsum("rij,ij->ri", gain, prior)
    level -= level.mean(axis=1, keepdims=True)
    err = np.sqrt(np.maximum(left, 0.0)).T
    return level.astype(np.float32), err.astype(np.float32), (common, own)


def _prior_variances(
    mean: NDArray[np.float64], noise: NDArray[np.float64], count: NDArray[np.float32]
) -> tuple[float, float]:
    """Measure the variances of the common and the own parts of the levels."""
    n_outputs = mean.shape[1]
    full = count.max() if count.size else 0.0
    clean = (count > _CLEAN * full).all(axis=1)
    if np.count_nonzero(clean) < 16:
        clean = (count > 0.0).any(axis=1)
    mean, noise = mean[clean], noise[clean]
    if len(mean) < 2:
        return 0.0, 0.0
    white = float(np.median(noise))
    rows = mean.mean(axis=1)
    spread = robust_scatter(rows)
    if n_outputs == 1:
        return 0.0, max(spread**2 - white, 0.0)
    middle = _chi2_median(n_outputs - 1)
    own = max(float(np.median(mean.var(axis=1, ddof=1))) / middle - white, 0.0)
    common = max(spread**2 - (own + white) / n_outputs, 0.0)
    return common, own


def _chi2_median(n: int) -> float:
    """Return the median of chi2 per degree of freedom (Wilson and Hilferty 1931)."""
    return (1.0 - 2.0 / (9.0 * n)) ** 3
