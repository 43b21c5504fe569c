"""Slopes by weighted least squares, segment by segment: the fit of the standard pipeline.

A jump cuts a ramp into segments. Within a segment the groups far from the middle weigh
the more, the more the photons' noise rules (Fixsen et al. 2000, PASP 112, 1350): weights
``|2k / (n - 1) - 1|**P`` with a power that steps with the signal-to-noise ratio of last
minus first group. Segments and integrations are combined by their read variance alone,
since photon variances estimated from the slope itself would favour the low ones.
"""

from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ... import flags
from ...exposure.records import SlopePlanes
from ...exposure.timing import Readout
from ..band import PixelNoise, RampBand, flat_block, pick_pixels
from .ols_kernels import (
    ERR,
    SLOPE,
    VAR_POISSON,
    VAR_READ,
    Bits,
    Block,
    Result,
    Times,
    fit_pixels,
)
from .ols_rows import Planes, fit_rows, make_model
from .planes import SlopeFit, empty_slopes
from .whole_ramps import noise_of, samples_of

Scalar = TypeVar("Scalar", bound=np.generic)

_MIN_WEIGHTED: Final = 3
"""Groups from which on the weights differ."""
_POWERS: Final = (0.0, 0.4, 1.0, 3.0, 6.0, 10.0)


def fit_ols(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    rows: slice,
    keep_one_group: bool,  # noqa: FBT001 - hands on the field of that name
    out: SlopeFit,
) -> None:
    """Fit some rows of a band and write the slopes to ``out``.

    Parameters
    ----------
    band : RampBand
    noise : PixelNoise
    readout : Readout
    rows : slice
        Rows of the band to fit.
    keep_one_group : bool
        Whether a single good group is enough for a slope.
    out : SlopeFit
        Planes of those rows, written into.

    Notes
    -----
    Agrees with ``OLS_C`` of ``stcal`` 1.20 (``slope_fitter.c``), including the read
    variance of ramps with CHARGELOSS. On purpose different: a ramp whose groups are all
    flagged, but not all as DO_NOT_USE or SATURATED, is DO_NOT_USE (there a slope of 0
    without error); a count that is NaN is not used (there it is a count of 0); of a
    single group the photon noise survives another integration that is saturated; where
    no slope is given, no read variance is given either.
    """
    n_ints, n_groups = band.counts.shape[:2]
    if n_ints == 1 and n_groups >= _MIN_WEIGHTED:
        rest = _fit_rows(band, noise, readout, rows, out)
        part = _pick(band, noise, readout, rows, rest)
        spare = empty_slopes(1, 1, rest.size)
        _fit_block(*part, readout, keep_one_group, spare)
        _scatter(spare.integrations, rest, out.integrations)
        _scatter(spare.exposure, rest, out.exposure)
    else:
        part = _take_block(band, noise, readout, rows)
        _fit_block(*part, readout, keep_one_group, out)
    out.chi2[:] = np.nan


def _fit_rows(
    band: RampBand, noise: PixelNoise, readout: Readout, rows: slice, out: SlopeFit
) -> NDArray[np.int32]:
    """Fit plain ramps of a single integration; return the pixels that have others.

    What is written to those pixels is not meant to stay.
    """
    whole, parts = out.exposure, out.integrations
    whole.flags[:] = band.pixel_flags[rows]
    to = Planes(
        _flat(whole.slope),
        _flat(whole.err),
        _flat(parts.err),
        _flat(whole.var_poisson),
        _flat(whole.var_read),
        _flat(whole.flags),
    )
    model = make_model(
        slope_coefficients(readout.n_groups), readout.group_s, readout.n_frames
    )
    bits = flags.DO_NOT_USE, flags.SATURATED, flags.JUMP
    rest = np.empty(to.slope.size, np.int32)
    samples, own = samples_of(band, 0, rows), noise_of(noise, rows)
    # pixels without a gain divide by zero: they are among the others
    n = fit_rows(samples, own, model, bits, to, rest)
    if not np.may_share_memory(whole.slope, parts.slope):
        parts.slope[0], parts.flags[0] = whole.slope, whole.flags
        parts.var_poisson[0], parts.var_read[0] = whole.var_poisson, whole.var_read
    return rest[:n]


def _fit_block(
    block: Block,
    pixel_flags: NDArray[np.uint32],
    readout: Readout,
    keep_one_group: bool,  # noqa: FBT001 - hands on the field of that name
    out: SlopeFit,
) -> None:
    """Fit ramps of any number of integrations, whatever is left of them."""
    n_ints, n_groups, n_pixels = block.counts.shape
    result = Result(
        np.zeros((4, n_ints + 1, n_pixels), np.float32),
        np.empty((n_ints + 1, n_pixels), np.uint32),
    )
    result.flags[:] = pixel_flags
    unknown = np.uint32(flags.NO_GAIN_VALUE | flags.DO_NOT_USE)
    result.flags[:, ~(block.gain > 0)] |= unknown
    one_group_s = 0.5 * (readout.n_frames + 1.0) * readout.frame_s
    keep = keep_one_group or n_groups == 1
    times = Times(readout.group_s, readout.frame_s, one_group_s, keep)
    bits = (
        flags.DO_NOT_USE,
        flags.SATURATED,
        flags.JUMP,
        flags.PERSISTENCE,
        flags.CHARGELOSS,
    )
    fit_pixels(block, slope_coefficients(n_groups), times, Bits(*bits), result)
    # read noise that is unknown or none leaves nothing to weight with
    lost = np.isnan(result.planes[SLOPE])
    result.flags[lost] |= np.uint32(flags.DO_NOT_USE)
    result.planes[ERR:, lost] = 0.0
    _write(result, out)


@lru_cache(maxsize=8)
def slope_coefficients(n_groups: int) -> NDArray[np.float64]:
    """Return what to multiply the groups of a segment with to get its slope.

    Returns
    -------
    (n_groups + 1, 6, n_groups) float64, 1 / group
        For each length of the segment and power of the weights; of a single group 1.
    """
    table = np.zeros((n_groups + 1, len(_POWERS), n_groups))
    table[1, :, 0] = 1.0
    for length in range(2, n_groups + 1):
        offset = np.arange(length) - 0.5 * (length - 1)
        for index, power in enumerate(_POWERS):
            weight = np.abs(offset / offset[-1]) ** (power if length > 2 else 0.0)
            table[length, index, :length] = weight * offset / (weight @ offset**2)
    return table


def _take_block(
    band: RampBand, noise: PixelNoise, readout: Readout, rows: slice
) -> tuple[Block, NDArray[np.uint32]]:
    """Copy some rows to contiguous arrays, and their flags."""
    counts = flat_block(band.counts, rows)
    own = noise_of(noise, rows)
    block = Block(
        counts,
        flat_block(band.group_flags, rows),
        _zero_frame(band, rows).reshape(counts.shape[0], -1),
        own.gain,
        own.read_noise.astype(np.float64) ** 2 / readout.n_frames,
        own.dark if own.dark.size else np.zeros(own.gain.size, np.float32),
    )
    return block, band.pixel_flags[rows].reshape(-1)


def _pick(
    band: RampBand,
    noise: PixelNoise,
    readout: Readout,
    rows: slice,
    pixels: NDArray[np.int32],
) -> tuple[Block, NDArray[np.uint32]]:
    """Copy some pixels of a single integration, and their flags."""
    own = noise_of(noise, rows)
    block = Block(
        pick_pixels(band.counts[0, :, rows], pixels)[None],
        pick_pixels(band.group_flags[0, :, rows], pixels)[None],
        _zero_frame(band, rows).reshape(1, -1)[:, pixels],
        own.gain[pixels],
        own.read_noise[pixels].astype(np.float64) ** 2 / readout.n_frames,
        own.dark[pixels] if own.dark.size else np.zeros(pixels.size, np.float32),
    )
    return block, band.pixel_flags[rows].reshape(-1)[pixels]


def _zero_frame(band: RampBand, rows: slice) -> NDArray[np.float32]:
    """Return the first reads of some rows, NaN where there are none."""
    if band.zero_frame is not None:
        return band.zero_frame[:, rows]
    n_ints, _, n_rows, n_cols = band.counts[:, :, rows].shape
    unknown = np.float32(np.nan)
    return np.broadcast_to(unknown, (n_ints, n_rows, n_cols))


def _write(result: Result, out: SlopeFit) -> None:
    """Copy the results to planes of the exposure and of its integrations."""
    for planes, which in ((out.integrations, slice(0, -1)), (out.exposure, -1)):
        target = planes.slope.shape
        planes.slope[:] = result.planes[SLOPE, which].reshape(target)
        planes.err[:] = result.planes[ERR, which].reshape(target)
        planes.var_poisson[:] = result.planes[VAR_POISSON, which].reshape(target)
        planes.var_read[:] = result.planes[VAR_READ, which].reshape(target)
        planes.flags[:] = result.flags[which].reshape(target)


def _scatter(
    source: SlopePlanes, pixels: NDArray[np.int32], target: SlopePlanes
) -> None:
    """Put the results of some pixels of a single integration to their place."""
    _flat(target.slope)[pixels] = source.slope.reshape(-1)
    _flat(target.err)[pixels] = source.err.reshape(-1)
    _flat(target.var_poisson)[pixels] = source.var_poisson.reshape(-1)
    _flat(target.var_read)[pixels] = source.var_read.reshape(-1)
    _flat(target.flags)[pixels] = source.flags.reshape(-1)


def _flat(plane: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return a view (pixels,); an error if that takes a copy."""
    view = plane.view()
    view.shape = (-1,)
    return view
