"""The sky of dispersed exposures: a scaled template.

Every pixel of a grism image receives the whole band of the sky, each wavelength from a
different position in the field; beyond the edge of the field part of the light is
missing. The resulting pattern is specific to the grism and varies almost only in
strength. The template is a reference file (WFSSBKG) or the median of the visit's
exposures, with spectra masked and each divided by its level. The strength is the
variance-weighted least-squares factor, with a percentile of the residuals clipped at
each end, as in `jwst`.
"""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.records import Plane
from ..numerics.selection import MAD_TO_SIGMA, MEDIAN_NOISE
from ..params import Count, Fraction, PixelsFloat, StepParams, Unit
from .stray_light import median_stack

LEAST_KNOWN: Final = 0.05
"""Minimum fraction of the smoothing Gaussian's weight on known pixels."""
LEAST_SHARE: Final = 0.3
"""The same for the pattern itself, which is otherwise filled with a wider Gaussian."""
LEAST_VALUES: Final = 2
"""Minimum number of exposures that show sky at a pixel of the pattern."""
HOLE_FACTORS: Final = (4.0, 16.0)
"""Factors by which the Gaussian is widened to fill holes."""
CLIP_ROUNDS: Final = 3
CLIP_SIGMA: Final = 3.0
"""Medians farther than this from their surroundings are excluded."""


class GrismSkyParams(StepParams):
    """How the sky of a grism exposure is scaled and subtracted."""

    clip: Annotated[float, Field(ge=0, lt=50), Unit("percent")] = 1.0
    """Percentage of residuals excluded at each end in each round."""
    rounds: Count = 5
    """Rounds of clipping."""
    least_usable: Fraction = 0.05
    """Minimum fraction of pixels free of spectra."""
    least_exposures: Annotated[Count, Field(ge=2)] = 3
    """Minimum number of exposures of a visit, detector, filter and grism."""
    smoothing: PixelsFloat = 6.0
    """Standard deviation of the Gaussian that smooths the median of the exposures."""


class SkyScale(NamedTuple):
    """The strength of the sky in one exposure."""

    factor: float
    """Factor for the template; NaN if it could not be measured."""
    err: float
    """Its standard error."""
    n_used: int
    """Number of pixels used after clipping."""


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
        Slopes and their variance, in any unit.
    template : (rows, cols) float32
    usable : (rows, cols) bool
        Usable pixels without spectra; NaN pixels and those without a positive variance
        are excluded as well.
    params : GrismSkyParams

    Notes
    -----
    Without NaN the factor agrees with ``bkg_subtract`` of `jwst` 3.0 to single
    precision. `jwst` also sums the square of the template over pixels whose slope is
    NaN, which makes the factor too small by their fraction; here both sums run over the
    same pixels.
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
    """Return the sky's pattern measured from the exposures of a visit.

    Parameters
    ----------
    exposures : sequence of ((rows, cols) float32, (rows, cols) float32)
        Flat-fielded slopes, NaN on spectra and bad pixels, and their errors.
    params : GrismSkyParams

    Returns
    -------
    GrismSky or None
        None if there are too few exposures, or the sky level of one is not positive.
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
    # the Gaussian averages 4 pi sigma^2 pixels
    averaged = np.maximum(count, 1) * max(1.0, 4.0 * np.pi * params.smoothing**2)
    err = MEDIAN_NOISE * np.mean(noise) / np.sqrt(averaged * np.maximum(weight, 0.05))
    mean = np.float32(np.nanmean(light))
    return GrismSky(light / mean, np.asarray(err / mean, np.float32))


def _clip(median: Plane, sigma_px: float) -> Plane:
    """Return the median without residuals of spectra, given that the sky is smooth."""
    for _ in range(CLIP_ROUNDS):
        rest = median - smooth_known(median, HOLE_FACTORS[0] * sigma_px)[0]
        middle = np.nanmedian(rest)
        scatter = float(np.nanmedian(np.abs(rest - middle))) * MAD_TO_SIGMA
        median = np.where(
            np.abs(rest) <= CLIP_SIGMA * scatter, median, np.float32(np.nan)
        )
    return median


def _fill(values: Plane, sigma_px: float) -> tuple[Plane, Plane]:
    """Return the smoothed values, holes filled from farther away, and the known share."""
    light, share = smooth_known(values, sigma_px)
    # a mean of few pixels at the edge of a spectrum is unreliable
    light = np.where(share > LEAST_SHARE, light, np.float32(np.nan))
    for factor in HOLE_FACTORS:
        wide, _ = smooth_known(values, factor * sigma_px)
        light = np.where(np.isfinite(light), light, wide)
    return light, share


def smooth_known(values: Plane, sigma_px: float) -> tuple[Plane, Plane]:
    """Return the Gaussian mean of the known values around each pixel, and their share.

    Parameters
    ----------
    values : (rows, cols) float32
        NaN where unknown.
    sigma_px : float

    Returns
    -------
    mean : (rows, cols) float32
        NaN where less than a twentieth of the Gaussian's weight is on known pixels.
    share : (rows, cols) float32
        Fraction of the Gaussian's weight on known pixels.
    """
    known = np.isfinite(values)
    share = scipy.ndimage.gaussian_filter(known.astype(np.float32), sigma_px)
    total = scipy.ndimage.gaussian_filter(
        np.where(known, values, np.float32(0)), sigma_px
    )
    enough = share > LEAST_KNOWN
    mean = np.full(values.shape, np.nan, np.float32)
    np.divide(total, share, out=mean, where=enough)
    return mean, np.asarray(share, np.float32)


def _factor(
    sky: NDArray[np.float64], pattern: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    """Return the least-squares factor; NaN if the template is zero."""
    total = np.sum(pattern * pattern * weight)
    return float(np.sum(sky * pattern * weight) / total) if total > 0 else np.nan
