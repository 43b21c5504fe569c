"""Correct and test the neighbours of a cosmic-ray hit, at the time of the hit.

Capacitive coupling shares about half a percent of the charge of a hit with each of its four
neighbours. The share is known and is subtracted from them. In addition, an ion crosses
several pixels: those at the rim of its track receive too little charge to be significant
among all differences of all ramps, but enough to be found next to a hit at its time. Each
neighbour is tested once, for a step shared between two differences in the same ratio as the
hit's, so a lower threshold finds them with few false positives.
"""

from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.timing import Readout
from ..flags import BAD_FOR_SLOPE, JUMP
from ..numerics.jit import fast_kernel, kernel
from ..params import Fraction, Params, Sigma, Unit
from .band import PixelNoise, RampBand
from .gls_jumps import lost_by_chance
from .jumps import FoundJumps
from .leave_out import Outliers, invert, make_outliers, project, set_noise
from .ramp_fit.covariance import Pattern, readout_pattern
from .ramp_fit.gls_kernels import (
    eliminate,
    find_means,
    make_tile,
    move_origin,
    pick_steps,
)
from .ramp_fit.whole_ramps import Noise, Samples, noise_of, samples_of

_BITS: Final = BAD_FOR_SLOPE, JUMP
_SIDE_PERCENT: Final = {
    "NRCA1": 0.488, "NRCA2": 0.516, "NRCA3": 0.568, "NRCA4": 0.557, "NRCALONG": 0.597,
    "NRCB1": 0.511, "NRCB2": 0.464, "NRCB3": 0.542, "NRCB4": 0.570, "NRCBLONG": 0.554,
}  # fmt: skip
_USUAL_PERCENT: Final = 0.54
_CORNER: Final = 0.055
"""Share of a corner neighbour over that of a side neighbour."""
_WIDTH: Final = 4112
"""Number of pixels tested together: an odd number of cache lines."""
_PROMISING: Final = 1.5
"""Minimum step over its noise, without the rest of the ramp, for a pixel to be fitted."""


class FollowUpParams(Params):
    """How the neighbours of a hit are corrected and tested."""

    coupling: Annotated[float, Field(ge=0), Unit("1")] = 1.0
    """Charge subtracted from the neighbours, in units of the charge that the detector's
    coupling shares with them."""
    uncertainty: Fraction = 0.1
    """Relative uncertainty of the shared charge: a neighbour is flagged where it exceeds
    the noise of a difference."""
    threshold: Sigma = 2.0
    """Significance above which a step at the time of an adjacent hit is flagged."""
    min_ratio: Annotated[float, Field(ge=0), Unit("sigma")] = 5.0
    """The neighbours of weaker hits are not tested."""


class Strikes(NamedTuple):
    """Hits, one entry each; two differences that share a hit are joined."""

    where: NDArray[np.int64]
    """(4, n): integration, later group of the first difference, row, column."""
    steps: NDArray[np.float32]
    """(2, n), DN: step of the first difference and of the next, 0 where that is not hit."""
    ratio: NDArray[np.float32]
    """Larger of the two steps over its noise."""


def join_hits(found: FoundJumps) -> Strikes:
    """Join the differences that share a hit, ordered by rows, columns and groups."""
    where = np.stack(found[:4]).astype(np.int64)
    # order by row, column, integration and group; one key sorts faster than four
    key = where[2] + 1
    for axis in (3, 0, 1):
        key = key * (where[axis].max(initial=0) + 1) + where[axis]
    order = np.argsort(key)  # no two are equal
    where = where[:, order]
    apart = np.diff(where, axis=1, prepend=-2)
    is_next = (apart[[0, 2, 3]] == 0).all(axis=0) & (apart[1] == 1)
    # of three consecutive differences the third starts a new hit
    is_next[1:] &= ~is_next[:-1]
    start = np.flatnonzero(~is_next)
    after = np.append(is_next[1:], [False])[start]
    later = np.minimum(start + 1, max(order.size - 1, 0))
    step, ratio = found.amplitude_dn[order], found.ratio[order]
    second = np.where(after, step[later], np.float32(0.0))
    strongest = np.maximum(ratio[start], np.where(after, ratio[later], np.float32(0.0)))
    return Strikes(
        np.take(where, start, axis=1), np.stack([step[start], second]), strongest
    )


def shares_of(detector: str) -> tuple[float, float]:
    """Return the fractions of a charge that side and corner neighbours receive.

    Sides as measured in the laboratory (CV3); corners are 0.055 of that.
    """
    side = _SIDE_PERCENT.get(detector, _USUAL_PERCENT) / 100.0
    return side, _CORNER * side


def follow_up(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    strikes: Strikes,
    shares: tuple[float, float],
    params: FollowUpParams,
) -> int:
    """Subtract the shared charge from the neighbours of hits, and flag those hit too.

    Parameters
    ----------
    band : RampBand
        ``counts`` and ``group_flags`` are owned: JUMP bits are added.
    noise : PixelNoise
    readout : Readout
    strikes : Strikes
        Hits of the band and of the adjacent rows; rows counted from the top of the band.
    shares : (side, corner)
        See `shares_of`.
    params : FollowUpParams

    Returns
    -------
    int
        Number of pixels found to be hit.

    Notes
    -----
    When the uncertainty of a share is compared with the noise of a neighbour, the noise of
    the hit pixel is used.
    """
    where, steps = strikes.where, strikes.steps
    if strikes.ratio.size == 0:
        return 0
    doubted = params.uncertainty * shares[0] * strikes.ratio > 1.0
    side, corner = (np.float32(params.coupling * share) for share in shares)
    _take_shares(band.counts, where, steps, (side, corner))
    doubtful = _pick(strikes, doubted)
    _flag_sides(band.group_flags, doubtful.where, doubtful.steps, _BITS)
    strong = _pick(strikes, strikes.ratio > params.min_ratio)
    found = 0
    for i in range(len(band.counts)):
        own = _pick(strong, strong.where[0] == i)
        found += _test_neighbors(band, i, noise, own, readout, params.threshold)
    return found


def _test_neighbors(
    band: RampBand,
    integration: int,
    noise: PixelNoise,
    strikes: Strikes,
    readout: Readout,
    threshold: float,
) -> int:
    """Flag neighbours of an integration's hits that show a step; return their number."""
    pattern = readout_pattern(readout)
    shape = noise.gain.shape
    ramps = band.counts[integration], band.group_flags[integration]
    best, pixels = np.full(shape, -1, np.int32), np.empty(noise.gain.size, np.int32)
    where, steps = strikes.where[1:], strikes.steps
    planes, unit = (noise.gain, noise.read_noise_dn), _unit_noise(pattern)
    n = _choose_strongest(ramps, planes, where, steps, unit, (best, pixels))
    pixels = pixels[:n]
    event = best.reshape(-1)[pixels]
    whole = slice(0, shape[0])
    ways = where[0, event] - 1, steps[:, event]
    samples, own = samples_of(band, integration, whole), noise_of(noise, whole)
    chi2 = _test_pixels(samples, own, pixels, ways, pattern)
    is_hit = chi2 > threshold**2
    both = is_hit & (ways[1][1] > 0.0)
    # finding one flat index is faster than finding two
    row, col = np.divmod(pixels, np.int32(shape[1]))
    for chosen, later in ((is_hit, 1), (both, 2)):
        at = ways[0][chosen] + later, row[chosen], col[chosen]
        ramps[1][at] |= np.uint8(JUMP)
    return int(np.count_nonzero(is_hit))


def _pick(strikes: Strikes, chosen: NDArray[np.bool_]) -> Strikes:
    """Return the chosen hits."""
    where, steps, ratio = strikes
    # indexing would change the memory order, and with it the array type of the kernels
    return Strikes(
        np.compress(chosen, where, axis=1),
        np.compress(chosen, steps, axis=1),
        ratio[chosen],
    )


def _unit_noise(pattern: Pattern) -> tuple[np.float32, np.float32, np.float32]:
    """Return the factors on signal and read variance of a difference in DN, and a limit."""
    square = pattern.step_s[0] ** 2
    photons, reads = pattern.photon_diagonal[0], pattern.read_diagonal[0]
    per_step = np.float32(photons * pattern.step_s[0])
    return per_step, np.float32(reads * square), np.float32(_PROMISING**2)


def _test_pixels(
    samples: Samples,
    noise: Noise,
    pixels: NDArray[np.int32],
    ways: tuple[NDArray[np.int64], NDArray[np.float32]],
    pattern: Pattern,
) -> NDArray[np.float32]:
    """Return the decrease of each pixel's chi2 by a charge; 0 if the charge is negative.

    ``ways`` is the first difference that contains the charge, and (2, pixels) the shares of
    that difference and of the next.
    """
    n_steps, chi2 = len(pattern.step_s), np.zeros(pixels.size, np.float32)
    lost = lost_by_chance(pattern)
    tile, out = make_tile(n_steps, _WIDTH), make_outliers(n_steps, _WIDTH)
    inverse_gain = np.ones(_WIDTH, np.float32)
    for start in range(0, pixels.size, _WIDTH):
        own = pixels[start : start + _WIDTH]
        inverse_gain[: own.size] = np.float32(1.0) / noise.gain[own]
        tile.read[: own.size] = noise.read_noise[own] ** 2
        pick_steps(samples, own, _BITS, pattern, tile, 0)
        if noise.dark.size:
            tile.shift[: own.size] = noise.dark[own]
        find_means(tile)
        set_noise(tile, inverse_gain, pattern, lost)
        move_origin(tile, tile.mean)
        eliminate(tile, pattern)
        invert(tile, pattern, out)
        project(tile, out)
        _save(out, ways, start, chi2[start : start + _WIDTH])
    return chi2


@fast_kernel
def _save(
    out: Outliers,
    ways: tuple[NDArray[np.int64], NDArray[np.float32]],
    start: int,
    chi2: NDArray[np.float32],
) -> None:
    """Fill the decrease of chi2 by a charge; the output must be 0 on entry.

    ``ways`` as in `_test_pixels`, from ``start`` on.
    """
    (first, shape), zero, two = ways, np.float32(0.0), np.float32(2.0)
    for c in range(chi2.size):
        i, a, b = first[start + c], shape[0, start + c], shape[1, start + c]
        value, weight = a * out.residual[i, c], a * a * out.own[i, c]
        if b > zero:
            value += b * out.residual[i + 1, c]
            weight += two * a * b * out.cross[i, c] + b * b * out.own[i + 1, c]
        if value > zero and weight > zero:
            chi2[c] = value * value / weight


@kernel
def _take_shares(
    counts: NDArray[np.float32],
    where: NDArray[np.int64],
    steps: NDArray[np.float32],
    shares: tuple[np.float32, np.float32],
) -> None:
    """Subtract the shares of hits from the eight pixels around each."""
    _, n_groups, n_rows, n_cols = counts.shape
    side, corner = shares
    for k in range(where.shape[1]):
        i, group, row, col = where[0, k], where[1, k], where[2, k], where[3, k]
        one, both = steps[0, k], steps[0, k] + steps[1, k]
        for r in range(max(row - 1, 0), min(row + 2, n_rows)):
            beside = side if r == row else corner
            # groups of a pixel are far apart in memory, the three columns are adjacent
            for g in range(group, n_groups):
                step, line = one if g == group else both, counts[i, g, r]
                if col > 0:
                    line[col - 1] -= beside * step
                if r != row:
                    line[col] -= side * step
                if col + 1 < n_cols:
                    line[col + 1] -= beside * step


@kernel
def _flag_sides(
    flags: NDArray[np.uint8],
    where: NDArray[np.int64],
    steps: NDArray[np.float32],
    bits: tuple[int, int],
) -> None:
    """Flag the four neighbours of hits in the differences that share them.

    ``bits`` are those of groups to skip, and the one to set.
    """
    _, _, n_rows, n_cols = flags.shape
    bad, jump = np.uint8(bits[0]), np.uint8(bits[1])
    for k in range(where.shape[1]):
        i, group, row, col = where[0, k], where[1, k], where[2, k], where[3, k]
        later = group + 1 if steps[1, k] > 0.0 else group
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            r, c = row + down, col + right
            if 0 <= r < n_rows and 0 <= c < n_cols:
                for g in range(group, later + 1):
                    if flags[i, g, r, c] & bad == 0:
                        flags[i, g, r, c] |= jump


@kernel
def _choose_strongest(
    ramps: tuple[NDArray[np.float32], NDArray[np.uint8]],
    planes: tuple[NDArray[np.float32], NDArray[np.float32]],
    where: NDArray[np.int64],
    steps: NDArray[np.float32],
    unit: tuple[np.float32, np.float32, np.float32],
    out: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> int:
    """Find the strongest hit next to each pixel that shows a step too.

    ``where`` is (later group, row, col) of the hits, ``planes`` are the gain and the read
    noise, ``unit`` is from `_unit_noise`. ``out`` is filled with the hit of each pixel, which
    must be -1 on entry, and with the pixels that have one; their number is returned.
    """
    (counts, flags), (gain, read), (best, chosen) = ramps, planes, out
    n_groups, n_rows, n_cols = counts.shape
    photons, reads, least = unit
    zero, one, n_chosen = np.float32(0.0), np.float32(1.0), 0
    for k in range(where.shape[1]):
        group, row, col = where[0, k], where[1, k], where[2, k]
        later = group + 1 if steps[1, k] > zero else group
        charge, n = steps[0, k] + steps[1, k], np.float32(later - group + 1)
        share = one / max(np.float32(n_groups - 1) - n, one)
        for r in range(max(row - 1, 0), min(row + 2, n_rows)):
            for c in range(max(col - 1, 0), min(col + 2, n_cols)):
                step = counts[later, r, c] - counts[group - 1, r, c]
                mean = (counts[n_groups - 1, r, c] - counts[0, r, c] - step) * share
                above, own_gain = step - n * mean, gain[r, c]
                # multiplied by the gain, which is faster than dividing; False for NaN
                noise = read[r, c] * read[r, c] * own_gain * reads
                noise += max(mean, zero) * photons
                is_step = (above > zero) & (own_gain > zero)
                is_step &= above * above * own_gain > least * noise
                # most show no step: a single branch for all conditions
                if not is_step or (r == row and c == col):
                    continue
                held = best[r, c]
                if held >= 0 and steps[0, held] + steps[1, held] >= charge:
                    continue
                known = flags[group, r, c] | flags[later, r, c] | flags[group - 1, r, c]
                if known == 0:
                    if held < 0:
                        chosen[n_chosen] = r * n_cols + c
                        n_chosen += 1
                    best[r, c] = k
    return n_chosen
