"""The steps that make slopes of linear counts and correct them, bound like `ramp_steps`."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..detector.band import PixelNoise
from ..detector.flicker_noise import (
    FlickerNoiseParams,
    describe_rows,
    measure_stripes,
    subtract_stripes,
)
from ..detector.gain_scale import GainScaleParams, scale_gain
from ..detector.ramp_fit.planes import SlopeFit, cut_planes
from ..detector.ramp_fit.slopes import SlopeParams, fit_slopes
from ..detector.stripes import Levels
from ..exposure.planes import RampPlanes
from ..exposure.ramp_state import LinearRamp
from ..exposure.records import Flags32, Plane, SlopeImage, SlopePlanes
from ..numerics.workspace import Workspace
from .event_rates import with_event_rates
from .ramp_steps import band_of, noise_of
from .runner import Banded


def slopes(
    ramp: LinearRamp, planes: RampPlanes, params: SlopeParams
) -> Banded[SlopeImage]:
    """Fit slopes to the exposure and, where there are several, to each integration."""
    readout, workspace = ramp.header.readout, ramp.workspace
    shape = (readout.n_rows, readout.n_cols)
    exposure, chi2 = _lent_planes(workspace, shape), workspace.lend(shape, np.float32)
    integrations = None
    if readout.n_ints > 1 or ramp.header.exp_type == "NRC_TSIMAGE":
        integrations = _lent_planes(workspace, (readout.n_ints, *shape))
    image = SlopeImage(
        header=with_event_rates(ramp),
        planes=exposure,
        integrations=integrations,
        int_times=ramp.raw.int_times,
        extras={
            **ramp.removed,
            **({"CHI2": chi2} if params.algorithm == "gls" else {}),
        },
    )

    parts = _as_integrations(exposure) if integrations is None else integrations

    def work(rows: slice) -> None:
        pair = cut_planes(exposure, rows), cut_planes(parts, rows)
        noise = noise_of(ramp, planes, rows, params.algorithm)
        noise = _with_dark(noise, planes, rows)
        fit_slopes(
            band_of(ramp, rows), noise, readout, params, SlopeFit(*pair, chi2[rows])
        )

    return Banded(image, work)


def gain_scale(
    image: SlopeImage, planes: RampPlanes, _params: GainScaleParams
) -> SlopeImage:
    """Undo a non-standard gain.  DN/s in, DN/s out."""
    factor = planes.gain_factor
    integrations = image.integrations
    return replace(
        image,
        planes=scale_gain(image.planes, factor),
        integrations=None if integrations is None else scale_gain(integrations, factor),
    )


def flicker_noise(
    image: SlopeImage, planes: RampPlanes, params: FlickerNoiseParams
) -> Banded[SlopeImage]:
    """Measure the stripes of 1/f noise and subtract them in bands, in place.

    Each integration has stripes of its own.
    """
    n_outputs = image.header.readout.n_outputs

    def measure(slope: Plane, flags: Flags32) -> Levels:
        return measure_stripes(slope, flags, n_outputs, params, planes.flat)

    whole, integrations = image.planes, image.integrations
    levels, stripes = measure(whole.slope, whole.flags), np.empty_like(whole.slope)
    parts: list[tuple[Plane, NDArray[np.float32]]] = []
    if integrations is not None:
        pairs = zip(integrations.slope, integrations.flags, strict=True)
        parts = [(slope, measure(slope, flags).level) for slope, flags in pairs]

    def work(rows: slice) -> None:
        subtract_stripes(whole.slope, levels.level, rows, stripes)
        for slope, own in parts:
            subtract_stripes(slope, own, rows)

    known = describe_rows(levels.err, levels.usable)
    extras = {**image.extras, "STRIPES": stripes, **known}
    return Banded(replace(image, extras=extras), work)


def _with_dark(noise: PixelNoise, planes: RampPlanes, rows: slice) -> PixelNoise:
    """Add the dark current that the file names, where more than is measured."""
    average = planes.average_dark_e_s
    if not (average.ndim or average.any()):
        return noise
    own = average[rows] if average.ndim else average
    rate = (own / noise.gain).astype(np.float32)
    if noise.dark_dn_s is not None:
        rate = np.fmax(rate, noise.dark_dn_s)
    return noise._replace(dark_dn_s=rate)


def _lent_planes(workspace: Workspace, shape: tuple[int, ...]) -> SlopePlanes:
    """Return slope planes of arbitrary content."""
    slope, err, var_poisson, var_read = workspace.lend((4, *shape), np.float32)
    return SlopePlanes(
        slope=slope,
        err=err,
        var_poisson=var_poisson,
        var_read=var_read,
        flags=workspace.lend(shape, np.uint32),
    )


def _as_integrations(planes: SlopePlanes) -> SlopePlanes:
    """Return the exposure's planes as those of its only integration, without copies."""
    return SlopePlanes(
        slope=planes.slope[None],
        err=planes.err[None],
        var_poisson=planes.var_poisson[None],
        var_read=planes.var_read[None],
        flags=planes.flags[None],
    )
