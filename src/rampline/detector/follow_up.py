"""Look after the pixels round a cosmic ray, at the time of its hit.

Capacitance shares about half a percent of the charge of a hit with each of its four
neighbours: the share is known, so it is taken off them again. And an ion crosses several
pixels: those at the rim of its track get too little charge to stand out among all
differences of all ramps, but enough beside a hit, at its time. Each neighbour is tested
once, for a step shared between two differences as the hit's own is; so a lower threshold
finds them at few false ones.
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
from .gls_jumps import largest_of_normals
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
"""Share of a corner over that of a side."""
_WIDTH: Final = 4112
"""Pixels tested side by side: an odd number of cache lines."""
_PROMISING: Final = 1.5
"""Step over its noise, told without the rest of the ramp, from which on it is worth a fit."""


class FollowUpParams(Params):
    """What is done round a hit."""

    coupling: Annotated[float, Field(ge=0), Unit("1")] = 1.0
    """Charge taken off the neighbours, over what the detector's coupling shares with
    them."""
    uncertainty: Fraction = 0.1
    """How well that is known: where what is not known of a neighbour's share exceeds the
    noise of a difference the neighbour is flagged."""
    threshold: Sigma = 2.0
    """Step at the time of a hit beside it, over its error, that is taken for charge."""
    min_ratio: Annotated[float, Field(ge=0), Unit("sigma")] = 5.0
    """Hits weaker than this have nothing tested beside them."""


class Strikes(NamedTuple):
    """Hits, the two differences that share one joined, one entry each."""

    where: NDArray[np.int64]
    """(4, n): integration, later group of the first difference, row, column."""
    steps: NDArray[np.float32]
    """(2, n), DN: step of that difference and of the next, 0 where that is not hit."""
    ratio: NDArray[np.float32]
    """Larger step over its noise."""


def join_hits(found: FoundJumps) -> Strikes:
    """Join the differences that share a hit; in the order of rows, columns and groups."""
    where = np.stack(found[:4]).astype(np.int64)
    # by row, column, integration and group; one key sorts faster than four
    key = where[2] + 1
    for axis in (3, 0, 1):
        key = key * (where[axis].max(initial=0) + 1) + where[axis]
    order = np.argsort(key)  # no two are equal
    where = where[:, order]
    apart = np.diff(where, axis=1, prepend=-2)
    is_next = (apart[[0, 2, 3]] == 0).all(axis=0) & (apart[1] == 1)
    # of three in a row the third begins anew
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
    """Return what share of a charge each side and each corner neighbour sees.

    Sides as measured in the laboratory (CV3), corners a twentieth of that.
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
    """Take the shared charge off the neighbours of hits, and find those hit as well.

    Parameters
    ----------
    band : RampBand
        ``counts`` and ``group_flags`` are owned: JUMP bits are added.
    noise : PixelNoise
    readout : Readout
    strikes : Strikes
        Of the band and of the rows beside it; rows counted from the top of the band.
    shares : (side, corner)
        As `shares_of` gives them.
    params : FollowUpParams

    Returns
    -------
    int
        Number of pixels found hit.

    Notes
    -----
    The noise of a neighbour is taken for that of the hit pixel where its share is doubted.
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
    """Flag the neighbours of an integration's hits that show a step; return how many."""
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
    # one index is found faster than two
    row, col = np.divmod(pixels, np.int32(shape[1]))
    for chosen, later in ((is_hit, 1), (both, 2)):
        at = ways[0][chosen] + later, row[chosen], col[chosen]
        ramps[1][at] |= np.uint8(JUMP)
    return int(np.count_nonzero(is_hit))


def _pick(strikes: Strikes, chosen: NDArray[np.bool_]) -> Strikes:
    """Return some of the hits."""
    where, steps, ratio = strikes
    # an index would leave them in another order: another kind of array for the kernels
    return Strikes(
        np.compress(chosen, where, axis=1),
        np.compress(chosen, steps, axis=1),
        ratio[chosen],
    )


def _unit_noise(pattern: Pattern) -> tuple[np.float32, np.float32, np.float32]:
    """Return what multiplies signal and read variance of a difference in DN, and a limit."""
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
    """Return by how much a charge would lower chi2 of each pixel; 0 if it is negative.

    ``ways`` are the first difference that the charge is in, and (2, pixels) the ratio in
    which it and the next one have it.
    """
    n_steps, chi2 = len(pattern.step_s), np.zeros(pixels.size, np.float32)
    tile, out = make_tile(n_steps, _WIDTH), make_outliers(n_steps, _WIDTH)
    inverse_gain = np.ones(_WIDTH, np.float32)
    for start in range(0, pixels.size, _WIDTH):
        own = pixels[start : start + _WIDTH]
        inverse_gain[: own.size] = np.float32(1.0) / noise.gain[own]
        tile.read[: own.size] = noise.read_noise[own] ** 2
        pick_steps(samples, own, _BITS, pattern, tile, 0)
        find_means(tile)
        set_noise(tile, inverse_gain, largest_of_normals(n_steps), pattern)
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
    """Fill by how much a charge would lower chi2, which comes in as 0.

    ``ways`` as of `_test_pixels`, from ``start`` on.
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
    """Subtract the shares of hits from the eight pixels round each."""
    _, n_groups, n_rows, n_cols = counts.shape
    side, corner = shares
    for k in range(where.shape[1]):
        i, group, row, col = where[0, k], where[1, k], where[2, k], where[3, k]
        one, both = steps[0, k], steps[0, k] + steps[1, k]
        for r in range(max(row - 1, 0), min(row + 2, n_rows)):
            beside = side if r == row else corner
            # the groups of a pixel are far apart in memory, the three columns are not
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

    ``bits`` are those of groups to be spared, and the one to set.
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
    """Find the strongest hit beside each pixel in which there is a step too.

    ``where`` are (later group, row, col) of the hits, ``planes`` the gain and the noise of
    a read; ``unit`` as `_unit_noise` gives it. ``out`` is filled with the hit of each pixel,
    which comes in as -1, and with the pixels that have one; returns how many these are.
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
                # times the gain, which is quicker than over it; not so where it is NaN
                noise = read[r, c] * read[r, c] * own_gain * reads
                noise += max(mean, zero) * photons
                is_step = (above > zero) & (own_gain > zero)
                is_step &= above * above * own_gain > least * noise
                # most show no step: one branch for all that
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
