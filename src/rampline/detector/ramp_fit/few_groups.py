"""Slopes of ramps with at most two good groups, from the reset level.

After the superbias is subtracted a ramp starts at zero, give or take the noise of the
reset, which is several times that of a read. For a star's core, which saturates at once,
that is little beside the photons: what the first group has gathered since the reset
tells more than nothing. The zero frame, the first read, is part of the first group's
mean; apart from it, or where no group is good, it is one more. When light begins to
count after a reset is known to a second only: in a bright ramp that is more than all
noise, and the differences between the means tell more than their levels.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import flags
from ...exposure.records import SlopePlanes
from ...exposure.timing import Readout
from ..band import PixelNoise, RampBand
from .planes import SlopeFit

_NONE, _LOST = np.uint32(0), np.uint32(flags.DO_NOT_USE)
_UNRELIABLE, _HIT = np.uint32(flags.UNRELIABLE_SLOPE), np.uint32(flags.JUMP)
_FEW: Final = 2
"""Good groups that such a ramp has at most."""
_OUTLIER: Final = 16.0
"""Chi2 of the reset level from which on a hit is more likely than noise."""
_PORTION: Final = 1 << 16
"""Ramps fitted at a time."""
_ABSENT: Final = 1e12
"""Variance of a mean that a ramp has not got, DN**2."""


class Reset(NamedTuple):
    """What is known of the level that ramps start from."""

    noise_dn: float
    """Its scatter about the superbias, DN."""
    time_error_s: float
    """How well the time is known from which on light counts, s."""


class _Means(NamedTuple):
    """Up to three means of reads of each ramp, in the order of time; (ramps, 3) each."""

    level: NDArray[np.float64]
    """DN since the reset."""
    time: NDArray[np.float64]
    """Mean time of the reads since the reset, s."""
    shared: NDArray[np.float64]
    """Mean over pairs of reads of the earlier time, s."""
    n_reads: NDArray[np.float64]
    """0 where the ramp has no such mean."""


def fit_few_groups(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    rows: slice,
    reset: Reset,
    out: SlopeFit,
) -> None:
    """Give ramps of at most two good groups the best slope that starts at the reset.

    Parameters
    ----------
    band : RampBand
    noise : PixelNoise
    readout : Readout
    rows : slice
        Rows of the band to look at.
    reset : Reset
    out : SlopeFit
        Planes of those rows. Where no slope could be fitted DO_NOT_USE is taken back if a
        single group, or the zero frame, gives one, and UNRELIABLE_SLOPE set: a hit before
        that group cannot be told from light.

    Notes
    -----
    Generalised least squares of counts ``slope * time + reset``, the reset level being
    noise that all means of a ramp share; what light gathers in the time that is not known
    adds to it, and counts as photon noise. Where two groups disagree with the reset level
    by more than four sigma there was a hit. Charge only adds: where they rise faster than
    the first did since the reset it came between them, and the first stands (JUMP and
    UNRELIABLE_SLOPE are set), else it came before, and their difference stands. Exposures
    in which other integrations were fitted keep the slope of those.
    """
    bad = np.uint8(flags.BAD_FOR_SLOPE)
    bits = band.group_flags[:, :, rows]
    # where at most two groups are good, one of any three is bad
    near = np.bitwise_or.reduce(bits[:, -_FEW - 1 :], axis=1) & bad != 0
    near |= bits.shape[1] <= _FEW
    # one index is found faster than three
    i, row, col = np.unravel_index(np.flatnonzero(near), near.shape)
    usable = (noise.gain[rows][row, col] > 0.0) & (
        noise.read_noise_dn[rows][row, col] > 0.0
    )
    usable &= band.pixel_flags[rows][row, col] & _LOST == 0
    i, row, col = i[usable], row[usable], col[usable]
    own = bits[i, :, row, col]
    n_good = np.count_nonzero(own & bad == 0, axis=1)
    full = (own & np.uint8(flags.SATURATED) != 0).any(axis=1)
    few = (n_good < _FEW) | ((n_good == _FEW) & full)
    where = i[few], row[few], col[few]
    for start in range(0, where[0].size, _PORTION):
        part = tuple(index[start : start + _PORTION] for index in where)
        _fit_part(band, noise, readout, (rows, part), reset, out)
    if len(band.counts) > 1:
        _combine(out)


def _fit_part(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    place: tuple[slice, tuple[NDArray[np.intp], ...]],
    reset: Reset,
    out: SlopeFit,
) -> None:
    """Fit some ramps of some rows; those of a single integration are the exposure's."""
    rows, where = place
    i, row, col = where
    lost = out.integrations.flags[where] & _LOST != 0
    means, n_groups = _find_means(band, readout, (i, row + rows.start, col))
    gain = noise.gain[rows][row, col].astype(np.float64)
    read = noise.read_noise_dn[rows][row, col].astype(np.float64) ** 2
    slope, variance, chi2 = _fit(means, read, reset, gain)
    agree = (n_groups == _FEW) & (chi2 < _OUTLIER)
    is_hit = (n_groups == _FEW) & ~agree & _rises_faster(means)
    if is_hit.any():
        means.n_reads[is_hit, 2] = 0.0
        slope, variance, _ = _fit(means, read, reset, gain)
    no_photons, in_time = np.full(gain.shape, np.inf), reset._replace(time_error_s=0.0)
    _, quiet, _ = _fit(means, read, in_time, no_photons)
    photons = np.maximum(variance - quiet, 0.0)
    chosen = np.isfinite(slope) & (lost | agree | is_hit)
    values = slope[chosen], photons[chosen], quiet[chosen]
    marks = np.where(lost | is_hit, _UNRELIABLE, _NONE) | np.where(is_hit, _HIT, _NONE)
    at = tuple(index[chosen] for index in where)
    _set(out.integrations, at, values, marks[chosen])
    if len(band.counts) == 1:
        _set(out.exposure, at[1:], values, marks[chosen])


def _rises_faster(means: _Means) -> NDArray[np.bool_]:
    """Return where the counts rise faster from the first group on than since the reset."""
    level, time = means.level, means.time
    step, before = level[:, 2] - level[:, 1], level[:, 1]
    return np.asarray(step * time[:, 1] > before * (time[:, 2] - time[:, 1]), np.bool_)


def _find_means(
    band: RampBand, readout: Readout, where: tuple[NDArray[np.intp], ...]
) -> tuple[_Means, NDArray[np.intp]]:
    """Return the means that ramps have, and how many of their groups are good.

    A second group does not count after a hit, which lies between.
    """
    i, row, col = where
    reads = readout.read_times_s()
    counts = band.counts[i, :, row, col].astype(np.float64)
    bits = band.group_flags[i, :, row, col]
    is_good = (bits & np.uint8(flags.BAD_FOR_SLOPE) == 0) & np.isfinite(counts)
    order = np.argsort(~is_good, axis=1, kind="stable")
    first, second = order[:, 0], order[:, min(1, counts.shape[1] - 1)]
    n_good = is_good.sum(axis=1)
    ramp = np.arange(i.size)
    hit = np.cumsum(bits & np.uint8(flags.JUMP) != 0, axis=1)
    has_second = (n_good > 1) & (hit[ramp, second] == hit[ramp, first])
    n_groups = np.where(has_second, n_good, np.minimum(n_good, 1))
    earlier = np.minimum(reads[:, :, None], reads[:, None, :])
    time, shared = reads.mean(axis=1), earlier.mean(axis=(1, 2))
    n_frames = float(readout.n_frames)
    means = _Means(*(np.zeros((i.size, 3)) for _ in _Means._fields))
    for k, group, known in ((1, first, n_good > 0), (2, second, has_second)):
        means.level[:, k] = np.where(known, counts[ramp, group], 0.0)
        means.time[:, k] = time[group]
        means.shared[:, k] = shared[group]
        means.n_reads[:, k] = np.where(known, n_frames, 0.0)
    if band.zero_frame is not None:
        zero = band.zero_frame[i, row, col].astype(np.float64)
        _split_zero(means, zero, (n_good == 0) | (first == 0), readout)
    return means, n_groups


def _split_zero(
    means: _Means,
    zero: NDArray[np.float64],
    is_early: NDArray[np.bool_],
    readout: Readout,
) -> None:
    """Take the zero frame as a mean of its own, and out of the first group's."""
    n_frames = readout.n_frames
    known = np.isfinite(zero) & is_early
    means.level[known, 0] = zero[known]
    means.time[:, 0] = means.shared[:, 0] = readout.frame_s
    means.n_reads[known, 0] = 1.0
    in_first = known & (means.n_reads[:, 1] > 0.0)
    if n_frames == 1:
        # the first group is the zero frame
        means.n_reads[in_first, 0] = 0.0
        return
    rest = readout.read_times_s()[0, 1:]
    means.level[in_first, 1] *= n_frames
    means.level[in_first, 1] -= zero[in_first]
    means.level[in_first, 1] /= n_frames - 1.0
    means.time[in_first, 1] = rest.mean()
    means.shared[in_first, 1] = np.minimum.outer(rest, rest).mean()
    means.n_reads[in_first, 1] = n_frames - 1.0


def _fit(
    means: _Means,
    read: NDArray[np.float64],
    reset: Reset,
    gain: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return slopes, their variances and chi2; slopes are NaN where there is no mean."""
    has = means.n_reads > 0.0
    last = 2 - np.argmax(has[:, ::-1], axis=1)
    ramp = np.arange(last.size)
    level, time, shared, n_reads = (plane[ramp, last] for plane in means)
    slope = np.where(has.any(axis=1), level / time, np.nan)
    light = np.maximum(slope, 0.0)
    level_error = reset.noise_dn**2 + (light * reset.time_error_s) ** 2
    photons = light / gain * shared
    variance = (photons + read / np.maximum(n_reads, 1.0) + level_error) / time**2
    chi2 = np.zeros(last.size)
    many = np.flatnonzero(has.sum(axis=1) > 1)
    own = _Means(*(plane[many] for plane in means))
    for _ in range(2):
        light = np.maximum(slope[many], 0.0)
        level_error = reset.noise_dn**2 + (light * reset.time_error_s) ** 2
        fitted = _fit_many(own, light / gain[many], read[many], level_error)
        slope[many], variance[many], chi2[many] = fitted
    return slope, variance, chi2


def _fit_many(
    means: _Means,
    photons: NDArray[np.float64],
    read: NDArray[np.float64],
    level_error: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return slopes, variances and chi2 at a known photon noise, DN**2/s."""
    has, diagonal = means.n_reads > 0.0, np.arange(3)
    # of two means that do not overlap all photons of the earlier are in the later
    shared = np.minimum(means.time[:, :, None], means.time[:, None, :])
    shared[:, diagonal, diagonal] = means.shared
    covariance = photons[:, None, None] * shared + level_error[:, None, None]
    noise = read[:, None] / np.maximum(means.n_reads, 1.0)
    covariance[:, diagonal, diagonal] += np.where(has, noise, _ABSENT)
    time = np.where(has, means.time, 0.0)
    solved = np.linalg.solve(covariance, np.stack([time, means.level], axis=-1))
    variance = 1.0 / (time * solved[:, :, 0]).sum(axis=1)
    right = (time * solved[:, :, 1]).sum(axis=1)
    slope = right * variance
    chi2 = (means.level * solved[:, :, 1]).sum(axis=1) - right * slope
    return slope, variance, chi2


def _set(
    planes: SlopePlanes,
    at: tuple[NDArray[np.intp], ...],
    values: tuple[NDArray[np.float64], ...],
    marks: NDArray[np.uint32],
) -> None:
    """Write slopes and variances; there is a slope now, whatever the marks say of it."""
    slope, var_poisson, var_read = values
    planes.slope[at] = slope
    planes.var_poisson[at] = var_poisson
    planes.var_read[at] = var_read
    planes.err[at] = np.sqrt(var_poisson + var_read)
    planes.flags[at] = (planes.flags[at] & ~_LOST) | marks


def _combine(out: SlopeFit) -> None:
    """Give exposures that were not fitted the mean of their integrations."""
    lost = out.exposure.flags & _LOST != 0
    single = (out.integrations.flags & _LOST == 0) & lost
    where = np.nonzero(single.any(axis=0))
    known = single[:, where[0], where[1]]
    n = known.sum(axis=0)
    means = [
        np.where(known, plane[:, where[0], where[1]], 0.0).sum(axis=0) / n**power
        for plane, power in (
            (out.integrations.slope, 1),
            (out.integrations.var_poisson, 2),
            (out.integrations.var_read, 2),
        )
    ]
    values = means[0], means[1], means[2]
    _set(out.exposure, where, values, np.full(where[0].size, _UNRELIABLE))
