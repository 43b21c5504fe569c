"""The jump search by generalised least squares.

A difference hit by a cosmic ray is an outlier of a model with a single slope. Omitting
difference ``i`` lowers chi2 by ``e_i**2 / P_ii``, with ``e = P d`` and ``P`` the inverse
covariance with the slope projected out; omitting two neighbours, both of which are affected
by a hit within an averaged group, by the corresponding quadratic form of two (Brandt 2024,
PASP 136, 045005, in the closed form of a tridiagonal covariance). ``e / P`` is the step
itself. A hit only adds charge, so negative steps are not jumps; with few differences the sign
distinguishes the hit pair from the two good ones. Neither of the two steps of a shared charge
is negative.
"""

from functools import lru_cache
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from ..flags import BAD_FOR_SLOPE, JUMP
from ..numerics.jit import fast_kernel
from .band import Hits, PixelNoise, RampBand
from .leave_out import (
    Outliers,
    find_best_pair,
    find_best_single,
    invert,
    keep_columns,
    make_outliers,
    omit,
    project,
    set_noise,
)
from .ramp_fit.covariance import Pattern, readout_pattern
from .ramp_fit.gls_kernels import (
    Tile,
    eliminate,
    find_means,
    make_tile,
    move_origin,
    pick_steps,
)
from .ramp_fit.whole_ramps import (
    Noise,
    Samples,
    noise_of,
    samples_of,
    screen_whole_ramps,
)
from .thresholds import chi2_limits

_SPOILS = BAD_FOR_SLOPE, JUMP
WIDTH: Final = 528
"""Number of ramps searched together: an odd number of cache lines; all arrays in cache."""


def search_gls(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    rows: slice,
    false_positives: float,
) -> Hits:
    """Find jumps in some rows of a band.

    Parameters
    ----------
    band : RampBand
    noise : PixelNoise
    readout : Readout
    rows : slice
    false_positives : float
        Fraction of ramps without a hit that may be flagged.

    Returns
    -------
    Hits

    Notes
    -----
    Ramps with all differences are searched only if their chi2 exceeds the smallest limit:
    no omission can lower chi2 by more than its value. The photon noise is that of the mean
    difference, as it is without a hit, or, if that is lower, of the mean without the
    largest, which one hit does not raise, plus the bias of this exclusion for a ramp without
    a hit that is beyond the limit.
    """
    pattern = readout_pattern(readout)
    n_ints = len(band.counts)
    limits, lost = _limits_and_loss(readout, false_positives)
    own, found = noise_of(noise, rows), []
    for i in range(n_ints):
        samples = samples_of(band, i, rows)
        levels = tuple(lost[:, -1]), limits[:, -1].min()
        suspects = screen_whole_ramps(samples, own, pattern, levels, _SPOILS)
        suspects = suspects[own.gain[suspects] > 0.0]
        hits = search_ramps(samples, own, suspects, (pattern, lost, limits))
        hits.where[0] = i
        found.append(hits)
    return Hits(
        *(np.concatenate(columns, axis=1) for columns in zip(*found, strict=True))
    )


def search_ramps(
    samples: Samples,
    noise: Noise,
    pixels: NDArray[np.int32],
    model: tuple[Pattern, NDArray[np.float32], NDArray[np.float32]],
) -> Hits:
    """Omit differences of each ramp until none lowers chi2 enough.

    Parameters
    ----------
    samples : Samples
    noise : Noise
    pixels : (n,) int32
        Ramps to search, with known gain.
    model : pattern, lost, limits
        The latter two from `lost_at_limit` and `chi2_limits`.

    Returns
    -------
    Hits
        The integration index is 0.
    """
    n_steps = len(model[0].step_s)
    most = n_steps * pixels.size
    where, size = np.empty((3, most), np.int32), np.empty((2, most), np.float32)
    room = make_tile(n_steps, WIDTH), make_outliers(n_steps, WIDTH), _make_columns()
    known = *model, _SPOILS
    n = _search_ramps(samples, noise, pixels, known, room, (where, size))
    where[0] = 0
    return Hits(where[:, :n], size[:, :n])


class Columns(NamedTuple):
    """What is known of the ramps of a tile beside it."""

    pixel: NDArray[np.int32]
    inverse_gain: NDArray[np.float32]
    changed: NDArray[np.intp]
    """Columns of the ramps that stay."""
    place: NDArray[np.int32]
    """(3, hits): where `omit` leaves them."""
    steps: NDArray[np.float32]
    """(2, hits)"""


def _make_columns() -> Columns:
    """Return arrays; a kernel that makes its own takes longer to compile."""
    return Columns(
        pixel=np.zeros(WIDTH, np.int32),
        inverse_gain=np.ones(WIDTH, np.float32),
        changed=np.empty(WIDTH, np.intp),
        place=np.empty((3, 2 * WIDTH), np.int32),
        steps=np.empty((2, 2 * WIDTH), np.float32),
    )


@fast_kernel
def _search_ramps(
    samples: Samples,
    noise: Noise,
    pixels: NDArray[np.int32],
    model: tuple[Pattern, NDArray[np.float32], NDArray[np.float32], tuple[int, int]],
    room: tuple[Tile, Outliers, Columns],
    hits: tuple[NDArray[np.int32], NDArray[np.float32]],
) -> int:
    """Fill the hits of the given ramps; return their number.

    Finished ramps are replaced by the next ones, so the tile stays full until the last.
    """
    (pattern, lost, limits, bits), (tile, out, columns) = model, room
    pixel, inverse_gain, changed, place, steps = columns
    where, size = hits
    width, zero, one = tile.mean.size, np.float32(0.0), np.float32(1.0)
    gain, read_noise = noise.gain, noise.read_noise
    # a plain 0 has a type of its own, for which `pick_steps` would be compiled as well
    n_kept: int = np.intp(0)  # type: ignore[assignment]
    n_taken, n_hits = 0, 0
    while n_kept > 0 or n_taken < pixels.size:
        n_new = min(width - n_kept, pixels.size - n_taken)
        new = pixels[n_taken : n_taken + n_new]
        n_taken += n_new
        pick_steps(samples, new, bits, pattern, tile, n_kept)
        # what the dark took off has left its noise
        for c in range(min(n_new, noise.dark.size)):
            tile.shift[n_kept + c] = noise.dark[new[c]]
        for c in range(n_new):
            k = new[c]
            pixel[n_kept + c] = k
            inverse_gain[n_kept + c] = one / gain[k]
            tile.read[n_kept + c] = read_noise[k] * read_noise[k]
        for i in range(len(tile.rate)):
            tile.rate[i, n_kept + n_new :] = zero
            tile.used[i, n_kept + n_new :] = zero
        find_means(tile)
        set_noise(tile, inverse_gain, pattern, lost)
        move_origin(tile, tile.mean)
        eliminate(tile, pattern)
        invert(tile, pattern, out)
        project(tile, out)
        find_best_single(out)
        find_best_pair(tile.used, pattern, out)
        n, n_kept = omit(
            tile, inverse_gain, (pattern, limits), out, (place, steps), changed
        )
        for k in range(n):
            where[1, n_hits + k] = place[1, k]
            where[2, n_hits + k] = pixel[place[2, k]]
            size[0, n_hits + k], size[1, n_hits + k] = steps[0, k], steps[1, k]
        n_hits += n
        keep_columns(tile, changed[:n_kept])
        for c in range(n_kept):
            k = changed[c]
            pixel[c], inverse_gain[c] = pixel[k], inverse_gain[k]
    return n_hits


@lru_cache(maxsize=8)
def _limits_and_loss(
    readout: Readout, false_positives: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what the search needs to know of a readout, once for all bands."""
    limits = chi2_limits(readout, false_positives)
    return limits, lost_at_limit(readout_pattern(readout), limits)


def lost_at_limit(pattern: Pattern, limits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how low the mean without the largest difference is beyond the limit.

    Returns
    -------
    (2, n_steps + 1) float32
        Square of the loss for each number of differences, over the photon variance a
        second, and over the variance of a read.

    Notes
    -----
    In a ramp without a hit the best slope does not depend on its residuals. If difference
    ``i`` is a step ``b`` above the line through the others, these lie ``h_i b`` below the
    slope, ``h`` being the weights of its fit. This is the loss of a step of twice the
    limit: up to there the mean of all differences is lower, so the noise is correct where
    the decision is made, and beyond it a hit does not raise it. ``h_i b`` is averaged
    over the differences, and taken to be inversely proportional to their number.
    """
    count = np.maximum(np.arange(limits.shape[1]), 1.0)
    known = np.where(np.isfinite(limits), limits, 0.0)
    scale = 4.0 * known * ((limits.shape[1] - 1) / count) ** 2
    photons, reads = _loss(pattern, 1.0, 0.0) ** 2, _loss(pattern, 0.0, 1.0) ** 2
    return np.asarray([photons * scale[-1], reads * scale[0]], np.float32)


def _loss(pattern: Pattern, photons: float, reads: float) -> float:
    """Return the mean over differences of weight times error of a step."""
    own = photons * pattern.photon_diagonal + reads * pattern.read_diagonal
    off = (photons * pattern.photon_off + reads * pattern.read_off)[:-1]
    covariance = np.diag(own.astype(np.float64)) + np.diag(off, 1) + np.diag(off, -1)
    inverse = np.linalg.inv(covariance)
    row = inverse.sum(axis=1)
    weight = row / row.sum()
    return float(np.mean(weight / np.sqrt(np.diag(inverse) - weight * row)))


def lost_by_chance(pattern: Pattern) -> NDArray[np.float32]:
    """Return the same of a ramp without a hit: the mean largest of as many normals.

    From Blom (1958).
    """
    n_steps = len(pattern.step_s)
    count = np.arange(2.0, n_steps + 1.0)
    quantile, shares = NormalDist().inv_cdf, (count - 0.375) / (count + 0.25)
    largest = np.array([quantile(float(share)) for share in shares])
    scale = np.append([0.0, 0.0], (largest / (count - 1.0)) ** 2)
    own = pattern.photon_diagonal[0], pattern.read_diagonal[0]
    return np.asarray(np.outer(own, scale), np.float32)
