"""Ramps of which some difference is not used: hit, saturated, or without data.

The few among the whole ones, some hundred at a time side by side: taken from the band,
fitted twice, the second time with the noise of the first slope, and written to their place.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...numerics.jit import fast_kernel
from .covariance import Pattern
from .gls_kernels import (
    Tile,
    eliminate,
    find_means,
    make_tile,
    move_origin,
    pick_steps,
    weigh_reads,
)
from .whole_ramps import Noise, Planes, Samples

_WIDTH: Final = 4112
"""Ramps fitted side by side: an odd number of cache lines."""


def fit_cut_ramps(
    samples: Samples,
    noise: Noise,
    pixels: NDArray[np.int32],
    pattern: Pattern,
    bits: tuple[int, int, int, int, int],
    out: Planes,
) -> None:
    """Fit some ramps with the differences that are left to them.

    Parameters
    ----------
    samples : Samples
    noise : Noise
    pixels : (n,) int32
    pattern : Pattern
    bits : tuple of int
        As of `whole_ramps.fit_whole_ramps`.
    out : Planes
        Filled in those pixels; ``flags`` come in as those of the pixels. Chi2 is per degree
        of freedom, NaN where there is none.
    """
    tile = make_tile(len(pattern.step_s), _WIDTH)
    # pixels without a gain or without a difference divide by zero: they are lost
    with np.errstate(all="ignore"):
        for start in range(0, pixels.size, _WIDTH):
            own = pixels[start : start + _WIDTH]
            pick_steps(samples, own, (bits[0], bits[1]), pattern, tile, 0)
            _fit_tile(noise, own, (pattern, bits), tile, out)


def _fit_tile(
    noise: Noise,
    pixels: NDArray[np.int32],
    model: tuple[Pattern, tuple[int, int, int, int, int]],
    tile: Tile,
    out: Planes,
) -> None:
    """Fit the ramps of a tile, which are those of ``pixels``."""
    pattern, bits = model
    reads, inside = np.empty(_WIDTH, np.float32), slice(0, pixels.size)
    inverse_gain, dark = np.ones((2, _WIDTH), np.float32)
    gain, sigma = noise.gain[pixels], noise.read_noise[pixels]
    inverse_gain[inside] = np.where(gain > 0.0, np.float32(1.0) / gain, np.nan)
    dark[inside] = noise.dark[pixels] if noise.dark.size else 0.0
    tile.read[inside] = np.where(sigma > 0.0, sigma * sigma, np.nan)
    find_means(tile)
    origin = tile.mean.copy()
    tile.signal[:] = (np.maximum(origin, 0.0) + dark) * inverse_gain
    move_origin(tile, origin)
    eliminate(tile, pattern)
    rate = origin + tile.sums[1] / tile.sums[2]
    tile.signal[:] = (np.maximum(rate, 0.0) + dark) * inverse_gain
    eliminate(tile, pattern)
    weigh_reads(tile, pattern, reads)
    _write(pixels, (origin, reads, inverse_gain), tile, bits, out)


@fast_kernel
def _write(
    pixels: NDArray[np.int32],
    fitted: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
    tile: Tile,
    bits: tuple[int, int, int, int, int],
    out: Planes,
) -> None:
    """Write the results of some ramps.

    ``fitted`` are the rate that the differences are relative to, ``1' C**-1 1`` of the
    reads alone, and one over the gain.
    """
    origin, reads, inverse_gain = fitted
    zero, one, unknown = np.float32(0.0), np.float32(1.0), np.float32(np.nan)
    kept, lost, no_gain = np.uint8(bits[2]), np.uint32(bits[3]), np.uint32(bits[4])
    for c in range(pixels.size):
        k, freedom = pixels[c], tile.n_used[c] - one
        chi, right, weight = tile.sums[0, c], tile.sums[1, c], tile.sums[2, c]
        flags = out.flags[k] | np.uint32(tile.seen[c] & kept)
        flags |= no_gain if np.isnan(inverse_gain[c]) else np.uint32(0)
        flags |= np.uint32(0) if weight > zero else lost
        is_lost = flags & lost != 0
        variance, var_read = one / weight, one / reads[c]
        out.flags[k] = flags
        out.slope[k] = unknown if is_lost else origin[c] + right / weight
        out.err[k] = zero if is_lost else np.sqrt(variance)
        out.var_read[k] = zero if is_lost else var_read
        out.var_poisson[k] = zero if is_lost else max(variance - var_read, zero)
        chi2 = (chi - right * right / weight) / freedom
        out.chi2[k] = chi2 if freedom > zero else unknown
