"""Slopes of ramps with a single good group, from the reset level.

After the superbias is subtracted a ramp starts at zero, give or take the noise of the
reset, which is several times that of a read: little is known, but of a star's core it
is all there is. Where no group is good the zero frame, the first read, takes its place.
"""

import numpy as np
from numpy.typing import NDArray

from ... import flags
from ...exposure.records import SlopePlanes
from ...exposure.timing import Readout
from ..band import PixelNoise, RampBand
from .planes import SlopeFit


def fit_single_groups(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    rows: slice,
    reset_noise_dn: float,
    out: SlopeFit,
) -> None:
    """Give ramps without a difference the slope from the reset to their first group.

    Parameters
    ----------
    band : RampBand
    noise : PixelNoise
    readout : Readout
    rows : slice
        Rows of the band to look at.
    reset_noise_dn : float, DN
        Scatter of the reset level.
    out : SlopeFit
        Planes of those rows, with DO_NOT_USE where no slope could be fitted. There it is
        taken back where a single group, or the zero frame, gives one, and
        UNRELIABLE_SLOPE set: a hit before that group cannot be told from light.

    Notes
    -----
    Exposures in which other integrations were fitted keep the slope of those.
    """
    usable = noise.gain[rows] > 0.0
    usable &= band.pixel_flags[rows] & np.uint32(flags.DO_NOT_USE) == 0
    lost = out.integrations.flags & np.uint32(flags.DO_NOT_USE) != 0
    where = np.nonzero(lost & usable)
    if where[0].size == 0:
        return
    i, row, col = where
    count, time, shared, n_reads = _find_counts(
        band, readout, (i, row + rows.start, col)
    )
    gain = noise.gain[rows][row, col]
    read = noise.read_noise_dn[rows][row, col] ** 2 / n_reads + reset_noise_dn**2
    slope = count / time
    var_poisson = np.maximum(slope, 0.0) / gain * shared / time**2
    _set(out.integrations, where, (slope, var_poisson, read / time**2))
    _combine(out)


def _find_counts(
    band: RampBand, readout: Readout, where: tuple[NDArray[np.intp], ...]
) -> tuple[NDArray[np.float64], ...]:
    """Return counts, their times, the time their photons share, and reads averaged."""
    i, row, col = where
    reads = readout.read_times_s()
    counts = band.counts[i, :, row, col].astype(np.float64)
    bits = band.group_flags[i, :, row, col]
    is_good = (bits & np.uint8(flags.BAD_FOR_SLOPE) == 0) & np.isfinite(counts)
    group = np.argmax(is_good, axis=1)
    count = np.where(is_good.any(axis=1), counts[np.arange(len(i)), group], np.nan)
    time = reads.mean(axis=1)[group]
    earlier = np.minimum(reads[:, :, None], reads[:, None, :])
    shared = earlier.mean(axis=(1, 2))[group]
    n_reads = np.full(count.shape, float(readout.n_frames))
    if band.zero_frame is not None:
        saved = np.isnan(count)
        count[saved] = band.zero_frame[i, row, col][saved]
        time[saved] = shared[saved] = readout.frame_s
        n_reads[saved] = 1.0
    return count, time, shared, n_reads


def _set(
    planes: SlopePlanes,
    where: tuple[NDArray[np.intp], ...],
    values: tuple[NDArray[np.float64], ...],
) -> None:
    """Write slopes and variances where they are known, and take back DO_NOT_USE."""
    slope, var_poisson, var_read = values
    known = np.isfinite(slope) & np.isfinite(var_read)
    at = tuple(index[known] for index in where)
    planes.slope[at] = slope[known]
    planes.var_poisson[at] = var_poisson[known]
    planes.var_read[at] = var_read[known]
    planes.err[at] = np.sqrt(var_poisson[known] + var_read[known])
    planes.flags[at] &= ~np.uint32(flags.DO_NOT_USE)
    planes.flags[at] |= np.uint32(flags.UNRELIABLE_SLOPE)


def _combine(out: SlopeFit) -> None:
    """Give exposures that were not fitted the mean of their integrations."""
    bit = np.uint32(flags.DO_NOT_USE)
    lost = out.exposure.flags & bit != 0
    single = (out.integrations.flags & bit == 0) & lost
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
    _set(out.exposure, where, (means[0], means[1], means[2]))
