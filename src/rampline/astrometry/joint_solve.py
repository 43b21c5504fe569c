"""One robust least-squares solution for the pointing of all images at once.

Every image moves by the sum of small terms: one of its visit (guide star), one of its
exposure (dither), one of its detector and filter (distortion and filter offset) and a last
one of its own, each with a prior that says how large it usually is. The position of each
star is eliminated. A reference catalogue is one more observer, which does not move.
Observations carry Cauchy's weights and priors a Huber loss, so that neither false matches
nor one bad header pull on the rest.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse
from scipy.sparse.linalg import splu

from ..params import Arcsec, Factor, Params, Unit
from .matching import CAUCHY

Points = NDArray[np.float64]
Indices = NDArray[np.intp]
CHI2_MEDIAN = 2.0 * np.log(2.0)
"""Median of chi-squared with two degrees of freedom."""
CATALOG = -1
"""Image number of the reference catalogue's observations."""
MAX_STEPS = 20
ENOUGH = 10
"""Observations from which their scatter is measured."""
KINDS = ("visit", "exposure", "detector", "image")
DETECTOR = 2
"""The detectors' terms shift along the telescope's axes and turn about the image."""
TERMS = 4
"""Unknowns of a term: two shifts (arcsec), a roll (rad) and a scale (minus 1)."""
IMAGE_SIGMAS = (5e-4, 5e-6)
"""What usually remains of a single image's position (arcsec) and roll (rad)."""
FIXED = 1e-9
"""Prior of the scales of all terms but the detectors'."""

Milliradian = Annotated[float, Field(gt=0), Unit("mrad")]


class PriorParams(Params):
    """How large the errors of pointing usually are; larger ones are found all the same."""

    visit_shift: Arcsec = 0.2
    """Error of a visit's pointing (guide-star position)."""
    visit_roll: Milliradian = 0.5
    """Error of a visit's roll."""
    exposure_shift: Arcsec = 0.01
    """Error of a dither within its visit."""
    exposure_roll: Milliradian = 0.02
    """Change of the roll between the dithers of a visit."""
    detector_shift: Arcsec = 0.005
    """Error of the place of a detector and filter in the focal plane."""
    detector_roll: Milliradian = 0.1
    """Error of the orientation of a detector and filter in the focal plane."""
    detector_scale: Factor = 2e-5
    """Relative error of the pixel scale of a detector and filter; 1e-9 holds it fixed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which terms move which image.

    Attributes
    ----------
    terms : (images, 4) int
        Numbers of the visit's, exposure's, detector's and image's own term.
    pivots : (terms, 2) float64, arcsec
        Centres about which the terms turn.
    centres : (images, 2) float64, arcsec
        Reference points of the images.
    axes : (images, 2, 2) float64
        Telescope axes of each image in the field plane: those of the detectors' shifts.
    sigmas : (terms, 4) float64
        Priors: shift in arcsec, twice, roll in rad, and scale.
    """

    terms: Indices
    pivots: Points
    centres: Points
    axes: NDArray[np.float64]
    sigmas: NDArray[np.float64]


class Observations(NamedTuple):
    """Positions of stars that belong together."""

    image: Indices
    """(n,) number of the image, CATALOG for the reference catalogue"""
    star: Indices
    """(n,) number of the star, from 0 without gaps"""
    position: Points
    """(n, 2) arcsec in the field plane, by the header"""
    error: NDArray[np.float64]
    """(n,) arcsec on either axis"""
    entry: Indices
    """(n,) where it stands in the list it came from"""


class ImageMotions(NamedTuple):
    """How the images move."""

    shift: Points
    """(images, 2) arcsec"""
    roll: NDArray[np.float64]
    """(images,) rad"""
    stretch: NDArray[np.float64]
    """(images,)"""


class JointSolution(NamedTuple):
    """The terms and what is left over."""

    values: NDArray[np.float64]
    """(terms, 4): shift in arcsec, roll in rad, scale"""
    residual: Points
    """(n, 2) arcsec: observation minus its star, widened for the star's leaning towards it"""
    pull: NDArray[np.float64]
    """(n,) length of the residual over its error, the star's own error allowed for"""
    weight: NDArray[np.float64]
    """(n,) 1/arcsec2"""


def make_layout(
    keys: list[tuple[str, str, str]], centres: Points, axes: Points, priors: PriorParams
) -> Layout:
    """Give the terms of all images their numbers.

    Parameters
    ----------
    keys : list of (visit, exposure, detector)
        Names of each image; images share the terms whose names they share.
    centres : (images, 2) float64, arcsec
    axes : (images, 2, 2) float64
    priors : PriorParams

    Returns
    -------
    Layout
    """
    numbers: dict[tuple[str, str], int] = {}
    terms = np.empty((len(keys), len(KINDS)), np.intp)
    for k, key in enumerate(keys):
        for j, name in enumerate((*key, str(k))):
            terms[k, j] = numbers.setdefault((KINDS[j], name), len(numbers))
    pivots = np.array(
        [centres[(terms == n).any(axis=1)].mean(axis=0) for n in range(len(numbers))]
    ).reshape(-1, 2)
    sigmas = np.empty((len(numbers), TERMS))
    sizes = _prior_sizes(priors)
    for (kind, _), n in numbers.items():
        sigmas[n] = sizes[kind]
    return Layout(terms=terms, pivots=pivots, centres=centres, axes=axes, sigmas=sigmas)


def _prior_sizes(priors: PriorParams) -> dict[str, tuple[float, float, float, float]]:
    """Return the usual shift, shift, roll and scale of each kind of term."""
    p = priors
    rolls = (p.visit_roll, p.exposure_roll, p.detector_roll)
    shifts = (p.visit_shift, p.exposure_shift, p.detector_shift)
    scales = (FIXED, FIXED, p.detector_scale)
    sizes = {
        kind: (shift, shift, roll * 1e-3, scale)
        for kind, shift, roll, scale in zip(
            KINDS[:3], shifts, rolls, scales, strict=True
        )
    }
    shift, roll = IMAGE_SIGMAS
    return sizes | {KINDS[3]: (shift, shift, roll, FIXED)}


def move_images(layout: Layout, values: NDArray[np.float64]) -> ImageMotions:
    """Return how each image moves: it is turned and stretched about its own centre."""
    shift = np.zeros_like(layout.centres)
    for j in range(layout.terms.shape[1]):
        term = layout.terms[:, j]
        if j == DETECTOR:
            shift += np.einsum("kab,kb->ka", layout.axes, values[term, :2])
            continue
        arm = layout.centres - layout.pivots[term]
        shift += values[term, :2] + _turn(arm, values[term, 2]) - arm
    return ImageMotions(
        shift=shift,
        roll=values[layout.terms, 2].sum(axis=1),
        stretch=1.0 + values[layout.terms[:, DETECTOR], 3],
    )


def move_observations(
    layout: Layout, values: NDArray[np.float64], image: Indices, position: Points
) -> Points:
    """Return positions after the images' motions, (n, 2), arcsec; the catalogue's stay."""
    motions = move_images(layout, values)
    moved = position.copy()
    ours = image != CATALOG
    k = image[ours]
    arm = _turn(position[ours] - layout.centres[k], motions.roll[k])
    arm *= motions.stretch[k, None]
    moved[ours] = arm + layout.centres[k] + motions.shift[k]
    return moved


def solve_jointly(
    layout: Layout,
    observations: Observations,
    start: NDArray[np.float64],
    floors: tuple[float, float],
) -> JointSolution:
    """Solve for all terms.

    Parameters
    ----------
    layout : Layout
    observations : Observations
    start : (terms, 4) float64
        Terms to begin with.
    floors : (float, float), arcsec
        Lowest scatter of the images' and of the catalogue's positions, to be added in
        quadrature; more is added where the residuals say so.

    Returns
    -------
    JointSolution

    Notes
    -----
    Iteratively reweighted Gauss-Newton. Star positions m are eliminated exactly: with
    rows B and weights W of the observations and the weights' sums D of the stars, the
    normal matrix is B'WB - (S'WB)' D^-1 (S'WB).
    """
    values, n_stars = start.copy(), int(observations.star.max(initial=-1)) + 1
    weight = 1.0 / (observations.error**2 + max(floors) ** 2)
    kind = observations.image.copy()
    kind[kind != CATALOG] = layout.terms[kind[kind != CATALOG], DETECTOR]
    pull = residual = np.empty(0)
    for _ in range(MAX_STEPS):
        moved = move_observations(
            layout, values, observations.image, observations.position
        )
        residual, share = _leave_stars(moved, observations.star, weight, n_stars)
        variance = _measured_variance(observations, kind, residual, share, floors)
        pull = np.hypot(*residual.T) / np.sqrt(variance * np.maximum(1 - share, 0.05))
        weight = 1.0 / variance / (1.0 + pull**2 / (2.0 * CAUCHY**2))
        # Residuals must balance under the very weights of the step, or it has a component
        # along the shift of all images together, which nothing but the priors resists.
        residual, _ = _leave_stars(moved, observations.star, weight, n_stars)
        step = _solve_step(layout, observations, values, residual, weight)
        values = values + step
        largest = np.abs(step).max(axis=0, initial=0.0)
        if largest[:2].max() < 1e-6 and largest[2:].max() < 1e-8:
            break
    # A star's mean leans towards each of its observations: undo that in the residuals.
    moved = move_observations(layout, values, observations.image, observations.position)
    residual, share = _leave_stars(moved, observations.star, weight, n_stars)
    residual = residual / np.sqrt(np.maximum(1.0 - share, 0.05))[:, None]
    return JointSolution(values, residual, pull, weight)


def _leave_stars(
    moved: Points, star: Indices, weight: NDArray[np.float64], n_stars: int
) -> tuple[Points, NDArray[np.float64]]:
    """Return residuals from the stars' mean positions and the shares of the weights."""
    total = np.bincount(star, weight, n_stars)
    mean = np.stack(
        [np.bincount(star, weight * moved[:, a], n_stars) / total for a in (0, 1)],
        axis=1,
    )
    return moved - mean[star], weight / total[star]


def _measured_variance(
    observations: Observations,
    kind: Indices,
    residual: Points,
    share: NDArray[np.float64],
    floors: tuple[float, float],
) -> NDArray[np.float64]:
    """Return variances (arcsec2) whose median pull is that of normal errors, or more.

    What must be added is found for each ``kind`` of observation by itself: each detector
    and filter, and the reference catalogue (CATALOG).
    """
    variance = observations.error**2
    square = (residual**2).sum(axis=1) / np.maximum(1.0 - share, 0.05)
    for one in np.unique(kind):
        mine = kind == one
        floor = floors[1] if one == CATALOG else floors[0]
        extra = 0.0
        if mine.sum() >= ENOUGH:
            extra = _extra_variance(square[mine], variance[mine])
        variance[mine] += max(extra, floor**2)
    return variance


def _extra_variance(
    square: NDArray[np.float64], variance: NDArray[np.float64]
) -> float:
    """Return what must be added to variances to explain squared residuals, by bisection."""
    low, high = 0.0, float(np.median(square)) / CHI2_MEDIAN
    for _ in range(30):
        middle = (low + high) / 2.0
        too_small = np.median(square / (variance + middle)) > CHI2_MEDIAN
        low, high = (middle, high) if too_small else (low, middle)
    return low


def _solve_step(
    layout: Layout,
    observations: Observations,
    values: NDArray[np.float64],
    residual: Points,
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the change of the terms that removes the residuals, (terms, 4).

    Normal equations are made for the motions of the images, of which each observation sees
    one only, and then carried over to the terms.
    """
    ours = observations.image != CATALOG
    rows = _image_design(
        layout, values, observations.image[ours], observations.position[ours]
    )
    w = np.repeat(weight[ours], 2)
    total = np.bincount(observations.star, weight)
    star = 2 * np.repeat(observations.star[ours], 2) + np.tile([0, 1], ours.sum())
    n = len(star)
    sums = sparse.csr_array((w, (star, np.arange(n))), (2 * len(total), n)) @ rows
    weighted = rows.T.multiply(w).tocsr()
    scaled = sums.multiply(np.repeat(total**-0.5, 2)[:, None]).tocsr()
    terms = _term_design(layout, values)
    normal = terms.T @ (weighted @ rows - scaled.T @ scaled) @ terms
    right = -(terms.T @ (weighted @ residual[ours].ravel()))
    prior = _prior_weights(layout, values).ravel()
    normal = (normal + sparse.diags_array(prior)).tocsc()
    return np.asarray(splu(normal).solve(right - prior * values.ravel())).reshape(
        values.shape
    )


def _image_design(
    layout: Layout, values: NDArray[np.float64], image: Indices, position: Points
) -> sparse.csr_array:
    """Return the derivatives of moved positions with the images' motions.

    (2 n, 4 images): two shifts, a roll about the image's centre and a stretch.
    """
    motions = move_images(layout, values)
    arm = _turn(position - layout.centres[image], motions.roll[image])
    x, y = (arm * motions.stretch[image, None]).T
    ones = np.ones(len(image))
    entries = np.stack([ones, -y, arm[:, 0], ones, x, arm[:, 1]], axis=1).ravel()
    columns = (TERMS * image[:, None] + np.array([0, 2, 3, 1, 2, 3])).ravel()
    starts = np.arange(0, len(entries) + 1, 3)
    shape = (2 * len(image), TERMS * len(layout.centres))
    return sparse.csr_array((entries, columns, starts), shape=shape)


def _term_design(layout: Layout, values: NDArray[np.float64]) -> sparse.csr_array:
    """Return the derivatives of the images' motions with the terms, (4 images, 4 terms).

    They must be exact: stars fix the images to each other a thousand times better than a
    catalogue fixes them to the sky, and a small inconsistency between the turns of two
    images would outweigh the catalogue.
    """
    n, kinds = layout.terms.shape
    block = np.zeros((n, TERMS, kinds, TERMS))
    for j in range(kinds):
        term = layout.terms[:, j]
        block[:, 2, j, 2] = 1.0
        if j == DETECTOR:
            block[:, :2, j, :2] = layout.axes
            block[:, 3, j, 3] = 1.0
        else:
            arm = _turn(layout.centres - layout.pivots[term], values[term, 2])
            block[:, :2, j, :2] = np.eye(2)
            block[:, 0, j, 2], block[:, 1, j, 2] = -arm[:, 1], arm[:, 0]
    columns = layout.terms[:, None, :, None] * TERMS + np.arange(TERMS)
    columns = np.broadcast_to(columns, block.shape).reshape(-1)
    starts = np.arange(0, block.size + 1, kinds * TERMS)
    shape = (TERMS * n, TERMS * len(layout.pivots))
    return sparse.csr_array((block.reshape(-1), columns, starts), shape=shape)


def _turn(arms: Points, rolls: NDArray[np.float64]) -> Points:
    """Return (n, 2) arms turned by (n,) angles, rad."""
    c, s = np.cos(rolls), np.sin(rolls)
    x, y = arms.T
    return np.stack([c * x - s * y, s * x + c * y], axis=1)


def _prior_weights(layout: Layout, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of the priors, (terms, 4).

    Large terms cost in proportion to their size, not its square (a smooth Huber loss), so
    that a bad header is free to move; being convex, this cannot set terms of opposite sign
    running away from each other as Cauchy's loss would.
    """
    pull = values / layout.sigmas
    shift = (pull[:, 0] ** 2 + pull[:, 1] ** 2)[:, None]
    square = np.concatenate([shift, shift, pull[:, 2:] ** 2], axis=1)
    return np.asarray(1.0 / layout.sigmas**2 / np.sqrt(1.0 + square))
