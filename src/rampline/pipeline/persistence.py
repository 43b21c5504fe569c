"""Persistence on the path: bindings of its two steps, and the ledger of a detector.

The ledger goes before the path, detector by detector in the order of time: raw counts only
are looked at. Its result, the charge held at the start of each exposure, then travels with
the reference planes.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

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
MOST_PIXELS: Final = 20_000
"""Pixels of an exposure that enter the measurement."""
CONTROL_STEPS: Final = ((19, -23), (-23, -19), (-19, 23), (23, 19))
"""From a pixel with a history to the places it is compared with: beyond its star's core."""
CELL: Final = 24
"""Side of the cells whose pixels count as one star's."""
FLAT: Final = 1.5
"""Surroundings are flat whose scatter is at most so many times that of the flattest fifth."""
_ANGLES = np.arange(12) * (2.0 * np.pi / 12)
RING: Final = np.concatenate(
    [
        np.rint(radius * np.stack([np.sin(_ANGLES), np.cos(_ANGLES)])).astype(np.intp)
        for radius in (5.0, 9.0, 14.0)
    ],
    axis=1,
)
"""(2, 36): rows and columns of the places around a pixel that tell its surroundings."""
_LEAST_AROUND = 6
PIECE: Final = 2000
"""Pixels whose surroundings are gathered at a time."""


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
    inside = _inside(now, window)
    own, its_share = cut_traps(now, window), share[inside]
    if own.row.size == 0 or readout.n_groups < 2:
        return None
    has_history = np.zeros(window[2:], np.bool_)
    has_history[own.row, own.col] = True
    usable = _usable(planes)
    stride = -(-own.row.size // MOST_PIXELS)
    place = np.stack([own.row, own.col])[:, ::stride]
    beside = np.concatenate(
        [place + np.array(s)[:, None] for s in CONTROL_STEPS], axis=1
    )
    beside = beside % np.array(window[2:])[:, None]
    rise, scatter = _rises(raw, planes, place, usable, has_history)
    control, its_scatter = _rises(
        raw, planes, beside, usable & ~has_history, has_history
    )
    known = np.concatenate([scatter, its_scatter])
    known = known[np.isfinite(known)]
    if known.size == 0:
        return None
    limit = FLAT * np.quantile(known, 0.2)
    rise[:, ~(scatter <= limit)] = np.nan
    control[:, ~(its_scatter <= limit)] = np.nan
    sides = control.reshape(len(control), len(CONTROL_STEPS), -1).swapaxes(0, 1)
    shares = [
        np.diff(released_shares(readout.read_times_s(), start), axis=1)
        for start in _starts(raw)
    ]
    return Afterglow(
        its_share[::stride],
        own.filling[:, ::stride],
        rise,
        sides,
        np.concatenate(shares, axis=1),
        place[0].astype(np.int64) // CELL * 4096 + place[1] // CELL,
    )


def held_charge(traps: Traps, amplitudes: TrapAmplitudes, header: Header) -> HeldCharge:
    """Return the charge that a detector's traps hold at the start of an exposure."""
    now = cut_traps(empty_traps(traps, header.start_mjd), _window(header))
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


def _inside(traps: Traps, window: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    row, col = traps.row - window[0], traps.col - window[1]
    return (row >= 0) & (row < window[2]) & (col >= 0) & (col < window[3])


def _usable(planes: RampPlanes) -> NDArray[np.bool_]:
    """Return the pixels that see light and are not known to be bad."""
    usable = np.isfinite(planes.full_well_dn)
    mask = planes.flags.get("mask")
    if mask is not None:
        usable &= mask & np.uint32(REFERENCE_PIXEL | BAD_FOR_SLOPE) == 0
    return usable


def _rises(
    raw: Ramp,
    planes: RampPlanes,
    place: NDArray[np.integer[Any]],
    usable: NDArray[np.bool_],
    has_history: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return differences of groups, less those of the surroundings, (steps, n).

    With them comes the scatter of the surroundings over the exposure, (n,).
    """
    own = _differences(raw, planes, place, usable)
    size = np.array(usable.shape)[:, None, None]
    around = place[:, None, :] + RING[:, :, None]
    outside = ((around < 0) | (around >= size)).any(axis=0)
    around = np.clip(around, 0, size - 1)
    clean = usable & ~has_history
    rises, scatter = np.empty_like(own), np.empty(own.shape[1], np.float32)
    for first in range(0, own.shape[1], PIECE):
        part = slice(first, first + PIECE)
        steps = _differences(raw, planes, around[:, :, part], clean)
        steps[:, outside[:, part]] = np.nan
        rises[:, part] = own[:, part] - _median(steps)
        total = steps.sum(axis=0)[None]
        scatter[part] = _median(np.abs(total - _median(total)[:, None]))[0]
    return rises, scatter


def _differences(
    raw: Ramp,
    planes: RampPlanes,
    place: NDArray[np.integer[Any]],
    usable: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return differences of groups at some places, (ints * steps, ...); NaN unusable."""
    row, col = place
    counts = raw.samples[:, :, row, col].astype(np.float32)
    full = counts >= planes.full_well_dn[row, col]
    counts[full | ~usable[row, col]] = np.nan
    steps = np.diff(counts, axis=1)
    return steps.reshape(-1, *steps.shape[2:])


def _median(steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median of the surroundings; NaN where too few are known."""
    ordered = np.sort(steps, axis=1)
    n = np.isfinite(ordered).sum(axis=1)
    lower = np.take_along_axis(ordered, (np.maximum(n - 1, 0) // 2)[:, None], axis=1)
    upper = np.take_along_axis(ordered, (n // 2).clip(max=35)[:, None], axis=1)
    middle = 0.5 * (lower + upper)[:, 0]
    return np.where(n >= _LEAST_AROUND, middle, np.float32(np.nan))
