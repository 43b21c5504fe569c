"""Updates of the reference distortions from the stars of a field, where these support them.

The joint solution estimates, for each detector and filter, Legendre products of second and
third degree over the detector: what its reference distortion has wrong beyond shift, roll,
scale, aspect and skew. They are added to V2 and V3 only where the data prefer a distortion
with them to one without: the Bayes factor of the two models, which is the ratio of the
prior's to the posterior's density at zero (Dickey 1971, Ann. Math. Stat. 42, 204), weighs
the fall of chi-squared against the freedom of 14 more unknowns.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.polynomial.legendre import leg2poly
from numpy.polynomial.polynomial import polyval2d, polyvander2d
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.geometry import Geometry
from ..params import Count, StepParams, Unit
from .bending import DEGREES, SHAPES, evaluate_shapes
from .geometry import pixel_to_v2v3

Points = NDArray[np.float64]
CURVED = 2 * SHAPES
"""Unknowns of the shapes: along V2, then along V3."""
REACH = 1.1
"""Range over which the inverse is fitted, from the middle, in halves of a detector."""
BACK_DEGREE = 5
"""A cubic's inverse is one of fifth degree to second order in its size."""


class DistortionUpdateParams(StepParams):
    """Which reference distortions are updated from the stars."""

    min_evidence: Annotated[float, Field(), Unit("1")] = 5.0
    """Lowest logarithm of the Bayes factor in favour; 5 is very strong evidence (Kass &
    Raftery 1995, J. Am. Stat. Assoc. 90, 773)."""
    min_stars: Count = 50
    """Fewest observations of stars in the OK images of a detector and filter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistortionUpdate:
    """The correction of the distortion of one detector and filter, with its evidence.

    Attributes
    ----------
    shapes : (2, SHAPES) float64, arcsec
        To be added to V2 and to V3, each times its Legendre product (`bending.DEGREES`) in
        V2 and V3 from the middle of the image, -1 to 1 over it.
    error : (2, SHAPES) float64, arcsec
        Standard deviations, all other unknowns being free.
    evidence : float
        Logarithm of the Bayes factor in favour of the update.
    n_stars : int
        Observations of stars in the OK images.
    is_applied : bool
    """

    shapes: Points
    error: Points
    evidence: float
    n_stars: int
    is_applied: bool


class DetectorFrame(NamedTuple):
    """Where an image lies in V2 and V3."""

    middle: Points
    """(2,) arcsec"""
    half: float
    """Half of its side, arcsec."""


def weigh_updates(
    bends: Points,
    covariance: NDArray[np.float64],
    prior: Points,
    n_stars: NDArray[np.intp],
    params: DistortionUpdateParams,
) -> tuple[DistortionUpdate, ...]:
    """Decide for each detector and filter whether its distortion is updated.

    Parameters
    ----------
    bends : (detectors, CURVED or more) float64, arcsec
        Most probable values, the prior included.
    covariance : (detectors, CURVED, CURVED) float64, arcsec2
        Of the posterior.
    prior : (detectors, CURVED or more) float64, arcsec
        Standard deviations.
    n_stars : (detectors,) int
    params : DistortionUpdateParams
    """
    updates = []
    for value, known, sigma, n in zip(
        bends[:, :CURVED], covariance, prior[:, :CURVED], n_stars, strict=True
    ):
        evidence = log_bayes_factor(value, known, sigma)
        enough = evidence >= params.min_evidence and n >= params.min_stars
        updates.append(
            DistortionUpdate(
                shapes=value.reshape(2, SHAPES).copy(),
                error=np.sqrt(np.diag(known)).reshape(2, SHAPES),
                evidence=evidence,
                n_stars=int(n),
                is_applied=bool(params.enabled and enough),
            )
        )
    return tuple(updates)


def log_bayes_factor(
    value: NDArray[np.float64],
    covariance: NDArray[np.float64],
    sigma: NDArray[np.float64],
) -> float:
    """Return ln of prior over posterior density at zero, both normal."""
    chi2 = value @ np.linalg.solve(covariance, value)
    scaled = covariance / np.outer(sigma, sigma)
    return float((chi2 + np.linalg.slogdet(scaled)[1]) / 2.0)


def update_geometry(
    geometry: Geometry, update: DistortionUpdate
) -> NDArray[np.float64]:
    """Return V2 and V3 at the nodes of a geometry, its distortion updated, arcsec."""
    frame = detector_frame(geometry)
    u, v = np.moveaxis((geometry.v2v3_arcsec - frame.middle) / frame.half, -1, 0)
    added = np.einsum("as,s...->...a", update.shapes, evaluate_shapes(u, v))
    return np.asarray(geometry.v2v3_arcsec + added)


def largest_change(update: DistortionUpdate) -> float:
    """Return how far an update moves a corner or another pixel at most, arcsec."""
    axis = np.linspace(-1.0, 1.0, 17)
    shapes = evaluate_shapes(*np.meshgrid(axis, axis))
    return float(np.hypot(*np.tensordot(update.shapes, shapes, 1)).max())


def detector_frame(geometry: Geometry) -> DetectorFrame:
    """Return where an image lies in V2 and V3, from its four corners."""
    n_rows, n_cols = geometry.shape
    rows, cols = np.array([0, 0, n_rows, n_rows]), np.array([0, n_cols, n_cols, 0])
    corners = pixel_to_v2v3(geometry, rows - 0.5, cols - 0.5)
    middle = corners.mean(axis=0)
    arms = np.hypot(*(corners - middle).T)
    return DetectorFrame(middle, float(arms.mean() / np.sqrt(2.0)))


def update_polynomials(
    update: DistortionUpdate, half: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return an update as power series in the image's own coordinates, and the way back.

    Parameters
    ----------
    update : DistortionUpdate
    half : float, arcsec
        Of the `DetectorFrame`.

    Returns
    -------
    forward : (2, 4, 4) float64
        Coefficients of u**i v**j that give the updated u and v.
    backward : (2, 6, 6) float64
        The inverse, fitted over the image and a little beyond.
    """
    forward = np.zeros((2, 4, 4))
    one = np.eye(4)
    for shape, (i, j) in zip(update.shapes.T, DEGREES, strict=True):
        powers = np.outer(_pad(leg2poly(one[i])), _pad(leg2poly(one[j])))
        forward += shape[:, None, None] / half * powers
    forward[0, 1, 0] += 1.0
    forward[1, 0, 1] += 1.0
    axis = REACH * np.cos(np.pi * np.arange(17) / 16)
    u, v = (grid.ravel() for grid in np.meshgrid(axis, axis))
    moved = [polyval2d(u, v, series) for series in forward]
    n = BACK_DEGREE + 1
    degree = np.add.outer(np.arange(n), np.arange(n)).ravel()
    kept = degree <= BACK_DEGREE
    degrees = [BACK_DEGREE, BACK_DEGREE]
    design = polyvander2d(moved[0], moved[1], degrees)[:, kept]
    backward = np.zeros((2, n * n))
    backward[:, kept] = np.linalg.lstsq(design, np.stack([u, v], axis=1), rcond=None)[
        0
    ].T
    return forward, backward.reshape(2, n, n)


def _pad(series: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.pad(series, (0, 4 - len(series)))
