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

_WIDTH: Final = 528
"""Ramps fitted side by side: an odd number of cache lines, all arrays in the cache."""


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
    _fit_cut_ramps(
        samples,
        noise,
        pixels,
        (pattern, bits),
        make_tile(len(pattern.step_s), _WIDTH),
        out,
    )


@fast_kernel
def _fit_cut_ramps(
    samples: Samples,
    noise: Noise,
    pixels: NDArray[np.int32],
    model: tuple[Pattern, tuple[int, int, int, int, int]],
    tile: Tile,
    out: Planes,
) -> None:
    """Fit some ramps; arguments as of `fit_cut_ramps`."""
    (pattern, bits), width = model, tile.mean.size
    zero, one, unknown = np.float32(0.0), np.float32(1.0), np.float32(np.nan)
    inverse_gain, dark = np.ones(width, np.float32), np.zeros(width, np.float32)
    origin, weight = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for start in range(0, pixels.size, width):
        own = pixels[start : start + width]
        pick_steps(samples, own, (bits[0], bits[1]), pattern, tile, 0)
        for c in range(own.size):
            gain, sigma = noise.gain[own[c]], noise.read_noise[own[c]]
            inverse_gain[c] = one / gain if gain > zero else unknown
            tile.read[c] = sigma * sigma if sigma > zero else unknown
            if noise.dark.size:
                dark[c] = noise.dark[own[c]]
        find_means(tile)
        for c in range(width):
            origin[c] = tile.mean[c]
            tile.signal[c] = (max(origin[c], zero) + dark[c]) * inverse_gain[c]
        move_origin(tile, origin)
        eliminate(tile, pattern)
        for c in range(width):
            rate = origin[c] + tile.sums[1, c] / tile.sums[2, c]
            tile.signal[c] = (max(rate, zero) + dark[c]) * inverse_gain[c]
        eliminate(tile, pattern)
        weigh_reads(tile, pattern, weight)
        for c in range(own.size):
            _write(own[c], c, (origin[c], weight[c], inverse_gain[c]), tile, bits, out)


@fast_kernel
def _write(
    pixel: int,
    column: int,
    fitted: tuple[np.float32, np.float32, np.float32],
    tile: Tile,
    bits: tuple[int, int, int, int, int],
    out: Planes,
) -> None:
    """Write the result of one ramp.

    ``fitted`` are the rate that the differences are relative to, ``1' C**-1 1`` of the
    reads alone, and one over the gain.
    """
    origin, reads, inverse_gain = fitted
    zero, one, unknown = np.float32(0.0), np.float32(1.0), np.float32(np.nan)
    kept, lost, no_gain = np.uint8(bits[2]), np.uint32(bits[3]), np.uint32(bits[4])
    chi, right, weight = (
        tile.sums[0, column],
        tile.sums[1, column],
        tile.sums[2, column],
    )
    freedom = tile.n_used[column] - one
    flags = out.flags[pixel] | np.uint32(tile.seen[column] & kept)
    flags |= no_gain if np.isnan(inverse_gain) else np.uint32(0)
    flags |= np.uint32(0) if weight > zero else lost
    is_lost = flags & lost != 0
    variance, var_read = one / weight, one / reads
    out.flags[pixel] = flags
    out.slope[pixel] = unknown if is_lost else origin + right / weight
    out.err[pixel] = zero if is_lost else np.sqrt(variance)
    out.var_read[pixel] = zero if is_lost else var_read
    out.var_poisson[pixel] = zero if is_lost else max(variance - var_read, zero)
    chi2 = (chi - right * right / weight) / freedom
    out.chi2[pixel] = chi2 if freedom > zero else unknown
