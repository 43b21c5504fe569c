"""The steps from raw samples to slopes, bound to what flows and to the reference planes.

A binding only names the planes that its step takes and gives; the work is in `detector/`.
A pixel-local binding prepares once per exposure and returns the work on any band of rows.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..detector.after_jumps import AfterJumpParams, flag_after_jumps
from ..detector.band import PixelNoise, RampBand
from ..detector.charge_migration import (
    ChargeMigrationParams,
    flag_charge_migration,
)
from ..detector.dark import DarkParams, subtract_dark, subtract_first_dark
from ..detector.data_quality import DataQualityParams, initialize_flags
from ..detector.follow_up import follow_up, join_hits, shares_of
from ..detector.group_scale import GroupScaleParams, group_scale_factor, scale_groups
from ..detector.ipc import IpcParams, correct_ipc
from ..detector.jumps import FoundJumps, JumpParams, find_jumps
from ..detector.linearity import (
    LinearityParams,
    apply_polynomials,
    correct_linearity,
)
from ..detector.mean_of_reads import add_shortfall, measure_spread
from ..detector.neighbors import NeighborParams, flag_neighbors, hits_beside
from ..detector.reference_pixels import (
    ReferencePixelParams,
    measure_reference_offsets,
    subtract_reference_offsets,
)
from ..detector.row_drift import RowDriftParams, count_outputs, remove_row_drift
from ..detector.saturation import (
    SaturationParams,
    Wells,
    flag_saturation,
    mask_zero_frame,
)
from ..detector.snowballs import SnowballParams, flag_snowballs
from ..detector.superbias import SuperbiasParams, subtract_superbias
from ..exposure.header import Header, card_values
from ..exposure.planes import RampPlanes
from ..exposure.ramp_state import LinearRamp
from ..exposure.records import Flags32, Ramp
from ..flags import NO_LINEARITY, NO_SATURATION_CHECK
from .runner import Banded


def group_scale(
    ramp: LinearRamp, _planes: RampPlanes, _params: GroupScaleParams
) -> Banded[LinearRamp]:
    """Turn raw samples into float counts."""
    factor = _group_scale(ramp.header)

    def work(rows: slice) -> None:
        scale_groups(ramp.raw.samples[:, :, rows], factor, out=ramp.counts[:, :, rows])

    return Banded(ramp, work)


def data_quality(
    ramp: LinearRamp, planes: RampPlanes, _params: DataQualityParams
) -> Banded[LinearRamp]:
    """Begin the flags with the bad-pixel mask."""
    mask = planes.flags.get("mask")

    def work(rows: slice) -> None:
        band = ramp.rows(rows)
        initialize_flags(
            None if mask is None else mask[rows],
            out_pixels=band.pixel_flags,
            out_groups=band.group_flags,
        )

    return Banded(ramp, work)


def saturation(
    ramp: LinearRamp, planes: RampPlanes, params: SaturationParams
) -> Banded[LinearRamp]:
    """Flag full wells in the raw counts; set saturated pixels of the zero frame to NaN."""
    samples = _scaled(ramp.raw, _group_scale(ramp.header))
    wells = _wells(planes)
    flags = planes.flags.get("saturation")

    def work(rows: slice) -> None:
        found = flag_saturation(samples, wells, rows, ramp.header.readout, params)
        band = ramp.rows(rows)
        np.bitwise_or(band.group_flags, found, out=band.group_flags)
        unknown = np.isnan(wells.limit[rows])
        band.pixel_flags[unknown] |= np.uint32(NO_SATURATION_CHECK)
        _add_flags(band.pixel_flags, flags, rows)
        if ramp.raw.zero_frame is not None and band.zero_frame is not None:
            zero = mask_zero_frame(ramp.raw.zero_frame, wells, rows, params)
            band.zero_frame[:] = zero

    return Banded(ramp, work)


def ipc(ramp: LinearRamp, planes: RampPlanes, _params: IpcParams) -> Banded[LinearRamp]:
    """Undo the coupling of neighbouring pixels in the raw counts."""
    kernel = planes.ipc_kernel
    if kernel is None:
        raise ValueError("the ipc step needs an ipc reference file")
    samples = _scaled(ramp.raw, _group_scale(ramp.header))

    def work(rows: slice) -> None:
        decoupled = correct_ipc(samples, kernel, ramp.header.readout, rows)
        ramp.counts[:, :, rows] = decoupled

    return Banded(ramp, work)


def superbias(
    ramp: LinearRamp, planes: RampPlanes, _params: SuperbiasParams
) -> Banded[LinearRamp]:
    """Subtract the superbias.  DN in, DN out."""
    zero = ramp.zero_frame

    def work(rows: slice) -> None:
        subtract_superbias(ramp.counts, planes.superbias_dn, rows)
        if zero is not None:
            subtract_superbias(zero[:, None], planes.superbias_dn, rows)
        _add_flags(ramp.pixel_flags[rows], planes.flags.get("superbias"), rows)

    return Banded(ramp, work)


def reference_pixels(
    ramp: LinearRamp, planes: RampPlanes, params: ReferencePixelParams
) -> Banded[LinearRamp]:
    """Measure the drift of the amplifiers on the reference pixels; subtract it in bands."""
    readout, bias = ramp.header.readout, planes.superbias_dn
    kinds = ("mask", "saturation", "superbias")
    flags = [planes.flags[kind] for kind in kinds if kind in planes.flags]
    samples = _scaled(ramp.raw, _group_scale(ramp.header))
    offsets = measure_reference_offsets(samples, bias, flags, readout, params)
    raw_zero, zero = ramp.raw.zero_frame, ramp.zero_frame
    if raw_zero is not None:
        zero_offsets = measure_reference_offsets(
            raw_zero[:, None], bias, flags, readout, params
        )

    def work(rows: slice) -> None:
        subtract_reference_offsets(ramp.counts, offsets, rows)
        if zero is not None:
            subtract_reference_offsets(zero[:, None], zero_offsets, rows)

    return Banded(ramp, work)


def linearity(
    ramp: LinearRamp, planes: RampPlanes, params: LinearityParams
) -> Banded[LinearRamp]:
    """Make counts proportional to charge.  DN in, DN out."""
    flags = planes.flags.get("linearity")
    zero, polynomial = ramp.zero_frame, planes.linearity
    if zero is not None:
        unflagged = np.zeros(zero[:, None].shape, np.uint8)
    is_spread = params.averaged == "spread"

    def work(rows: slice) -> None:
        own, readout = ramp.rows(rows), ramp.header.readout
        if is_spread:
            spread = measure_spread(
                own.counts, own.group_flags, polynomial[:, rows], readout
            )
        unknown = correct_linearity(
            ramp.counts, ramp.group_flags, polynomial, flags, rows
        )
        if is_spread:
            add_shortfall(own.counts, spread, unknown)
        if zero is not None:
            apply_polynomials(zero[:, None], unflagged, polynomial, unknown, rows)
        pixel_flags = ramp.pixel_flags[rows]
        pixel_flags[unknown] |= np.uint32(NO_LINEARITY)
        _add_flags(pixel_flags, flags, rows)

    return Banded(ramp, work)


def dark(
    ramp: LinearRamp, planes: RampPlanes, params: DarkParams
) -> Banded[LinearRamp]:
    """Subtract the dark ramp, from the zero frame too.  DN in, DN out."""
    noise = planes.dark_noise if params.noise else 0.0
    zero = ramp.zero_frame if params.zero_frame else None

    def work(rows: slice) -> None:
        subtract_dark(ramp.counts, planes.dark_dn, rows)
        if zero is not None:
            subtract_first_dark(zero, planes.dark_dn, ramp.header.readout, rows)
        _add_flags(ramp.pixel_flags[rows], planes.flags.get("dark"), rows)

    rate = planes.dark_rate_dn_s if params.noise else None
    return Banded(replace(ramp, read_variance=1.0 + noise, dark_dn_s=rate), work)


def row_drift(
    ramp: LinearRamp, planes: RampPlanes, params: RowDriftParams
) -> Banded[LinearRamp]:
    """Remove the drift of each amplifier's rows from group to group.  DN in, DN out."""
    readout = ramp.header.readout
    n_groups, n_rows = readout.n_groups, readout.n_rows
    shape = (readout.n_ints, n_groups, n_rows, count_outputs(readout))
    drift = np.empty(shape, np.float32)

    def work(rows: slice) -> None:
        own, out = noise_of(ramp, planes, rows), drift[:, :, rows]
        remove_row_drift(band_of(ramp, rows), own, readout, params, out)

    return Banded(ramp.without("ROWDRIFT", drift), work)


def jumps(
    ramp: LinearRamp, planes: RampPlanes, params: JumpParams
) -> Banded[LinearRamp]:
    """Find cosmic rays and flag them."""
    readout = ramp.header.readout
    found: dict[int, FoundJumps] = {}

    def work(rows: slice) -> None:
        noise = noise_of(ramp, planes, rows, params.algorithm)
        found[rows.start] = find_jumps(band_of(ramp, rows), noise, readout, params)

    return Banded(replace(ramp, hits=found), work)


def charge_migration(
    ramp: LinearRamp, _planes: RampPlanes, params: ChargeMigrationParams
) -> LinearRamp:
    """Flag groups from which charge has migrated to the neighbours."""
    flag_charge_migration(ramp.group_flags, ramp.counts, params)
    return ramp


def neighbors(
    ramp: LinearRamp, planes: RampPlanes, params: NeighborParams
) -> Banded[LinearRamp]:
    """Treat the neighbours of cosmic-ray hits, also of hits found in other bands."""
    readout = ramp.header.readout
    shares = shares_of(ramp.header.detector)

    def work(rows: slice) -> None:
        found = hits_beside(ramp.hits or {}, rows)
        band = band_of(ramp, rows)
        if params.algorithm == "jwst":
            flag_neighbors(band.group_flags, found, params)
        else:
            own = noise_of(ramp, planes, rows)
            follow_up(band, own, readout, join_hits(found), shares, params.tested)

    return Banded(ramp, work)


def after_jumps(
    ramp: LinearRamp, _planes: RampPlanes, params: AfterJumpParams
) -> Banded[LinearRamp]:
    """Flag the groups after strong hits, while the pixels settle."""
    group_s = ramp.header.readout.group_s

    def work(rows: slice) -> None:
        flag_after_jumps(band_of(ramp, rows), group_s, params)

    return Banded(ramp, work)


def snowballs(
    ramp: LinearRamp, _planes: RampPlanes, params: SnowballParams
) -> LinearRamp:
    """Enlarge the flags of large events."""
    readout = ramp.header.readout
    found = flag_snowballs(ramp.group_flags, ramp.counts, readout, params)
    return replace(ramp, n_snowballs=len(found))


def band_of(ramp: LinearRamp, rows: slice) -> RampBand:
    """Return a band of ramps as the search for jumps and the fit take it."""
    own = ramp.rows(rows)
    return RampBand(own.counts, own.group_flags, own.pixel_flags, own.zero_frame)


def noise_of(
    ramp: LinearRamp, planes: RampPlanes, rows: slice, algorithm: str = ""
) -> PixelNoise:
    """Return gain and read noise of each pixel of a band.

    The read-noise file knows neither the rounding of the mean of several reads to whole
    counts nor the noise of the dark; both are added, and the photon noise of the dark
    current, except for the algorithms of `jwst`, which ignore them.
    """
    gain, read = planes.gain[rows], planes.read_noise_dn[rows]
    n_frames = ramp.header.readout.n_frames
    rounding = n_frames / 12.0 if n_frames > 1 else 0.0
    if algorithm != "jwst" and (rounding or ramp.read_variance != 1.0):
        own = read * read
        own *= np.float32(ramp.read_variance)
        own += np.float32(rounding)
        read = np.sqrt(own, out=own)
    rate = None if algorithm == "jwst" else ramp.dark_dn_s
    return PixelNoise(gain, read, None if rate is None else rate[rows])


def _group_scale(header: Header) -> float:
    """Return the factor of the group-scale step for this exposure."""
    divisor = card_values(header.primary).get("FRMDIVSR")
    known = int(divisor) if isinstance(divisor, int | float) else None
    return group_scale_factor(header.readout.n_frames, known)


def _scaled(raw: Ramp, factor: float) -> NDArray[np.uint16] | NDArray[np.float32]:
    """Return the samples times ``factor``; the samples themselves where it is 1."""
    if factor == 1.0:
        return raw.samples
    return raw.samples.astype(np.float32) * np.float32(factor)


def _wells(planes: RampPlanes) -> Wells:
    """Return what `flag_saturation` needs to know of each pixel."""
    limit, mask = planes.full_well_dn, planes.flags.get("mask")
    flags = np.zeros(limit.shape, np.uint32) if mask is None else mask
    return Wells(limit, planes.superbias_dn, flags)


def _add_flags(pixel_flags: Flags32, flags: Flags32 | None, rows: slice) -> None:
    """Add a reference file's flags to those of a band."""
    if flags is not None:
        np.bitwise_or(pixel_flags, flags[rows], out=pixel_flags)
