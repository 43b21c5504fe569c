"""Find pixels that disagree with the other dithers of the same sky.

A pixel is compared with the median of the dithers, blotted back onto it. The allowed
difference includes noise; small misalignments where the sky is steep (a fraction of the
largest difference to the four neighbours in the blot); and errors of interpolation at
undersampled stars: linear interpolation underestimates the peak, a cubic undershoots in
the dark rings, and the true value lies between the two or, for narrower stars, beyond
both by a fraction of the steepness, and in the rings of the star's own brightness
(`rampline.mosaic.undersampling`). The test is made in two passes, the second with lower
thresholds and only next to pixels that exceed those of the first. The rims of what is
extended, such as trails, are fainter than both: pixels among many that are found belong
to it.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.jit import kernel
from ..params import Count, Factor, Fraction, Sigma, StepParams
from .undersampling import InterpolationErrors


class OutlierParams(StepParams):
    """How pixels are compared with the median of the dithers.

    ``benchmarks/mosaic.py`` compares the result with simulated truth. On nine dithers
    99 % of all pixels beyond 6 sigma are flagged, no peak of a star, and at most 0.01 %
    of the good pixels on sources. Lower thresholds of 3 and 2 sigma would flag 0.05 %
    of the blank sky.
    """

    algorithm: Literal["interval", "jwst"] = "interval"
    """Reference for each pixel: the interval between the linear and the cubic blot of a
    median of exposures interpolated by cubics, with all usable pixels treated alike;
    or, as in the JWST pipeline, the linear blot of a median of drizzled exposures."""
    snr_first: Sigma = 4.0
    """Noise allowed in the first pass."""
    snr_second: Sigma = 3.0
    """Noise allowed in the second pass, within one pixel of those found in the first."""
    scale_first: Factor = 1.2
    """Fraction of the blot's largest neighbour difference allowed in the first pass.
    Increased for stars so narrow that interpolation errors are larger; reduced where
    the pixels of the median are smaller than the exposures'. Constant in ``jwst``."""
    scale_second: Factor = 0.7
    """The same for the second pass; scaled together with the first."""
    flank: Fraction = 0.5
    """Fraction of ``scale_first`` and ``scale_second`` allowed where a neighbour is
    brighter: interpolation errors there are half of those on peaks. 1 in ``jwst``."""
    rim: Count = 8
    """Fewest of the 24 pixels around one that make it part of what is extended; 0: rims
    are not flagged. None are in ``jwst``."""
    least_weight: Fraction = 0.7
    """Fraction of an exposure's typical weight below which a pixel is excluded from the
    median."""


def doubtful_pixels(
    sky: Plane, err: Plane, blot: Plane, level: float, params: OutlierParams
) -> NDArray[np.bool_]:
    """Find the pixels that may be outliers from one end of the interval alone.

    A pixel that agrees with one end within the noise is no outlier, whatever the other
    end, which therefore need not be computed for most pixels.

    Parameters
    ----------
    sky, err, blot : (rows, cols) float32, MJy/sr
        As in `flag_outliers`.
    level : float, MJy/sr
    params : OutlierParams

    Returns
    -------
    (rows, cols) bool
        Includes the four neighbours, whose blots determine how steep the sky is.
    """
    least = np.float32(min(params.snr_first, params.snr_second))
    found = np.zeros(sky.shape, np.bool_)
    mark_doubtful(sky, err, blot, (np.float32(level), least), found)
    return found


def flag_outliers(
    sky: Plane,
    err: Plane,
    blots: tuple[Plane, Plane],
    level: float,
    errors: InterpolationErrors,
    params: OutlierParams,
) -> NDArray[np.bool_]:
    """Compare one exposure with the blotted median.

    Parameters
    ----------
    sky, err : (rows, cols) float32, MJy/sr
        NaN errors count as 0; NaN sky is never flagged.
    blots : two of (rows, cols) float32, MJy/sr
        Ends of the interval, in either order, without the sky level; NaN where the
        median is unknown. The first determines how steep the sky is, the second how much
        brighter it is within two pixels.
    level : float, MJy/sr
        Sky level still in ``sky``.
    errors : InterpolationErrors
        Of the median; ignored by ``jwst``.
    params : OutlierParams

    Returns
    -------
    (rows, cols) bool

    Notes
    -----
    Equal to stcal's ``flag_resampled_crs`` where both blots are the same and the
    algorithm is ``jwst``.
    """
    exceeds = np.zeros(sky.shape, np.uint8)
    is_plain = params.algorithm == "jwst"
    peak, left, ring = (0.0, 1.0, 0.0) if is_plain else errors
    growth = max(1.0, peak / params.scale_first)
    limits = (
        np.float32(params.snr_first),
        np.float32(growth * left * params.scale_first),
        np.float32(params.snr_second),
        np.float32(growth * left * params.scale_second),
        np.float32(1.0 if is_plain else params.flank),
        np.float32(ring),
    )
    compare_pixels(sky, err, blots, np.float32(level), limits, exceeds)
    found = np.zeros(sky.shape, np.bool_)
    confirm_pixels(exceeds, found)
    if params.rim and not is_plain:
        around = np.zeros(sky.shape, np.uint8)
        count_around(found, around)
        found |= (around >= params.rim) & np.isfinite(sky)
    return found


@kernel
def steepness(
    blot: NDArray[np.float32], row: int, col: int, flank: np.float32
) -> np.float32:
    """Return the largest finite difference to the four neighbours.

    Multiplied by ``flank`` where a neighbour is brighter by more than half of it: of
    two equally bright pixels, either may be the peak of a star.
    """
    rows, cols = blot.shape
    here = blot[row, col]
    steepest = rise = np.float32(0.0)
    if row > 0:
        steepest, rise = steeper(blot[row - 1, col] - here, steepest, rise)
    if row < rows - 1:
        steepest, rise = steeper(blot[row + 1, col] - here, steepest, rise)
    if col > 0:
        steepest, rise = steeper(blot[row, col - 1] - here, steepest, rise)
    if col < cols - 1:
        steepest, rise = steeper(blot[row, col + 1] - here, steepest, rise)
    return flank * steepest if rise > np.float32(0.5) * steepest else steepest


@kernel
def steeper(
    step: np.float32, steepest: np.float32, rise: np.float32
) -> tuple[np.float32, np.float32]:
    """Return the larger of abs(step) and ``steepest``, and of the step and ``rise``."""
    # plain comparisons, so that NaN is ignored
    size = abs(step) if abs(step) > steepest else steepest  # noqa: FURB136
    return size, step if step > rise else rise  # noqa: FURB136


@kernel
def contrast_near(blot: NDArray[np.float32], row: int, col: int) -> np.float32:
    """Return by how much the brightest of 5 x 5 pixels exceeds the middle one."""
    rows, cols = blot.shape
    here, most = blot[row, col], np.float32(0.0)
    for i in range(max(0, row - 2), min(rows, row + 3)):
        for j in range(max(0, col - 2), min(cols, col + 3)):
            step = blot[i, j] - here
            # a plain comparison, so that NaN is ignored
            most = step if step > most else most  # noqa: FURB136
    return most


@kernel
def compare_pixels(
    sky: NDArray[np.float32],
    err: NDArray[np.float32],
    blots: tuple[NDArray[np.float32], NDArray[np.float32]],
    level: np.float32,
    limits: tuple[
        np.float32, np.float32, np.float32, np.float32, np.float32, np.float32
    ],
    exceeds: NDArray[np.uint8],
) -> None:
    """Set bit 1 where the first pass's thresholds are exceeded, bit 2 for the second."""
    snr_first, scale_first, snr_second, scale_second, flank, ring = limits
    blot, other = blots
    for row in range(sky.shape[0]):
        for col in range(sky.shape[1]):
            above = sky[row, col] - blot[row, col] - level
            above_other = sky[row, col] - other[row, col] - level
            if above * above_other <= 0.0 and above != above_other:
                continue  # between the two
            excess = min(abs(above), abs(above_other))
            noise = err[row, col]
            if np.isnan(noise):
                noise = np.float32(0.0)
            if not excess > min(snr_first, snr_second) * noise:
                continue
            slope = steepness(blot, row, col, flank)
            excess -= ring * contrast_near(other, row, col)
            if excess > scale_first * slope + snr_first * noise:
                exceeds[row, col] |= 1
            if excess > scale_second * slope + snr_second * noise:
                exceeds[row, col] |= 2


@kernel
def mark_doubtful(
    sky: NDArray[np.float32],
    err: NDArray[np.float32],
    blot: NDArray[np.float32],
    limits: tuple[np.float32, np.float32],
    found: NDArray[np.bool_],
) -> None:
    """Mark pixels that differ by more than the noise allows, and their neighbours.

    ``limits`` are the sky level and the allowed noise, sigma.
    """
    level, least = limits
    rows, cols = sky.shape
    for row in range(rows):
        for col in range(cols):
            noise = err[row, col]
            noise = np.float32(0.0) if np.isnan(noise) else noise
            if abs(sky[row, col] - blot[row, col] - level) > least * noise:
                found[row, max(0, col - 1) : min(cols, col + 2)] = True
                found[max(0, row - 1), col] = found[min(rows - 1, row + 1), col] = True


@kernel
def confirm_pixels(exceeds: NDArray[np.uint8], found: NDArray[np.bool_]) -> None:
    """Keep second-pass pixels that have a first-pass pixel within one pixel."""
    rows, cols = exceeds.shape
    for row in range(rows):
        for col in range(cols):
            if exceeds[row, col] & 2 == 0:
                continue
            for i in range(max(0, row - 1), min(rows, row + 2)):
                for j in range(max(0, col - 1), min(cols, col + 2)):
                    if exceeds[i, j] & 1:
                        found[row, col] = True


@kernel
def count_around(found: NDArray[np.bool_], around: NDArray[np.uint8]) -> None:
    """Add for each pixel how many of the 24 around it are found."""
    rows, cols = found.shape
    for row in range(rows):
        for col in range(cols):
            if not found[row, col]:
                continue
            for i in range(max(0, row - 2), min(rows, row + 3)):
                for j in range(max(0, col - 2), min(cols, col + 3)):
                    around[i, j] += 1
