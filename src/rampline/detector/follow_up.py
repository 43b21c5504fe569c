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
from ..numerics.jit import kernel
from ..params import Fraction, Params, Sigma, Unit
from .band import PixelNoise, RampBand, pick_pixels
from .gls_jumps import fit_without_largest
from .jumps import FoundJumps
from .leave_out import invert, make_outliers, project
from .ramp_fit.covariance import Pattern, readout_pattern
from .ramp_fit.gls_kernels import Tile, load_steps, make_tile, tile_width

_BITS: Final = BAD_FOR_SLOPE, JUMP
_SIDE_PERCENT: Final = {
    "NRCA1": 0.488, "NRCA2": 0.516, "NRCA3": 0.568, "NRCA4": 0.557, "NRCALONG": 0.597,
    "NRCB1": 0.511, "NRCB2": 0.464, "NRCB3": 0.542, "NRCB4": 0.570, "NRCBLONG": 0.554,
}  # fmt: skip
_USUAL_PERCENT: Final = 0.54
_CORNER: Final = 0.055
"""Share of a corner over that of a side."""
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
    order = np.argsort(key, kind="stable")
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
    inverse_gain = np.zeros(noise.gain.shape, np.float32)
    np.divide(1.0, noise.gain, out=inverse_gain, where=noise.gain > 0.0)
    planes = inverse_gain, noise.read_noise_dn**2
    strong = _pick(strikes, strikes.ratio > params.min_ratio)
    found = 0
    for i in range(len(band.counts)):
        own = _pick(strong, strong.where[0] == i)
        ramps = band.counts[i], band.group_flags[i]
        found += _test_neighbors(ramps, planes, own, readout, params.threshold)
    return found


def _test_neighbors(
    ramps: tuple[NDArray[np.float32], NDArray[np.uint8]],
    planes: tuple[NDArray[np.float32], NDArray[np.float32]],
    strikes: Strikes,
    readout: Readout,
    threshold: float,
) -> int:
    """Flag the neighbours of hits that show a step; return how many.

    ``ramps`` are counts and flags of an integration, ``planes`` one over the gain and the
    variance of a read.
    """
    pattern = readout_pattern(readout)
    best = np.full(planes[0].shape, -1, np.int64)
    unit = _unit_noise(pattern)
    _choose_strongest(ramps, planes, strikes.where[1:], strikes.steps, unit, best)
    # one index is found faster than two
    pixels = np.stack(np.unravel_index(np.flatnonzero(best >= 0), best.shape))
    found = 0
    width = tile_width(len(pattern.step_s), max(pixels.shape[1], 1))
    for start in range(0, pixels.shape[1], width):
        row, col = pixels[:, start : start + width]
        event = best[row, col]
        tile = _load(ramps, (row, col), planes[1], pattern)
        fit_without_largest(tile, planes[0][row, col], pattern)
        step, shape = strikes.where[1, event] - 1, strikes.steps[:, event]
        is_hit = _saved(tile, pattern, step, shape) > threshold**2
        both = is_hit & (shape[1] > 0.0)
        for chosen, later in ((is_hit, 1), (both, 2)):
            at = step[chosen] + later, row[chosen], col[chosen]
            ramps[1][at] |= np.uint8(JUMP)
        found += int(np.count_nonzero(is_hit))
    return found


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


def _load(
    ramps: tuple[NDArray[np.float32], NDArray[np.uint8]],
    pixels: tuple[NDArray[np.intp], NDArray[np.intp]],
    read: NDArray[np.float32],
    pattern: Pattern,
) -> Tile:
    """Return a tile of the differences of some pixels."""
    place = (pixels[0] * ramps[0].shape[2] + pixels[1]).astype(np.int32)
    counts, flags = pick_pixels(ramps[0], place), pick_pixels(ramps[1], place)
    tile = make_tile(len(pattern.step_s), counts.shape[1])
    tile.read[:] = read[pixels]
    span = 0, counts.shape[1]
    load_steps(counts, flags, span, _BITS, pattern, tile)
    return tile


def _saved(
    tile: Tile,
    pattern: Pattern,
    step: NDArray[np.int64],
    shape: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return by how much a charge of a given share would lower chi2; 0 if negative.

    Parameters
    ----------
    tile : Tile
        Fitted.
    pattern : Pattern
    step : (pixels,) int
        First difference that the charge is in.
    shape : (2, pixels) float32
        Ratio in which it and the next one have it.
    """
    out = make_outliers(*tile.rate.shape)
    invert(tile, pattern, out)
    project(tile, out)
    pixel, last = np.arange(step.size), len(tile.rate) - 1
    later = np.minimum(step + 1, last)
    one, two = shape
    value = one * out.residual[step, pixel] + two * out.residual[later, pixel]
    shared = np.where(two > 0.0, out.cross[np.minimum(step, last - 1), pixel], 0.0)
    weight = one * one * out.own[step, pixel] + 2.0 * one * two * shared
    weight += np.where(two > 0.0, two * two * out.own[later, pixel], 0.0)
    positive = (value > 0.0) & (weight > 0.0)
    chi2 = np.zeros(step.size, np.float32)
    np.divide(value * value, weight, out=chi2, where=positive)
    return chi2


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
    best: NDArray[np.int64],
) -> None:
    """Fill ``best`` with the strongest hit beside each pixel, where there is a step too.

    ``where`` are (later group, row, col) of the hits, ``planes`` one over the gain and the
    variance of a read; ``unit`` as `_unit_noise` gives it.
    """
    counts, flags = ramps
    n_groups, n_rows, n_cols = counts.shape
    photons, reads, least = unit
    zero, one = np.float32(0.0), np.float32(1.0)
    for k in range(where.shape[1]):
        group, row, col = where[0, k], where[1, k], where[2, k]
        later = group + 1 if steps[1, k] > zero else group
        charge, n = steps[0, k] + steps[1, k], np.float32(later - group + 1)
        share = one / max(np.float32(n_groups - 1) - n, one)
        for r in range(max(row - 1, 0), min(row + 2, n_rows)):
            for c in range(max(col - 1, 0), min(col + 2, n_cols)):
                if r == row and c == col:
                    continue
                step = counts[later, r, c] - counts[group - 1, r, c]
                mean = (counts[n_groups - 1, r, c] - counts[0, r, c] - step) * share
                variance = max(mean, zero) * planes[0][r, c] * photons
                variance += planes[1][r, c] * reads
                above = step - n * mean
                # this first: most show no step
                if not (above > zero and above * above > least * variance):
                    continue
                held = best[r, c]
                if held >= 0 and steps[0, held] + steps[1, held] >= charge:
                    continue
                known = flags[group, r, c] | flags[later, r, c] | flags[group - 1, r, c]
                if known == 0:
                    best[r, c] = k
