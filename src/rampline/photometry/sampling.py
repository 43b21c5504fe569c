"""Errors of bright stars due to the coarse sampling of the exposures.

The image of a star is hardly wider than a pixel, and drizzle spreads the light of each
pixel over a square. Position and aperture flux therefore depend on the phase of the star on
the pixels of each exposure and of the mosaic. With few exposures these phases do not
average out, and for bright stars this error exceeds the noise. It is predicted by drizzling
model stars at many phases.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .aperture_kernel import sum_circles
from .matched_filter import FWHM_PER_SIGMA
from .point_source import PointSource, radial_profile

Values = NDArray[np.float64]

PHASES = 32
MANY = 8
"""Number of exposures of the second drizzle, for extrapolation to infinitely many."""
REACH_NATIVE = 9
"""Extent of a model star on either side, in pixels of the exposure."""


class SamplingError(NamedTuple):
    """Root mean square errors of noiseless stars.

    Attributes
    ----------
    position_px : (sources,) float64, pixels
        Error along either axis.
    flux : (radii, sources) float64
        Relative error of the aperture fluxes.
    """

    position_px: Values
    flux: Values


def predict_sampling_error(
    star: PointSource, radii_px: Values, n_exposures: NDArray[np.int64]
) -> SamplingError:
    """Predict the errors that sampling adds.

    Parameters
    ----------
    star : PointSource
    radii_px : (radii,) float64, pixels
    n_exposures : (sources,) int64
        Number of exposures that cover each source.

    Notes
    -----
    Variances decrease as the inverse of the number of exposures towards the limit set by
    the mosaic's own pixels. Both terms are found by drizzling one and eight exposures.
    """
    once, often = (_drizzle_stars(star, radii_px, n) for n in (1, MANY))
    left = np.maximum((MANY * often - once) / (MANY - 1), 0.0)
    n = np.maximum(n_exposures, 1).astype(np.float64)
    variance = left[:, None] + (once - left)[:, None] / n
    errors = np.sqrt(variance)
    return SamplingError(errors[0], errors[1:])


def _drizzle_stars(star: PointSource, radii_px: Values, n_exposures: int) -> Values:
    """Return the variances of position and of relative fluxes over all phases."""
    sigma = star.fwhm_px / FWHM_PER_SIGMA
    half = int(max(2.0 * star.fwhm_px, radii_px.max())) + 3
    pixels = np.arange(-half, half + 1.0)
    lag = np.arange(-REACH_NATIVE, REACH_NATIVE + 1.0)
    reach = np.linspace(0.0, 2.0 * REACH_NATIVE * star.native_px, 600)
    profile = radial_profile(reach, star.lambda_d_px, (star.native_px,))
    phases = _phases(PHASES, 2 + 2 * n_exposures)
    found = np.empty((PHASES, 2 + len(radii_px)))
    for place, phase in zip(found, phases, strict=True):
        rows, cols = pixels + phase[0], pixels + phase[1]
        total, weight = np.zeros((2, pixels.size, pixels.size))
        for dy, dx in phase[2:].reshape(-1, 2):
            y, x = (lag + dy) * star.native_px, (lag + dx) * star.native_px
            light = np.interp(np.hypot(y[:, None], x), reach, profile)
            down = _overlaps(rows, y, star.drop_px)
            across = _overlaps(cols, x, star.drop_px)
            total += down @ light @ across.T
            weight += np.outer(down.sum(axis=1), across.sum(axis=1))
        image = total / np.maximum(weight, 1e-9)
        place[:2] = _windowed_centre(image, rows, cols, sigma)
        place[2:] = _aperture_sums(image, half - phase[:2], radii_px)
    fluxes = found[:, 2:] / found[:, 2:].mean(axis=0)
    return np.array([found[:, :2].var(), *fluxes.var(axis=0)])


def _phases(count: int, dimensions: int) -> Values:
    """Return quasi-random points that fill the cube from -0.5 to 0.5 evenly."""
    roots = np.sqrt(_primes(dimensions))
    points = 0.5 + np.arange(1, count + 1)[:, None] * roots
    return np.asarray(points % 1.0 - 0.5)


def _primes(count: int) -> Values:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return np.array(found, np.float64)


def _overlaps(pixels: Values, drops: Values, width: float) -> Values:
    """Return the length of overlap of each pixel with each drop along one axis."""
    low = np.maximum(pixels[:, None] - 0.5, drops - width / 2)
    high = np.minimum(pixels[:, None] + 0.5, drops + width / 2)
    return np.asarray(np.maximum(high - low, 0.0))


def _windowed_centre(
    image: Values, rows: Values, cols: Values, sigma: float
) -> tuple[float, float]:
    """Return the row and column to which the windowed centroid converges."""
    row = col = 0.0
    for _ in range(6):
        down = np.exp(-0.5 * (rows - row) ** 2 / sigma**2)
        across = np.exp(-0.5 * (cols - col) ** 2 / sigma**2)
        lines, columns = image @ across, down @ image
        flux = float(down @ lines)
        row += 2.0 * float((down * (rows - row)) @ lines) / flux
        col += 2.0 * float(columns @ (across * (cols - col))) / flux
    return row, col


def _aperture_sums(image: Values, centre: Values, radii_px: Values) -> Values:
    sums, unused = np.empty((len(radii_px), 1)), np.empty((len(radii_px), 1))
    plane = image.astype(np.float32)
    sum_circles(plane, plane, centre[None, :], radii_px, (sums, unused))
    return np.asarray(sums[:, 0])
