"""Subtract the charge that traps release: the afterglow of earlier exposures.

The charge held by a pixel's traps at the start of an exposure is known from the ledger
(`trapped_charge`), and the charge released until each read follows from it and is subtracted
from the counts. Its uncertainty, mostly due to variations from pixel to pixel, is largest in
the first groups: groups in which it is significant are flagged, and the rest is added to the
variances.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.planes import HeldCharge
from ..exposure.records import SlopePlanes
from ..exposure.timing import Readout
from ..flags import DO_NOT_USE, PERSISTENCE
from ..params import Sigma, StepParams
from .band import PixelNoise, RampBand
from .trap_amplitudes import TrapAmplitudeParams
from .trapped_charge import released_shares


class PersistenceParams(StepParams):
    """When an afterglow is significant, and when it is too uncertain."""

    enabled: bool = True
    """Whether the exposures of each detector are followed in time order; nothing is
    subtracted unless an afterglow is detected in them."""
    least: Sigma = 0.3
    """Afterglow over the noise of the ramp above which pixels get PERSISTENCE; also its
    uncertainty over the noise of a difference above which groups are not used."""
    most: Sigma = 3.0
    """Uncertainty over the noise of the ramp above which pixels are not used."""
    amplitudes: TrapAmplitudeParams = TrapAmplitudeParams()
    """How the charge of traps is measured."""
    take_up: str = ""
    """Folder ``persistence`` of an earlier run, whose ledger is continued."""


class AfterglowErrorParams(StepParams):
    """Whether the uncertainty of the afterglow is added to the variances."""


class Release(NamedTuple):
    """Charge released in the pixels of an exposure."""

    charge_dn: NDArray[np.float32]
    """(ints, groups, n), DN: since the reset."""
    first_read_dn: NDArray[np.float32]
    """(ints, n), DN: until the first read."""
    rate_dn_s: NDArray[np.float32]
    """(n,), DN/s: from the first to the last group, mean over the integrations."""


def predict_release(held: HeldCharge, readout: Readout) -> Release:
    """Return the charge that traps release in each integration of an exposure."""
    reads = readout.read_times_s()
    step_s = readout.integration_s() + readout.frame_s
    starts = [number * step_s for number in range(readout.n_ints)]
    charge, first = (
        np.stack([released_shares(t, start).T @ held.charge_dn for start in starts])
        for t in (reads, reads[:1, :1])
    )
    times = readout.group_times_s()
    if readout.n_groups > 1:
        rate = (charge[:, -1] - charge[:, 0]) / (times[-1] - times[0])
    else:
        rate = charge[:, 0] / times[0]
    return Release(
        charge.astype(np.float32),
        first[:, 0].astype(np.float32),
        rate.mean(axis=0).astype(np.float32),
    )


def remove_afterglow(
    band: RampBand,
    noise: PixelNoise,
    held: HeldCharge,
    release: Release,
    readout: Readout,
    params: PersistenceParams,
) -> None:
    """Subtract released charge from a band of ramps, and flag affected groups and pixels.

    Parameters
    ----------
    band : RampBand
        Owned: counts, group flags and pixel flags change at the pixels of ``held``. DN,
        linear.
    noise : PixelNoise
        Of the same rows.
    held : HeldCharge
        Rows of the band.
    release : Release
        Of the same pixels.
    readout : Readout
    params : PersistenceParams
    """
    row, col = held.row, held.col
    band.counts[:, :, row, col] -= release.charge_dn
    if band.zero_frame is not None:
        band.zero_frame[:, row, col] -= release.first_read_dn
    gain, read_noise = noise.gain[row, col], noise.read_noise_dn[row, col]
    read_variance = 2.0 * read_noise**2 / readout.n_frames
    steps = np.diff(release.charge_dn, axis=1, prepend=0.0)
    total = release.charge_dn[:, -1] - release.charge_dn[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        ramp_sigma = np.sqrt(read_variance + np.nan_to_num(total / gain))
        step_sigma = np.sqrt(read_variance + np.nan_to_num(steps / gain[None]))
    # only charge released between two groups affects their difference
    spoiled = held.relative_error * steps[:, 1:] > params.least * step_sigma[:, 1:]
    early = np.flip(np.logical_or.accumulate(np.flip(spoiled, 1), axis=1), 1)
    # two groups are needed for a slope
    early[:, max(readout.n_groups - 2, 0) :] = False
    bits = early * np.uint8(DO_NOT_USE)
    band.group_flags[:, : readout.n_groups - 1, row, col] |= bits
    shows = (total > params.least * ramp_sigma).any(axis=0)
    left = np.where(early, 0.0, steps[:, 1:]).sum(axis=1) * held.relative_error
    lost = (left > params.most * ramp_sigma).any(axis=0)
    flags = shows * np.uint32(PERSISTENCE) | lost * np.uint32(DO_NOT_USE)
    band.pixel_flags[row, col] |= flags.astype(np.uint32)


def add_afterglow_error(
    planes: Sequence[SlopePlanes], held: HeldCharge, rate_dn_s: NDArray[np.float32]
) -> None:
    """Add the uncertainty of a subtracted afterglow to the slopes' variances, in place.

    Parameters
    ----------
    planes : sequence of SlopePlanes
        Of the exposure, and of its integrations if there are any.
    held : HeldCharge
    rate_dn_s : (n,) float32, DN/s
        Afterglow of its pixels.

    Notes
    -----
    The uncertainty is common to all integrations of a pixel, so averaging does not reduce
    it. It is added to VAR_POISSON because, like photon noise, it increases with the charge.
    """
    extra = (held.relative_error * rate_dn_s) ** 2
    for plane in planes:
        place = (..., held.row, held.col)
        plane.var_poisson[place] += extra
        plane.err[place] = np.sqrt(plane.var_poisson[place] + plane.var_read[place])


def cut_held(held: HeldCharge, rows: slice) -> tuple[HeldCharge, NDArray[np.bool_]]:
    """Return the pixels within a band, with its row numbers, and a mask of all pixels."""
    inside = (held.row >= rows.start) & (held.row < rows.stop)
    return (
        HeldCharge(
            held.row[inside] - rows.start,
            held.col[inside],
            held.charge_dn[:, inside],
            held.relative_error[inside],
        ),
        inside,
    )
