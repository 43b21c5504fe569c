"""Remove 1/f noise: stripes along the rows, one level for each amplifier and row.

The reference voltages of the readout drift with a spectrum that rises towards low
frequencies. Within the 5 ms that an amplifier takes for a row the drift is nearly
constant, so it appears as stripes 512 pixels long. The mean, not the median, of the pixels
of a row that show only sky is measured, so the correction is linear in the data. Part of the
drift is common to the amplifiers, and it is correlated from row to row: the levels of rows
covered by sources are estimated from the other amplifiers and the neighbouring rows, weighted
by their noise. Where the scene is known, drifts within a row are followed, too. Not removed
are drifts faster than half a row, and drifts common to all amplifiers that look like a tilt
of the sky.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags32, Plane
from ..exposure.timing import Readout
from ..flags import DO_NOT_USE, NON_SCIENCE, REFERENCE_PIXEL, SATURATED
from ..numerics.selection import sorted_quantiles
from ..params import Factor, Sigma, StepParams
from .clock_order import follow_drift
from .drift_and_sky import Powers
from .drift_spectrum import (
    Spectrum,
    falling,
    measure_spectrum,
    scatter_of_tilt,
    stream_length,
)
from .faint_light import Told, tell_light
from .stripes import STRIP, Levels, Residual, Strips, find_levels, sum_strips

_UNUSABLE = DO_NOT_USE | NON_SCIENCE | REFERENCE_PIXEL | SATURATED
_STEP = 5
"""Every fifth row and column suffices for the level of the sky."""
_SKY_ROUNDS = 3
_ROWS_APART = np.arange(12, 129)
"""Lags, in rows, at which levels are compared: light of sources is uncorrelated there."""


class FlickerNoiseParams(StepParams):
    """How stripes are measured."""

    pixel_clip: Sigma = 4.0
    """Pixels farther than this from the sky are excluded."""
    source_clip: Sigma = 3.0
    """Blocks of 8, 24 and 72 pixels farther than this above the sky are excluded."""
    within_rows: bool = True
    """Whether the drift is followed in clocking order where the scene is known."""
    strength: Factor = 1.0
    """Factor on the measured prior variance of the stripes; larger shrinks less."""


class Sources(NamedTuple):
    """A model of the sources in an image."""

    light: Plane
    """(rows, cols), DN/s: light of the sources; 0 where unknown"""
    is_source: NDArray[np.bool_]
    """(rows, cols): where the light is known"""


class FlickerNoise(NamedTuple):
    """Removed stripes."""

    slope: Plane
    """(rows, cols), DN/s: the corrected image."""
    stripes: Plane
    """(rows, cols), DN/s: subtracted stripes; 0 where none could be measured."""
    stripe_err: NDArray[np.float32]
    """(outputs, rows), DN/s: uncertainty of the level of each amplifier row."""
    usable: NDArray[np.float32]
    """(outputs, rows): fraction of each amplifier row that showed only sky."""


def describe_rows(
    err: NDArray[np.float32], usable: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Return the planes on the uncertainty of each amplifier row, by extension name.

    Parameters
    ----------
    err : (outputs, rows) float32, DN/s
        Uncertainty of the levels.
    usable : (outputs, rows) float32
        Fraction of the pixels that showed only sky.

    Returns
    -------
    dict of str to (rows, outputs) float32
        STRIPES_ERR, DN/s, and STRIPES_SKY.
    """
    rows = {"STRIPES_ERR": err, "STRIPES_SKY": usable}
    return {name: np.ascontiguousarray(values.T) for name, values in rows.items()}


def remove_flicker_noise(
    slope: Plane,
    pixel_flags: Flags32,
    readout: Readout,
    params: FlickerNoiseParams,
    flat: Plane | None = None,
    scene: Sources | None = None,
) -> FlickerNoise:
    """Measure and subtract the stripes of a slope image.

    Parameters
    ----------
    slope : (rows, cols) float32, DN/s
    pixel_flags : (rows, cols) uint32
    readout : Readout
        Its outputs are equally many columns wide.
    params : FlickerNoiseParams
    flat : (rows, cols) float32, optional
        Flat field: the sky is smooth only after division by it.
    scene : Sources, optional
        Model of the sources, subtracted before the stripes are measured.

    Notes
    -----
    The sky model and the masks are made from the image divided by the flat; the stripes are
    measured on the image minus sky times flat, and subtracted from the original image. The
    sum of all stripes is zero, so the sky level is kept; a tilt of the sky is kept as far
    as drift is unlikely to have caused it. A level is the conditional mean of common and own
    drifts, estimated together with unmasked light: see `tell_light`. The spectrum of the
    drifts is measured from the row means. With a scene the drift is followed in clocking
    order: see `follow_drift`. The uncertainties are those of the levels.
    """
    image, is_source = slope, None
    if scene is not None:
        if params.within_rows and _in_strips(slope, readout):
            light = flat, scene
            return _follow_scene_drift(slope, pixel_flags, readout, params, light)
        image, is_source = slope - scene.light, scene.is_source
    n_outputs = readout.n_outputs
    levels = measure_stripes(image, pixel_flags, n_outputs, params, flat, is_source)
    corrected, stripes = slope.copy(), np.empty_like(slope)
    subtract_stripes(corrected, levels.level, slice(0, len(slope)), stripes)
    return FlickerNoise(corrected, stripes, levels.err, levels.usable)


def _in_strips(slope: Plane, readout: Readout) -> bool:
    """Return whether outputs are whole strips wide, as in all full frames."""
    return readout.n_outputs == 1 or slope.shape[1] % (readout.n_outputs * STRIP) == 0


def _follow_scene_drift(
    slope: Plane,
    pixel_flags: Flags32,
    readout: Readout,
    params: FlickerNoiseParams,
    light: tuple[Plane | None, Sources],
) -> FlickerNoise:
    """Follow the drift of the image minus its scene; ``light`` is flat and scene."""
    flat, scene = light
    strips = _sum_sky(slope - scene.light, pixel_flags, params, flat)
    found = find_levels(strips, readout.n_outputs, params.source_clip, params.strength)
    told = _tell(found, strips.variance, params, scene.is_source)
    total = found.drifting() - found.used * told.light
    drift = follow_drift(total, found.used, strips.variance, readout)
    output = np.arange(drift.shape[1]) * readout.n_outputs // drift.shape[1]
    drift += told.pedestal[output]
    drift -= drift.mean()
    stripes = np.repeat(drift, STRIP, axis=1)[:, : slope.shape[1]]
    return FlickerNoise(slope - stripes, stripes, found.levels.err, found.levels.usable)


def measure_stripes(
    image: Plane,
    pixel_flags: Flags32,
    n_outputs: int,
    params: FlickerNoiseParams,
    flat: Plane | None = None,
    is_source: NDArray[np.bool_] | None = None,
) -> Levels:
    """Measure the level of each amplifier row.

    Parameters
    ----------
    image : (rows, cols) float32, DN/s
        Slopes, minus the sources where a model of them is known.
    pixel_flags, n_outputs, params, flat
        As in `remove_flicker_noise`.
    is_source : (rows, cols) bool, optional
        Pixels in which the light of sources is subtracted.
    """
    strips = _sum_sky(image, pixel_flags, params, flat)
    n_outputs = min(n_outputs, strips.total.shape[1])
    found = find_levels(strips, n_outputs, params.source_clip, params.strength)
    told = _tell(found, strips.variance, params, is_source)
    return found.levels._replace(level=told.level)


def _measure_rows(found: Residual) -> Spectrum:
    """Measure the spectrum of the drift from row to row."""
    _, n_outputs, n_rows = found.sums.shape
    lag = _ROWS_APART[: max(n_rows // 6 - int(_ROWS_APART[0]), 0)]
    if lag.size == 0:
        return Spectrum(0.0, 0.0)
    padded = np.zeros((2, n_outputs, stream_length(n_rows)), np.float32)
    padded[:, :, :n_rows] = found.sums
    return measure_spectrum(padded[0], padded[1], lag)


def _tell(
    found: Residual,
    variance: float,
    params: FlickerNoiseParams,
    is_source: NDArray[np.bool_] | None,
) -> Told:
    """Separate drift from faint light and from a tilt of the sky.

    The drift is correlated from row to row; the prior has an additional independent part
    per row, as strong as the scatter of the rows requires. A drift common to all amplifiers
    tilts the image like a tilted sky: a tilt no larger than that of drift is taken for
    drift, a much larger one is the sky's (James and Stein 1961, in one dimension).
    """
    _, n_outputs, n_rows = found.sums.shape
    spectrum = _measure_rows(found)
    length = stream_length(n_rows)
    power = falling(length).astype(np.float64)
    whole = 2.0 * float(power.sum()) / length
    common, own = (
        params.strength * (drift * power + max(scatter - drift * whole, 0.0))
        for drift, scatter in zip(spectrum, found.scatter, strict=True)
    )
    drifting = scatter_of_tilt(spectrum, n_outputs, n_rows)
    sky_tilt = float(np.sqrt(max(found.tilt**2 - drifting**2, 0.0)))
    known = None
    if is_source is not None:
        first = np.arange(0, is_source.shape[1], STRIP)
        known = np.add.reduceat(is_source, first, axis=1, dtype=np.float32)
        known /= np.diff(np.append(first, is_source.shape[1])).astype(np.float32)
    scatter = params.source_clip, sky_tilt
    return tell_light(found, variance, Powers(own, common), scatter, known)


def _sum_sky(
    image: Plane, pixel_flags: Flags32, params: FlickerNoiseParams, flat: Plane | None
) -> Strips:
    """Sum the image minus its sky over strips."""
    response = np.ones((1, 1), np.float32) if flat is None else flat
    level, scatter = _measure_sky(image, pixel_flags, flat)
    sky = level, params.pixel_clip * scatter
    return sum_strips(image, pixel_flags, _UNUSABLE, response, sky)


def subtract_stripes(
    slope: Plane, level: NDArray[np.float32], rows: slice, stripes: Plane | None = None
) -> None:
    """Subtract the levels of the amplifier rows, in place.

    Parameters
    ----------
    slope : (rows, cols) float32, DN/s
        Owned by the caller; changed in ``rows`` only.
    level : (outputs, rows) float32, DN/s
        The outputs are equally many columns wide.
    rows : slice
        Rows to work on.
    stripes : (rows, cols) float32, DN/s, optional
        Filled in ``rows`` with the subtracted stripes.
    """
    n_outputs, n_cols = len(level), slope.shape[1]
    width = n_cols // n_outputs
    for k in range(n_outputs):
        stop = n_cols if k == n_outputs - 1 else (k + 1) * width
        own = level[k, rows, None]
        slope[rows, k * width : stop] -= own
        if stripes is not None:
            stripes[rows, k * width : stop] = own


def _measure_sky(
    image: Plane, pixel_flags: Flags32, flat: Plane | None
) -> tuple[float, float]:
    """Return level and scatter of the sky, from the lower half of a sample of pixels."""
    sample = image[::_STEP, ::_STEP]
    with np.errstate(divide="ignore", invalid="ignore"):
        sample = sample if flat is None else sample / flat[::_STEP, ::_STEP]
    usable = (pixel_flags[::_STEP, ::_STEP] & np.uint32(_UNUSABLE)) == 0
    values = np.sort(sample[usable & np.isfinite(sample)])
    if values.size == 0:
        return 0.0, 0.0
    level, scatter = 0.0, 0.0
    for _ in range(_SKY_ROUNDS):
        low, level = sorted_quantiles(values, (0.1587, 0.5))
        scatter = level - low
        end = np.searchsorted(values, level + 3.0 * scatter, side="right")
        values = values[:end]
    return level, scatter
