"""Detections that are features of a brighter star's diffraction image.

The image of a star has spikes, rings and speckles. The image of a real-valued aperture is
symmetric about its centre, and the hexagons of JWST's mirror repeat it every 60 degrees;
only aberrations break this symmetry, by less than a factor of two. Nor can a feature be
brighter than the light that the edges of mirror and struts diffract to its distance. A
detection is therefore a feature if it is faint enough for its distance from a star, and at
most twice as bright as the image at the positions rotated around the star.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.jit import kernel
from ..params import Factor, StepParams

Values = NDArray[np.float64]
Indices = NDArray[np.int64]

EDGE = 0.31
"""Length of the mirror's edge on one side (3.8 m) times its diameter (6.5 m) over pi
times its area (25.4 m2): amplitude diffracted to one lambda / D, relative to the core."""
STRUT = 0.0106
"""Area of one strut (0.1 m by 2.7 m) over that of the mirror: its relative amplitude."""
STRUT_REACH = 65.0
"""Diameter of the mirror over the width of a strut: extent of the strut's spike, in
lambda / D."""
MARGIN = 3.0
"""Factor on the brightness for aberrations and for the sum of several edges."""
TURN_ERROR = 0.05
"""Half-width of the search box at a rotated position, as a fraction of the radius: the
bandwidth of a filter spreads a speckle along the radius by as much."""


class Cores(NamedTuple):
    """Centre of each detection.

    Attributes
    ----------
    row, col : (n,) float64, pixels
        The peak, or the middle of a saturated core.
    radius : (n,) float64, pixels
        Radius of the hole left by a saturated core; 0 if there is none.
    """

    row: Values
    col: Values
    radius: Values


class DiffractionParams(StepParams):
    """How features of bright stars are distinguished from sources."""

    asymmetry: Factor = 2.0
    """Factor by which a source exceeds the image opposite it and at multiples of 60
    degrees around the star."""


class Stars(NamedTuple):
    """Each detection as a star with features around it, (n,) each."""

    row: Values
    """Centre of the features, pixels."""
    col: Values
    reach: Values
    """How far they may be seen, pixels."""
    core: Values
    """Height of the star, a missing core made up for."""
    height: Values
    """Height of the detection."""


def find_features(
    detail: Plane,
    peaks: tuple[Indices, Indices],
    cores: Cores,
    lambda_d_px: float,
    params: DiffractionParams,
) -> Indices:
    """Find the detections that are features of a brighter one.

    Parameters
    ----------
    detail : (rows, cols) float32, MJy/sr
        Image smoothed to the width of the PSF, minus its local mean; see `show_detail`.
    peaks : ((n,) int64, (n,) int64), pixels
        Row and column of each detection, the rows in ascending order.
    cores : Cores
        Centres around which the features of each detection would lie.
    lambda_d_px : float, pixels
        Wavelength over the telescope's diameter.
    params : DiffractionParams

    Returns
    -------
    (n,) int64
        Index of the star that a detection is a feature of; -1 for a source.
    """
    count = len(peaks[0])
    belongs = np.full(count, -1, np.int64)
    if not params.enabled or count < 2:
        return belongs
    height = np.asarray(detail[peaks], np.float64)
    core = _core_heights(height, cores.radius / lambda_d_px)
    faintest = max(float(height.min()), 1e-6 * float(core.max()))
    reach = _reaches(np.maximum(core / faintest, 1e-9)) * lambda_d_px
    order = np.argsort(-core, kind="stable")
    stars = Stars(cores.row, cores.col, reach, core, height)
    limits = (lambda_d_px, params.asymmetry)
    _mark_features(detail, peaks, stars, order, limits, belongs)
    return belongs


def show_detail(smooth: Plane, lambda_d_px: float, out: Plane) -> Plane:
    """Subtract from each pixel the mean over the square around it, 6 lambda / D wide.

    Parameters
    ----------
    smooth : (rows, cols) float32
    lambda_d_px : float, pixels
    out : (rows, cols) float32
        Filled and returned.
    """
    _subtract_means(smooth, round(3 * lambda_d_px), out)
    return out


@kernel
def _subtract_means(image: Plane, half: int, out: Plane) -> None:
    """Subtract the mean over a square of side ``2 * half + 1``, truncated at the edges."""
    n_rows, n_cols = image.shape
    column = np.zeros(n_cols)
    for i in range(min(half, n_rows)):
        column += image[i]
    for i in range(n_rows):
        if i + half < n_rows:
            column += image[i + half]
        if i - half > 0:
            column -= image[i - half - 1]
        high = min(i + half, n_rows - 1) - max(i - half, 0) + 1
        total, wide = 0.0, 0
        for j in range(min(half, n_cols)):
            total += column[j]
            wide += 1
        for j in range(n_cols):
            if j + half < n_cols:
                total += column[j + half]
                wide += 1
            if j - half > 0:
                total -= column[j - half - 1]
                wide -= 1
            out[i, j] = image[i, j] - total / (high * wide)


@kernel
def _mark_features(
    detail: Plane,
    peaks: tuple[Indices, Indices],
    stars: Stars,
    order: Indices,
    limits: tuple[float, float],
    belongs: Indices,
) -> None:
    """Classify detections from the brightest core down, and mark the features of each.

    ``limits`` are lambda / D and the asymmetry.
    """
    rows, cols = peaks
    core_row, core_col, reach, core, height = stars
    lambda_d_px, asymmetry = limits
    is_settled = np.zeros(rows.size, np.bool_)
    for k in order:
        if belongs[k] >= 0:
            continue
        is_settled[k] = True
        first = np.searchsorted(rows, core_row[k] - reach[k])
        last = np.searchsorted(rows, core_row[k] + reach[k], side="right")
        for one in range(first, last):
            if is_settled[one] or belongs[one] >= 0:
                continue
            down, across = rows[one] - core_row[k], cols[one] - core_col[k]
            radius = np.hypot(down, across)
            if radius > reach[k]:
                continue
            if height[one] >= core[k] * envelope(radius / lambda_d_px):
                continue
            echo = _echo(detail, (core_row[k], core_col[k]), (down, across))
            if height[one] < asymmetry * echo:
                belongs[one] = k


@kernel
def envelope(distance: Values) -> Values:
    """Return the maximum brightness of a feature relative to that of the core.

    Parameters
    ----------
    distance : (...) float64, lambda / D

    Notes
    -----
    Fraunhofer diffraction at straight edges: the amplitude of an edge falls as the inverse
    of the distance, that of a strut is constant out to `STRUT_REACH`.
    """
    n = np.maximum(distance, 1e-3)
    strut = STRUT**2 / (1.0 + (n / STRUT_REACH) ** 2)
    return np.minimum(MARGIN * ((EDGE / n) ** 2 + strut), 1.0)


def _reaches(ratio: Values) -> Values:
    """Return the distances (lambda / D) beyond which features are fainter than 1 / ratio."""
    n = np.geomspace(0.5, 1e3, 400)
    brightest = envelope(n)
    beyond = np.searchsorted(-brightest, -1.0 / ratio)
    return np.asarray(np.where(beyond > 0, n[np.minimum(beyond, n.size - 1)], 0.0))


def _core_heights(height: Values, hole: Values) -> Values:
    """Estimate the peak of a star with a missing core from its height at the hole's edge.

    At n lambda / D the mean brightness of an Airy image is 8 / (pi**4 n**3) of its peak.
    """
    share = 8.0 / (np.pi**4 * np.maximum(hole, 1e-3) ** 3)
    return np.asarray(height / np.where(hole > 0, np.minimum(share, 1.0), 1.0))


@kernel
def _echo(
    detail: Plane, centre: tuple[float, float], step: tuple[float, float]
) -> float:
    """Return the brightness of a star's image at the positions rotated around its centre.

    The larger of the value opposite and the median over the five multiples of 60 degrees;
    each value is the maximum over a few pixels.
    """
    radius = np.hypot(step[0], step[1])
    reach = max(1, int(np.rint(TURN_ERROR * radius)))
    angle = np.arctan2(step[0], step[1])
    values = np.empty(5)
    for k in range(5):
        turned = angle + (k + 1) * np.pi / 3
        row = int(np.rint(centre[0] + radius * np.sin(turned)))
        col = int(np.rint(centre[1] + radius * np.cos(turned)))
        values[k] = _local_maximum(detail, row, col, reach)
    return float(max(values[2], np.sort(values)[2]))


@kernel
def _local_maximum(image: Plane, row: int, col: int, reach: int) -> float:
    """Return the maximum over a square of pixels; 0 outside the image."""
    n_rows, n_cols = image.shape
    top, bottom = max(row - reach, 0), min(row + reach + 1, n_rows)
    left, right = max(col - reach, 0), min(col + reach + 1, n_cols)
    if top >= bottom or left >= right:
        return 0.0
    highest = image[top, left]
    for i in range(top, bottom):
        for j in range(left, right):
            highest = max(highest, image[i, j])
    return float(highest)
