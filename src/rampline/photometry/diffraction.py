"""Which detections are features of a brighter star's diffraction image.

The image of a star has spikes, rings and specks. A real aperture gives an image that is
the same on opposite sides, and the hexagons of JWST's mirror repeat it every 60 degrees;
only aberrations break this, by less than a factor of two. And a feature cannot be brighter
than what the edges of mirror and struts diffract to its distance. So a detection is a
feature if it is faint enough for its distance from a star, and no more than twice as bright
as the same place turned around the star.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from ..exposure.records import Plane
from ..params import Factor, StepParams

Values = NDArray[np.float64]

EDGE = 0.31
"""Length of the mirror's edge on one side (3.8 m) times its diameter (6.5 m) over pi
times its area (25.4 m2): amplitude diffracted to one lambda / D, over that of the core."""
STRUT = 0.0106
"""Area of one strut (0.1 m by 2.7 m) over that of the mirror: its amplitude."""
STRUT_REACH = 65.0
"""Diameter of the mirror over the width of a strut: the strut's spike ends there, in
lambda / D."""
MARGIN = 3.0
"""What aberrations and the sum of several edges may add to the brightness."""
TURN_ERROR = 0.05
"""Share of the radius within which a turned feature is looked for: the wavelengths of a
filter spread a speck along the radius by as much."""


class Cores(NamedTuple):
    """Where the light of each detection comes from.

    Attributes
    ----------
    row, col : (n,) float64, pixels
        The peak, or the middle of a saturated core.
    radius : (n,) float64, pixels
        Of the hole that a saturated core left; 0 without.
    """

    row: Values
    col: Values
    radius: Values


class DiffractionParams(StepParams):
    """How features of bright stars are told from sources."""

    asymmetry: Factor = 2.0
    """A source exceeds what lies opposite and every 60 degrees around the star by this."""


def find_features(
    smooth: Plane,
    peaks: tuple[NDArray[np.int64], NDArray[np.int64]],
    cores: Cores,
    lambda_d_px: float,
    params: DiffractionParams,
) -> NDArray[np.int64]:
    """Find the detections that are features of a brighter one.

    Parameters
    ----------
    smooth : (rows, cols) float32, MJy/sr
        Image smoothed to the width of the PSF.
    peaks : ((n,) int64, (n,) int64), pixels
        Row and column of each detection.
    cores : Cores
        Around which the features of each would lie.
    lambda_d_px : float, pixels
        Wavelength over the telescope's diameter.
    params : DiffractionParams

    Returns
    -------
    (n,) int64
        The star that a detection belongs to; -1 for a source of its own.
    """
    count = len(peaks[0])
    star = np.full(count, -1, np.int64)
    settled = np.zeros(count, bool)
    if not params.enabled or count < 2:
        return star
    detail = smooth - ndimage.uniform_filter(smooth, 2 * round(3 * lambda_d_px) + 1)
    height = np.asarray(detail[peaks], np.float64)
    core = _core_heights(height, cores.radius / lambda_d_px)
    faintest = max(float(height.min()), 1e-6 * float(core.max()))
    reach = _reaches(np.maximum(core / faintest, 1e-9)) * lambda_d_px
    places = np.stack(peaks, axis=1).astype(np.float64)
    tree = KDTree(places)
    for k in np.argsort(-core, kind="stable"):
        if star[k] >= 0:
            continue
        settled[k] = True
        centre = np.array([cores.row[k], cores.col[k]])
        near = np.array(sorted(tree.query_ball_point(centre, reach[k])), np.int64)
        near = near[~settled[near] & (star[near] < 0)]
        offset = places[near] - centre
        distance = np.hypot(*offset.T) / lambda_d_px
        faint = height[near] < core[k] * envelope(distance)
        for one, step in zip(near[faint], offset[faint], strict=True):
            if height[one] < params.asymmetry * _echo(detail, centre, step):
                star[one] = k
    return star


def envelope(distance: Values) -> Values:
    """Return the brightest that a feature can be, over the brightness of the core.

    Parameters
    ----------
    distance : (...) float64, lambda / D

    Notes
    -----
    Fraunhofer diffraction at straight edges: the amplitude of an edge falls with the
    distance, that of a strut is constant up to the inverse of its width.
    """
    n = np.maximum(distance, 1e-3)
    strut = STRUT**2 / (1.0 + (n / STRUT_REACH) ** 2)
    return np.asarray(np.minimum(MARGIN * ((EDGE / n) ** 2 + strut), 1.0))


def _reaches(ratio: Values) -> Values:
    """Return the distances, in lambda / D, at which features are fainter than 1 / ratio."""
    n = np.geomspace(0.5, 1e3, 400)
    brightest = envelope(n)
    beyond = np.searchsorted(-brightest, -1.0 / ratio)
    return np.asarray(np.where(beyond > 0, n[np.minimum(beyond, n.size - 1)], 0.0))


def _core_heights(height: Values, hole: Values) -> Values:
    """Estimate the peak of a star whose core is missing from the edge of the hole.

    At n lambda / D an Airy image has, on the average, 8 / (pi**4 n**3) of its peak.
    """
    share = 8.0 / (np.pi**4 * np.maximum(hole, 1e-3) ** 3)
    return np.asarray(height / np.where(hole > 0, np.minimum(share, 1.0), 1.0))


def _echo(detail: Plane, centre: Values, step: Values) -> float:
    """Return what a star shows at the same distance: opposite, or typically around.

    The larger of the value opposite and the median at the other multiples of 60 degrees;
    each is the maximum over a few pixels.
    """
    radius = float(np.hypot(*step))
    reach = max(1, round(TURN_ERROR * radius))
    angle = np.arctan2(step[0], step[1]) + np.arange(1, 6) * np.pi / 3
    rows = np.rint(centre[0] + radius * np.sin(angle)).astype(int)
    cols = np.rint(centre[1] + radius * np.cos(angle)).astype(int)
    values = [
        _local_maximum(detail, row, col, reach)
        for row, col in zip(rows, cols, strict=True)
    ]
    return max(values[2], float(np.median(values)))


def _local_maximum(image: Plane, row: int, col: int, reach: int) -> float:
    rows = slice(max(row - reach, 0), max(row + reach + 1, 0))
    cols = slice(max(col - reach, 0), max(col + reach + 1, 0))
    patch = image[rows, cols]
    return float(patch.max()) if patch.size else 0.0
