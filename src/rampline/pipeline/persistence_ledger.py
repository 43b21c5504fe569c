"""The persistence ledger of a detector: its exposures in the order of time.

It goes before the path and looks at raw counts only. Its result, the charge held at the
start of each exposure, then travels with the reference planes.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..astrometry.geometry import sky_shift
from ..astrometry.point_spread import PIXEL_ARCSEC
from ..detector.afterglow_search import Earlier, find_afterglow
from ..detector.trap_amplitudes import Afterglow, charge_of_traps
from ..detector.trapped_charge import (
    HALF_WELL,
    Illumination,
    TrapAmplitudes,
    Traps,
    carry_shares,
    cut_traps,
    empty_traps,
    expose_traps,
    find_bright,
    released_shares,
)
from ..exposure.header import Header
from ..exposure.planes import HeldCharge, RampPlanes
from ..exposure.records import Plane, Ramp
from ..flags import BAD_FOR_SLOPE, REFERENCE_PIXEL

MOST_ROLL_DEG: Final = 0.1
"""Turned farther than this, exposures do not show the same sky moved."""


class Look(NamedTuple):
    """An exposure as it was looked at: what the next one is compared with."""

    raw: Ramp
    full_well_dn: Plane
    clean: NDArray[np.bool_]
    """(rows, cols): usable pixels that had no history."""


class Page(NamedTuple):
    """One exposure of the ledger."""

    header: Header
    lit: Illumination


def follow_exposures(
    exposures: Iterable[tuple[Ramp, RampPlanes]], traps: Traps
) -> tuple[list[Page], list[Afterglow]]:
    """Look at the raw exposures of a detector in the order of time.

    Parameters
    ----------
    exposures : iterable of (Ramp, RampPlanes)
        One is held in memory beside the one before it.
    traps : Traps
        Before the first.

    Returns
    -------
    pages : list of Page
        The bright pixels of each exposure.
    seen : list of Afterglow
        What pixels with a history show.
    """
    pages, seen = [], []
    everything = np.ones(len(HALF_WELL))
    share: NDArray[np.float32] = np.ones(traps.row.size, np.float32)
    look: Look | None = None
    for raw, planes in exposures:
        found, look = look_for_afterglow(raw, planes, traps, share, look)
        seen += found
        lit = illumination(raw, planes)
        after = expose_traps(traps, lit, everything)
        share = carry_shares(traps, share, lit, after)
        traps = after
        pages.append(Page(raw.header, lit))
    return pages, seen


def fill_ledger(
    pages: Sequence[Page], traps: Traps, amplitudes: TrapAmplitudes | None
) -> tuple[list[HeldCharge | None], Traps]:
    """Return what is held at the start of each exposure, and the traps after the last.

    Parameters
    ----------
    pages : sequence of Page
    traps : Traps
        Before the first.
    amplitudes : TrapAmplitudes or None
        Without them no charge is known, only how full traps are.
    """
    held: list[HeldCharge | None] = []
    curve = np.array(HALF_WELL) if amplitudes is None else amplitudes.curve
    for page in pages:
        charge = None
        if amplitudes is not None:
            now = empty_traps(traps, page.header.start_mjd)
            own, _ = cut_traps(now, _window(page.header))
            charge = charge_of_traps(own, amplitudes)
        held.append(charge)
        traps = expose_traps(traps, page.lit, curve)
    return held, traps


def illumination(raw: Ramp, planes: RampPlanes) -> Illumination:
    """Return the bright pixels of a raw exposure."""
    header, readout = raw.header, raw.header.readout
    corner = readout.row_start, readout.col_start
    duration = readout.n_ints * (readout.integration_s() + readout.frame_s)
    lit = find_bright(
        np.asarray(raw.samples[:, -1].max(axis=0), np.float32),
        planes.superbias_dn,
        planes.full_well_dn,
        corner,
        (header.start_mjd, duration),
    )
    sees_light = np.ones(lit.row.size, np.bool_)
    for flags in planes.flags.values():
        own = flags[lit.row - corner[0], lit.col - corner[1]]
        sees_light &= own & np.uint32(REFERENCE_PIXEL) == 0
    return lit._replace(
        row=lit.row[sees_light], col=lit.col[sees_light], share=lit.share[sees_light]
    )


def look_for_afterglow(
    raw: Ramp,
    planes: RampPlanes,
    unit: Traps,
    share: NDArray[np.float32],
    before: Look | None = None,
) -> tuple[list[Afterglow], Look]:
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
    before : Look or None
        The exposure before it: if taken alike, what it shows of the same sky is taken off.

    Returns
    -------
    afterglow : list of Afterglow
        Empty where no pixel with a history lies in the exposure.
    look : Look
        For the next exposure.
    """
    readout = raw.header.readout
    window = _window(raw.header)
    now = empty_traps(unit, raw.header.start_mjd)
    own, inside = cut_traps(now, window)
    usable = _usable(planes)
    look = Look(raw, planes.full_well_dn, usable.copy())
    look.clean[own.row, own.col] = False
    if own.row.size == 0 or readout.n_groups < 2:
        return [], look
    shares = [
        np.diff(released_shares(readout.read_times_s(), start), axis=1)
        for start in _starts(raw)
    ]
    found = find_afterglow(
        (raw.samples, planes.full_well_dn),
        usable,
        np.stack([own.row, own.col]),
        (share[inside], own.filling),
        np.concatenate(shares, axis=1),
        None if before is None else _earlier(before, raw.header),
    )
    return found, look


def _earlier(before: Look, header: Header) -> Earlier | None:
    """Return an earlier exposure and how far its sky is moved; None where it is another."""
    other = before.raw.header
    alike = (header.filter, header.pupil, header.readout) == (
        other.filter,
        other.pupil,
        other.readout,
    )
    turned = abs(header.pointing.roll_ref_deg - other.pointing.roll_ref_deg)
    if not alike or turned > MOST_ROLL_DEG:
        return None
    scale = PIXEL_ARCSEC[header.channel]
    shift = np.rint(sky_shift(header.pointing, other.pointing, scale))
    size = header.readout.n_rows, header.readout.n_cols
    if not (np.abs(shift) < size).all():
        return None
    row, col = int(shift[0]), int(shift[1])
    return Earlier(before.raw.samples, before.full_well_dn, before.clean, (row, col))


def _window(header: Header) -> tuple[int, int, int, int]:
    readout = header.readout
    return readout.row_start, readout.col_start, readout.n_rows, readout.n_cols


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
