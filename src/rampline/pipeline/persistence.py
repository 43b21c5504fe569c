"""Persistence on the path: bindings of its two steps, and the ledger of a detector.

The ledger goes before the path, detector by detector in the order of time: raw counts only
are looked at. Its result, the charge held at the start of each exposure, then travels with
the reference planes.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..detector.afterglow_search import find_afterglow
from ..detector.band import PixelNoise, RampBand
from ..detector.persistence import (
    AfterglowErrorParams,
    PersistenceParams,
    add_afterglow_error,
    cut_held,
    predict_release,
    remove_afterglow,
)
from ..detector.trap_amplitudes import Afterglow
from ..detector.trapped_charge import (
    Illumination,
    TrapAmplitudes,
    Traps,
    cut_traps,
    empty_traps,
    find_bright,
    released_shares,
)
from ..exposure.header import Header
from ..exposure.planes import HeldCharge, RampPlanes
from ..exposure.ramp_state import LinearRamp
from ..exposure.records import Ramp, SlopeImage
from ..flags import BAD_FOR_SLOPE, REFERENCE_PIXEL
from .runner import Banded

EXTENSION: Final = "PERSIST"
"""Plane of the subtracted afterglow, DN/s."""


def persistence(
    ramp: LinearRamp, planes: RampPlanes, params: PersistenceParams
) -> Banded[LinearRamp]:
    """Subtract the afterglow of earlier exposures.  DN in, DN out."""
    held, readout = planes.held, ramp.header.readout
    if held is None or held.row.size == 0:
        return Banded(ramp, _nothing)
    release = predict_release(held, readout)
    removed = np.zeros((readout.n_rows, readout.n_cols), np.float32)
    removed[held.row, held.col] = release.rate_dn_s
    ramp.removed[EXTENSION] = removed

    def work(rows: slice) -> None:
        own, inside = cut_held(held, rows)
        if own.row.size:
            part = ramp.rows(rows)
            remove_afterglow(
                RampBand(
                    part.counts, part.group_flags, part.pixel_flags, part.zero_frame
                ),
                PixelNoise(planes.gain[rows], planes.read_noise_dn[rows]),
                own,
                release._replace(
                    charge_dn=release.charge_dn[..., inside],
                    first_read_dn=release.first_read_dn[..., inside],
                ),
                readout,
                params,
            )

    return Banded(ramp, work)


def afterglow_error(
    image: SlopeImage, planes: RampPlanes, _params: AfterglowErrorParams
) -> SlopeImage:
    """Add what is uncertain of the subtracted afterglow to the variances, in place."""
    held, removed = planes.held, image.extras.get(EXTENSION)
    if held is not None and removed is not None:
        slopes = [image.planes]
        if image.integrations is not None:
            slopes.append(image.integrations)
        add_afterglow_error(slopes, held, removed[held.row, held.col])
    return image


def illumination(raw: Ramp, planes: RampPlanes) -> Illumination:
    """Return the bright pixels of a raw exposure."""
    header, readout = raw.header, raw.header.readout
    last = np.asarray(raw.samples[:, -1].max(axis=0), np.float32)
    limit = planes.full_well_dn.copy()
    for flags in planes.flags.values():
        limit[flags & np.uint32(REFERENCE_PIXEL) != 0] = np.nan
    duration = readout.n_ints * (readout.integration_s() + readout.frame_s)
    return find_bright(
        last,
        planes.superbias_dn,
        limit,
        (readout.row_start, readout.col_start),
        (header.start_mjd, duration),
    )


def look_for_afterglow(
    raw: Ramp, planes: RampPlanes, unit: Traps, share: NDArray[np.float32]
) -> Afterglow | None:
    """Look at pixels with a history in a raw exposure, group by group.

    Parameters
    ----------
    raw : Ramp
    planes : RampPlanes
        Saturation limits and bad pixels.
    unit : Traps
        Before the exposure; filled wholly by every bright pixel.
    share : (n,) float32
        How full the well was that filled each of them last.

    Returns
    -------
    Afterglow or None
        None where no pixel with a history lies in the exposure.
    """
    readout = raw.header.readout
    window = _window(raw.header)
    now = empty_traps(unit, raw.header.start_mjd)
    own, inside = cut_traps(now, window)
    if own.row.size == 0 or readout.n_groups < 2:
        return None
    shares = [
        np.diff(released_shares(readout.read_times_s(), start), axis=1)
        for start in _starts(raw)
    ]
    return find_afterglow(
        raw.samples,
        planes.full_well_dn,
        _usable(planes),
        np.stack([own.row, own.col]),
        (share[inside], own.filling),
        np.concatenate(shares, axis=1),
    )


def held_charge(traps: Traps, amplitudes: TrapAmplitudes, header: Header) -> HeldCharge:
    """Return the charge that a detector's traps hold at the start of an exposure."""
    now, _ = cut_traps(empty_traps(traps, header.start_mjd), _window(header))
    charge = now.filling * amplitudes.charge_dn[:, None]
    variance = np.einsum(
        "kn,kl,ln->n", now.filling, amplitudes.covariance, now.filling, optimize=True
    )
    total = charge.sum(axis=0)
    kept = total > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.sqrt(variance / total**2 + amplitudes.scatter**2)
    return HeldCharge(
        now.row[kept],
        now.col[kept],
        charge[:, kept].astype(np.float32),
        relative[kept].astype(np.float32),
    )


def _window(header: Header) -> tuple[int, int, int, int]:
    readout = header.readout
    return readout.row_start, readout.col_start, readout.n_rows, readout.n_cols


def _nothing(_rows: slice) -> None:
    """Leave the band as it is."""


def _starts(raw: Ramp) -> Iterator[float]:
    """Yield the time of each integration's reset since the start of the exposure, s."""
    readout = raw.header.readout
    for number in range(readout.n_ints):
        yield number * (readout.integration_s() + readout.frame_s)


def _usable(planes: RampPlanes) -> NDArray[np.bool_]:
    """Return the pixels that see light and are not known to be bad."""
    usable = np.isfinite(planes.full_well_dn)
    mask = planes.flags.get("mask")
    if mask is not None:
        usable &= mask & np.uint32(REFERENCE_PIXEL | BAD_FOR_SLOPE) == 0
    return usable
