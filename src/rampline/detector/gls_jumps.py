"""The jump search by generalised least squares.

A difference that a cosmic ray hit is an outlier of a model with one slope. Leaving out
difference ``i`` lowers chi2 by ``e_i**2 / P_ii``, with ``e = P d`` and ``P`` the inverse
covariance with the slope projected out; leaving out two neighbours, which a hit within
an averaged group spoils both, by the same form of two (Brandt 2024, PASP 136, 045005,
in the closed form of a tridiagonal covariance). ``e / P`` is the step itself: charge is
only ever added, so negative steps are not jumps. With few differences this sign tells
the hit pair from the two good ones.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from ..flags import BAD_FOR_SLOPE, JUMP
from .band import Hits, PixelNoise, RampBand, pick_pixels
from .leave_out import (
    find_best_pair,
    find_best_single,
    invert,
    make_outliers,
    omit,
    project,
    set_noise,
    take_columns,
)
from .ramp_fit.covariance import Pattern, readout_pattern
from .ramp_fit.gls_kernels import (
    Tile,
    eliminate,
    find_means,
    load_steps,
    make_tile,
    move_origin,
    tile_width,
)
from .ramp_fit.whole_ramps import (
    Noise,
    Samples,
    noise_of,
    samples_of,
    screen_whole_ramps,
)
from .thresholds import one_sided_threshold

_SPOILS = BAD_FOR_SLOPE, JUMP


class Ramps(NamedTuple):
    """Ramps that are searched one omission after the other."""

    rate: NDArray[np.float32]
    """(differences, ramps), DN/s less ``shift``"""
    used: NDArray[np.float32]
    """(differences, ramps): 1 where used, else 0."""
    shift: NDArray[np.float32]
    """(ramps,), DN/s"""
    read: NDArray[np.float32]
    """(ramps,), DN**2"""
    inverse_gain: NDArray[np.float32]
    """(ramps,), DN/e-"""
    pixel: NDArray[np.int32]
    """(ramps,)"""


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
    Of the ramps with all differences only those whose chi2 exceeds the smallest limit
    are searched: no omission can save more than all of it. The noise is that of the
    mean difference without the largest, which one hit does not raise, plus what a ramp
    without hit loses by that.
    """
    pattern = readout_pattern(readout)
    n_ints, n_groups = band.counts.shape[:2]
    limits = chi2_limits(n_groups - 1, readout.n_frames, false_positives)
    found = []
    for i in range(n_ints):
        samples, own = samples_of(band, i, rows), noise_of(noise, rows)
        suspects = _find_suspects(samples, own, pattern, limits[0, -1])
        ramps = _take_ramps(band, i, rows, suspects, own, pattern)
        found.append(search_ramps(ramps, pattern, limits, i))
    return Hits(
        *(np.concatenate(columns, axis=1) for columns in zip(*found, strict=True))
    )


def _find_suspects(
    samples: Samples, noise: Noise, pattern: Pattern, limit: np.float32
) -> NDArray[np.int32]:
    """Return the pixels with a chi2 above the limit or an incomplete ramp."""
    levels = _largest_of_normals(len(pattern.step_s))[-1], limit
    return screen_whole_ramps(samples, noise, pattern, levels, _SPOILS)


def _take_ramps(
    band: RampBand,
    integration: int,
    rows: slice,
    pixels: NDArray[np.int32],
    noise: Noise,
    pattern: Pattern,
) -> Ramps:
    """Copy the ramps of some pixels in which there is anything to search."""
    counts = pick_pixels(band.counts[integration, :, rows], pixels)
    flags = pick_pixels(band.group_flags[integration, :, rows], pixels)
    tile = make_tile(len(pattern.step_s), pixels.size)
    load_steps(counts, flags, (0, pixels.size), _SPOILS, pattern, tile)
    gain = noise.gain[pixels]
    chosen = np.flatnonzero((tile.used.sum(axis=0) > 1.0) & (gain > 0.0))
    pixels = pixels[chosen]
    return Ramps(
        _columns(tile.rate, chosen),
        _columns(tile.used, chosen),
        np.zeros(pixels.size, np.float32),
        noise.read_noise[pixels] ** 2,
        np.float32(1.0) / noise.gain[pixels],
        pixels,
    )


def search_ramps(
    ramps: Ramps, pattern: Pattern, limits: NDArray[np.float32], integration: int
) -> Hits:
    """Leave out differences of each ramp until none saves enough chi2.

    Parameters
    ----------
    ramps : Ramps
    pattern : Pattern
    limits : (2, differences + 1) float32
        As `chi2_limits` gives them.
    integration : int
        Noted in the hits.

    Returns
    -------
    Hits
    """
    found = [Hits(np.zeros((3, 0), np.int32), np.zeros((2, 0), np.float32))]
    while ramps.pixel.size:
        n_steps, n = ramps.rate.shape
        width = tile_width(n_steps, n)
        kept = []
        for start in range(0, n, width):
            part = Ramps._make(column[..., start : start + width] for column in ramps)
            hits, changed = _omit_best(part, pattern, limits, integration)
            found.append(hits)
            kept.append(changed)
        ramps = _join(kept)
    return Hits(
        *(np.concatenate(columns, axis=1) for columns in zip(*found, strict=True))
    )


@lru_cache(maxsize=8)
def chi2_limits(
    n_steps: int, n_frames: int, false_positives: float
) -> NDArray[np.float32]:
    """Return by how much chi2 must fall for one and for two differences left out.

    Returns
    -------
    (2, n_steps + 1) float32
        For each number of differences in the ramp; infinite below two.

    Notes
    -----
    The pair's limit has the same probability: chi2 of two degrees of freedom is
    exponential.
    """
    limits = np.full((2, n_steps + 1), np.inf, np.float32)
    for n in range(2, n_steps + 1):
        threshold = one_sided_threshold(n, n_frames, false_positives)
        limits[0, n] = threshold**2
        limits[1, n] = -2.0 * np.log(math.erfc(threshold / math.sqrt(2.0)))
    return limits


def fit_without_largest(
    tile: Tile, inverse_gain: NDArray[np.float32], pattern: Pattern
) -> NDArray[np.float32]:
    """Fit with the noise of the mean without the largest difference; return chi2.

    Chi2 is 0 where there is nothing to fit or the gain is not known.
    """
    n = inverse_gain.size
    find_means(tile)
    set_noise(tile, inverse_gain, _largest_of_normals(len(tile.rate)), pattern)
    move_origin(tile, tile.mean)
    eliminate(tile, pattern)
    return tile.chi2[:n] * (inverse_gain > 0.0)


@lru_cache(maxsize=8)
def _largest_of_normals(n_steps: int) -> NDArray[np.float32]:
    """Return the mean of the largest of 0 to ``n_steps`` standard normals (Blom 1958)."""
    count = np.arange(2.0, n_steps + 1.0)
    quantile, shares = NormalDist().inv_cdf, (count - 0.375) / (count + 0.25)
    table = [quantile(float(share)) for share in shares]
    return np.append([0.0, 0.0], table).astype(np.float32)


def _join(parts: list[Ramps]) -> Ramps:
    """Return the ramps of all parts."""
    columns = [np.concatenate(column, axis=-1) for column in zip(*parts, strict=True)]
    return Ramps._make(columns)


def _omit_best(
    ramps: Ramps, pattern: Pattern, limits: NDArray[np.float32], integration: int
) -> tuple[Hits, Ramps]:
    """Leave out what saves most of each ramp; return it, and the ramps it changed."""
    n_steps, n = ramps.rate.shape
    tile = _make_tile_of(ramps)
    fit_without_largest(tile, ramps.inverse_gain, pattern)
    out = make_outliers(n_steps, n)
    invert(tile, pattern, out)
    project(tile, out)
    find_best_single(out)
    find_best_pair(tile.used, pattern, out)
    where, size = np.empty((3, 2 * n), np.int32), np.empty((2, 2 * n), np.float32)
    changed = np.empty(n, np.intp)
    n_hits, n_changed = omit(tile, pattern, limits, out, (where, size), changed)
    where, size, changed = where[:, :n_hits], size[:, :n_hits], changed[:n_changed]
    where[0] = integration
    where[2] = ramps.pixel[where[2]]
    return Hits(where, size), Ramps(
        _columns(tile.rate, changed),
        _columns(tile.used, changed),
        tile.shift[changed],
        tile.read[changed],
        ramps.inverse_gain[changed],
        ramps.pixel[changed],
    )


def _columns(
    source: NDArray[np.float32], chosen: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return some columns of an array."""
    target = np.empty((len(source), chosen.size), np.float32)
    take_columns(source, chosen, target)
    return target


def _make_tile_of(ramps: Ramps) -> Tile:
    """Return a tile that holds the ramps."""
    tile = make_tile(*ramps.rate.shape)
    tile.rate[:], tile.used[:] = ramps.rate, ramps.used
    tile.shift[:], tile.read[:] = ramps.shift, ramps.read
    return tile
