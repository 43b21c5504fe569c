"""The sky of dispersed exposures: a template, scaled.

Every pixel of a grism image sees the whole band of the sky, each wavelength from another
place of the field; where the field ends, so does part of the light. What is left has the
grism's own pattern and hardly changes but for its strength. The template is a reference
file (WFSSBKG) or the median of the visit's exposures, spectra masked, each over its own level.
The strength is the variance-weighted mean of the ratio, with a percentile of the residuals
clipped at each end, as in `jwst`.
"""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from ..exposure.records import Plane
from ..numerics.selection import MAD_TO_SIGMA, MEDIAN_NOISE
from ..params import Count, Fraction, PixelsFloat, StepParams, Unit
from .stray_light import median_stack

LEAST_KNOWN: Final = 0.05
"""Of the weight of the smoothing Gaussian must lie on known pixels."""
LEAST_SHARE: Final = 0.3
"""The same for the pattern itself, which else is taken from farther around."""
LEAST_VALUES: Final = 2
"""Exposures that must show sky at a pixel of the pattern."""
HOLE_FACTORS: Final = (4.0, 16.0)
"""How much wider holes are smoothed over."""
CLIP_ROUNDS: Final = 3
CLIP_SIGMA: Final = 3.0
"""Medians farther than this from what is around are no sky."""


class GrismSkyParams(StepParams):
    """How the sky of a grism exposure is scaled and subtracted."""

    clip: Annotated[float, Field(ge=0, lt=50), Unit("percent")] = 1.0
    """Lowest and highest residuals left out in each round."""
    rounds: Count = 5
    """Of clipping."""
    least_usable: Fraction = 0.05
    """Of the pixels must be free of spectra."""
    least_exposures: Annotated[Count, Field(ge=2)] = 3
    """Fewer exposures of a visit, detector, filter and grism make no template."""
    smoothing: PixelsFloat = 6.0
    """Standard deviation of the Gaussian that smooths a median of exposures."""


class SkyScale(NamedTuple):
    """How strong the sky is in one exposure."""

    factor: float
    """Times the template; NaN where it could not be measured."""
    err: float
    """Its standard error."""
    n_used: int
    """Pixels after clipping."""


class GrismSky(NamedTuple):
    """The sky's pattern."""

    light: Plane
    """(rows, cols), mean 1; NaN where unknown."""
    err: Plane
    """(rows, cols): standard error of single pixels, correlated over the smoothing."""


def scale_sky(
    image: tuple[Plane, Plane],
    template: Plane,
    usable: NDArray[np.bool_],
    params: GrismSkyParams,
) -> SkyScale:
    """Return the strength of the sky in an exposure.

    Parameters
    ----------
    image : ((rows, cols) float32, (rows, cols) float32)
        Slopes, and their variance; the unit does not matter.
    template : (rows, cols) float32
    usable : (rows, cols) bool
        Pixels without spectra that may be used; those that are NaN or without variance are
        left out as well.
    params : GrismSkyParams

    Returns
    -------
    SkyScale

    Notes
    -----
    Without NaN the factor agrees with ``bkg_subtract`` of `jwst` 3.0 to single precision.
    There the template's square is summed over pixels whose slope is NaN as well, which
    makes the factor too small by their share; here both sums run over the same pixels.
    """
    values, variance = image
    known = usable & np.isfinite(values) & np.isfinite(template) & (variance > 0)
    if known.sum() <= params.least_usable * values.size:
        return SkyScale(np.nan, np.nan, int(known.sum()))
    sky, pattern = values[known].astype(np.float64), template[known].astype(np.float64)
    weight = 1.0 / variance[known].astype(np.float64)
    for _ in range(params.rounds):
        rest = sky - _factor(sky, pattern, weight) * pattern
        low, high = np.percentile(rest, (params.clip, 100.0 - params.clip))
        kept = (rest >= low) & (rest <= high)
        sky, pattern, weight = sky[kept], pattern[kept], weight[kept]
    total = float(np.sum(pattern**2 * weight))
    if total == 0.0:
        return SkyScale(np.nan, np.nan, sky.size)
    return SkyScale(_factor(sky, pattern, weight), total**-0.5, sky.size)


def stack_sky(
    exposures: Sequence[tuple[Plane, Plane]], params: GrismSkyParams
) -> GrismSky | None:
    """Return the sky's pattern as the exposures of a visit show it.

    Parameters
    ----------
    exposures : sequence of ((rows, cols) float32, (rows, cols) float32)
        Flat-fielded slopes, NaN on spectra and bad pixels, and their errors.
    params : GrismSkyParams

    Returns
    -------
    GrismSky or None
        None where the exposures are too few, or the sky of one of them is not above 0.
    """
    if len(exposures) < params.least_exposures:
        return None
    levels = [float(np.nanmedian(values)) for values, _ in exposures]
    if not all(level > 0 for level in levels):
        return None
    scaled = [v / np.float32(k) for (v, _), k in zip(exposures, levels, strict=True)]
    median, count = median_stack(scaled)
    noise = [
        float(np.nanmedian(err)) / level
        for (_, err), level in zip(exposures, levels, strict=True)
    ]
    known = np.where(count >= LEAST_VALUES, median, np.float32(np.nan))
    light, weight = _fill(_clip(known, params.smoothing), params.smoothing)
    # the Gaussian averages over 4 pi sigma^2 pixels
    averaged = np.maximum(count, 1) * max(1.0, 4.0 * np.pi * params.smoothing**2)
    err = MEDIAN_NOISE * np.mean(noise) / np.sqrt(averaged * np.maximum(weight, 0.05))
    mean = np.float32(np.nanmean(light))
    return GrismSky(light / mean, np.asarray(err / mean, np.float32))


def _clip(median: Plane, sigma_px: float) -> Plane:
    """Return the median without what spectra left in it: the sky is smooth."""
    for _ in range(CLIP_ROUNDS):
        rest = median - smooth_known(median, HOLE_FACTORS[0] * sigma_px)[0]
        middle = np.nanmedian(rest)
        scatter = float(np.nanmedian(np.abs(rest - middle))) * MAD_TO_SIGMA
        median = np.where(
            np.abs(rest) <= CLIP_SIGMA * scatter, median, np.float32(np.nan)
        )
    return median


def _fill(values: Plane, sigma_px: float) -> tuple[Plane, Plane]:
    """Return the smoothed values, holes from farther around, and the known share."""
    light, share = smooth_known(values, sigma_px)
    # a mean of few pixels at the rim of a spectrum is not to be trusted
    light = np.where(share > LEAST_SHARE, light, np.float32(np.nan))
    for factor in HOLE_FACTORS:
        wide, _ = smooth_known(values, factor * sigma_px)
        light = np.where(np.isfinite(light), light, wide)
    return light, share


def smooth_known(values: Plane, sigma_px: float) -> tuple[Plane, Plane]:
    """Return the Gaussian mean of the known values around each pixel and their share.

    Parameters
    ----------
    values : (rows, cols) float32
        NaN where unknown.
    sigma_px : float

    Returns
    -------
    mean : (rows, cols) float32
        NaN where less than a twentieth of the Gaussian is known.
    share : (rows, cols) float32
        Of the Gaussian's weight on known pixels.
    """
    known = np.isfinite(values)
    share = ndimage.gaussian_filter(known.astype(np.float32), sigma_px)
    total = ndimage.gaussian_filter(np.where(known, values, np.float32(0)), sigma_px)
    enough = share > LEAST_KNOWN
    mean = np.full(values.shape, np.nan, np.float32)
    np.divide(total, share, out=mean, where=enough)
    return mean, np.asarray(share, np.float32)


def _factor(
    sky: NDArray[np.float64], pattern: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    """Return the least-squares factor; NaN without light in the template."""
    total = np.sum(pattern * pattern * weight)
    return float(np.sum(sky * pattern * weight) / total) if total > 0 else np.nan
