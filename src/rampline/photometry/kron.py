"""Kron fluxes: most of a source's light, whatever its profile.

Kron (1980, ApJS 43, 305): the light-weighted mean radius sets the size of an ellipse that
contains some 90 to 95 % of the light. The shape of the ellipse follows from the second
moments of the source. Pixels of other sources are replaced by those on the opposite side.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Labels, Plane
from ..numerics.jit import kernel
from .labelled_image import LabelledImage

Values = NDArray[np.float64]

REACH: Final = 6.0
"""Ellipse within which the mean radius is measured, in standard deviations."""
SCALE: Final = 2.5
"""Kron ellipse in units of the mean radius."""
LEAST_RADIUS: Final = 1.4
"""Minimum mean radius, in standard deviations (1.25 for a Gaussian)."""
FINE: Final = 5
"""Number of rows and columns into which pixels on the ellipse's border are divided."""


class KronFluxes(NamedTuple):
    """Kron photometry, one value per source.

    Attributes
    ----------
    flux : (sources,) float64, MJy/sr pixel
    variance : (sources,) float64, (MJy/sr pixel)**2
        For independent pixels.
    radius : (sources,) float64
        Mean radius in standard deviations; NaN where it exceeds the 6 within which it is
        measured, which happens if the total light is consistent with zero.
    area : (sources,) float64, pixels
        Area of the ellipse.
    """

    flux: Values
    variance: Values
    radius: Values
    area: Values


def measure_kron(image: LabelledImage, centres: Values, axes: Values) -> KronFluxes:
    """Measure Kron fluxes.

    Parameters
    ----------
    image : LabelledImage
        Background-subtracted.
    centres : (sources, 2) float64, pixels
        Row and column, in the order of the labels 1, 2, ...
    axes : (sources, 3) float64
        Standard deviations along the major and the minor axis (pixels), and the angle from
        the x axis to the major axis (radians).

    Notes
    -----
    As `photutils.segmentation.SourceCatalog` with the parameters of `jwst` (2.5, 1.4, 0)
    and neighbours replaced by mirrored pixels; border pixels are divided into 5 x 5 parts.
    """
    found = np.empty((4, len(centres)))
    _measure_ellipses(*image, centres, axes, found)
    return KronFluxes(*found)


@kernel
def _measure_ellipses(
    signal: Plane,
    err: Plane,
    labels: Labels,
    centres: Values,
    axes: Values,
    out: Values,
) -> None:
    """Fill flux, variance, mean radius and area of each source, (4, sources)."""
    sums = np.empty(3)
    for k in range(centres.shape[0]):
        major, minor, angle = axes[k]
        source = (centres[k, 0], centres[k, 1], k + 1)
        out[:, k] = math.nan
        if not (math.isfinite(major + minor + source[0] + source[1]) and minor > 0.0):
            continue
        shape = (major, minor, math.cos(angle), math.sin(angle))
        _sum_ellipse(signal, err, labels, source, (*shape, REACH, 1), sums)
        radius = LEAST_RADIUS
        if sums[0] > 0.0 and sums[2] > 0.0:
            radius = max(sums[2] / sums[0], LEAST_RADIUS)
        if radius > REACH:
            continue
        _sum_ellipse(signal, err, labels, source, (*shape, SCALE * radius, FINE), sums)
        out[0, k], out[1, k], out[2, k] = sums[0], sums[1], radius
        out[3, k] = math.pi * major * minor * (SCALE * radius) ** 2


@kernel
def _sum_ellipse(
    signal: Plane,
    err: Plane,
    labels: Labels,
    source: tuple[float, float, int],
    ellipse: tuple[float, float, float, float, float, int],
    sums: Values,
) -> None:
    """Fill the sums of signal, of squared error, and of signal times radius.

    ``ellipse`` is major and minor axis, cosine and sine of the angle, the radius in units
    of the axes, and the number of parts of a pixel along each axis.
    """
    row, col, label = source
    major, minor, cosine, sine, scale, fine = ellipse
    n_rows, n_cols = signal.shape
    high = scale * math.hypot(major * sine, minor * cosine) + 0.5
    wide = scale * math.hypot(major * cosine, minor * sine) + 0.5
    sums[:] = 0.0
    for i in range(
        max(math.ceil(row - high), 0), min(math.floor(row + high), n_rows - 1) + 1
    ):
        for j in range(
            max(math.ceil(col - wide), 0), min(math.floor(col + wide), n_cols - 1) + 1
        ):
            dy, dx = i - row, j - col
            radius = math.hypot(
                (dx * cosine + dy * sine) / major, (dy * cosine - dx * sine) / minor
            )
            # no part of a pixel is farther than 0.71 from its centre
            near = 0.7072 / minor
            if radius > scale + near:
                continue
            share = 1.0 if radius <= scale else 0.0
            if fine > 1 and abs(radius - scale) < near:
                share = _share(dy, dx, ellipse)
            if share == 0.0 or not math.isfinite(signal[i, j]):
                continue
            value, noise = float(signal[i, j]), float(err[i, j])
            if labels[i, j] > 0 and labels[i, j] != label:
                value, noise = _mirrored(signal, err, labels, source, (i, j))
            sums[0] += share * value
            sums[1] += share * noise * noise
            sums[2] += share * value * radius


@kernel
def _share(
    dy: float, dx: float, ellipse: tuple[float, float, float, float, float, int]
) -> float:
    """Return the fraction of a pixel inside an ellipse, by counting its parts."""
    major, minor, cosine, sine, scale, fine = ellipse
    inside = 0
    for a in range(fine):
        y = dy + (a + 0.5) / fine - 0.5
        for b in range(fine):
            x = dx + (b + 0.5) / fine - 0.5
            along = (x * cosine + y * sine) / major
            across = (y * cosine - x * sine) / minor
            if along * along + across * across <= scale * scale:
                inside += 1
    return inside / (fine * fine)


@kernel
def _mirrored(
    signal: Plane,
    err: Plane,
    labels: Labels,
    source: tuple[float, float, int],
    pixel: tuple[int, int],
) -> tuple[float, float]:
    """Return signal and error opposite a pixel; 0 if another source is there too."""
    row, col, label = source
    i = math.floor(2.0 * row - pixel[0] + 0.5)
    j = math.floor(2.0 * col - pixel[1] + 0.5)
    if i < 0 or j < 0 or i >= signal.shape[0] or j >= signal.shape[1]:
        return 0.0, 0.0
    if labels[i, j] > 0 and labels[i, j] != label:
        return 0.0, 0.0
    if not math.isfinite(signal[i, j]):
        return 0.0, 0.0
    return float(signal[i, j]), float(err[i, j])
