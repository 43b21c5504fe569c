"""One robust least-squares solution for the pointing of all images at once.

Every image moves by the sum of small terms: one of its visit (guide star), one of its
exposure (dither), one of its detector and filter (distortion and filter offset) and a last
one of its own, each with a prior that says how large it usually is. The position of each
star is eliminated. A reference catalogue is one more observer, which does not move.
Observations carry Cauchy's weights and priors a Huber loss, so that neither false matches
nor one bad header pull on the rest.
"""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from .bending import LINEAR, UNKNOWNS, design_bends
from .layout import (
    CATALOG,
    DETECTOR,
    TERMS,
    Layout,
    move_images,
    move_observations,
    turn,
)
from .matching import CAUCHY

Points = NDArray[np.float64]
Indices = NDArray[np.intp]
CHI2_MEDIAN = 2.0 * np.log(2.0)
"""Median of chi-squared with two degrees of freedom."""
MAX_STEPS = 20
ENOUGH = 10
"""Fewest observations of which the scatter is measured."""


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


class Rigour(NamedTuple):
    """The accuracy and the unknowns of a solution."""

    floors: tuple[float, float]
    """arcsec; lowest scatter of the images' and of the catalogue's positions, to be added
    in quadrature; more is added where the residuals say so"""
    tolerance: float
    """arcsec; steps below that are the last"""
    with_bends: bool
    """Whether the bends of the detectors are solved for."""


class JointSolution(NamedTuple):
    """The terms and the residuals."""

    values: NDArray[np.float64]
    """(terms, 4): shift in arcsec, roll in rad, scale"""
    residual: Points
    """(n, 2) arcsec: observation minus its star, widened for the star's leaning towards it"""
    pull: NDArray[np.float64]
    """(n,) length of the residual over its error, the star's own error allowed for"""
    weight: NDArray[np.float64]
    """(n,) 1/arcsec2"""
    bends: NDArray[np.float64]
    """(detectors, UNKNOWNS) arcsec: see `bending.design_bends`"""
    bend_covariance: NDArray[np.float64]
    """(detectors, 2 SHAPES, 2 SHAPES) arcsec2, of the shapes, all other unknowns being
    free; that of the priors where bends were not solved for"""


class _Bending(NamedTuple):
    """The bends as unknowns beside the terms."""

    design: "scipy.sparse.csr_array"
    """(2 n, bends) derivatives of the images' positions"""
    values: NDArray[np.float64]
    """(bends,) arcsec"""
    sigma: NDArray[np.float64]
    """(bends,) arcsec"""


def solve_jointly(
    layout: Layout,
    observations: Observations,
    start: NDArray[np.float64],
    rigour: Rigour,
) -> JointSolution:
    """Solve for all terms.

    Parameters
    ----------
    layout : Layout
    observations : Observations
    start : (terms, 4) float64
        Terms to begin with.
    rigour : Rigour

    Notes
    -----
    Iteratively reweighted Gauss-Newton. Star positions m are eliminated exactly: with
    rows B and weights W of the observations and the weights' sums D of the stars, the
    normal matrix is B'WB - (S'WB)' D^-1 (S'WB).
    """
    values, floors = start.copy(), rigour.floors
    n_stars = int(observations.star.max(initial=-1)) + 1
    weight = 1.0 / (observations.error**2 + max(floors) ** 2)
    kind = observations.image.copy()
    kind[kind != CATALOG] = layout.terms[kind[kind != CATALOG], DETECTOR]
    pull = residual = np.empty(0)
    bending = _straight(layout, observations, with_bends=rigour.with_bends)
    for _ in range(MAX_STEPS):
        moved = _move_and_bend(layout, values, observations, bending)
        residual, share = _leave_stars(moved, observations.star, weight, n_stars)
        variance = _measured_variance(observations, kind, residual, share, floors)
        pull = np.hypot(*residual.T) / np.sqrt(variance * np.maximum(1 - share, 0.05))
        weight = 1.0 / variance / (1.0 + pull**2 / (2.0 * CAUCHY**2))
        # Residuals must balance under the very weights of the step, or it has a component
        # along the shift of all images together, which nothing but the priors resists.
        residual, _ = _leave_stars(moved, observations.star, weight, n_stars)
        found = (values, residual, weight)
        step, bent = _solve_step(layout, observations, *found, bending)
        values, bending = values + step, bending._replace(values=bending.values + bent)
        largest = np.abs(step).max(axis=0, initial=0.0)
        # rolls and scales move the edges by as much
        if max(*largest[:2], *(100.0 * largest[2:])) < rigour.tolerance:
            break
    # A star's mean leans towards each of its observations: undo that in the residuals.
    moved = _move_and_bend(layout, values, observations, bending)
    residual, share = _leave_stars(moved, observations.star, weight, n_stars)
    residual = residual / np.sqrt(np.maximum(1.0 - share, 0.05))[:, None]
    bends, normal = np.zeros_like(layout.bend_sigmas), None
    if rigour.with_bends:
        bends[:] = bending.values.reshape(bends.shape)
        found = (values, residual, weight)
        normal, _ = _normal_equations(layout, observations, *found, bending)
    covariance = _bend_covariance(normal, layout.bend_sigmas)
    return JointSolution(values, residual, pull, weight, bends, covariance)


def _straight(
    layout: Layout, observations: Observations, *, with_bends: bool
) -> _Bending:
    """Return bends of zero; none at all without them."""
    ours = observations.image != CATALOG
    image, position = observations.image[ours], observations.position[ours]
    design = scipy.sparse.csr_array((2 * len(image), 0))
    if with_bends:
        design = design_bends(layout.frames, image, position)
    n = design.shape[1]
    return _Bending(design, np.zeros(n), layout.bend_sigmas.ravel()[:n])


def _move_and_bend(
    layout: Layout,
    values: NDArray[np.float64],
    observations: Observations,
    bending: _Bending,
) -> Points:
    """Return positions after the images' motions and bends, (n, 2), arcsec."""
    moved = move_observations(layout, values, observations.image, observations.position)
    bent = np.asarray(bending.design @ bending.values)
    moved[observations.image != CATALOG] += bent.reshape(-1, 2)
    return moved


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
    bending: _Bending,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the changes of terms (terms, 4) and bends that remove the residuals."""
    normal, right = _normal_equations(
        layout, observations, values, residual, weight, bending
    )
    step = np.asarray(scipy.sparse.linalg.splu(normal).solve(right))
    return step[: values.size].reshape(values.shape), step[values.size :]


def _bend_covariance(
    normal: "scipy.sparse.csc_array | None", sigmas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the blocks of the inverse that belong to each detector's shapes.

    ``sigmas``, (detectors, UNKNOWNS), are the priors, and all that is known without a
    normal matrix.
    """
    detectors, curved = len(sigmas), UNKNOWNS - LINEAR
    if normal is None:
        return np.asarray(sigmas[:, :curved, None] ** 2 * np.eye(curved))
    size = normal.shape[0]
    factors = scipy.sparse.linalg.splu(normal)
    blocks = np.empty((detectors, curved, curved))
    for k in range(detectors):
        first = size - UNKNOWNS * (detectors - k)
        units = np.zeros((size, curved))
        units[first + np.arange(curved), np.arange(curved)] = 1.0
        blocks[k] = factors.solve(units)[first : first + curved]
    return (blocks + np.swapaxes(blocks, 1, 2)) / 2.0


def _normal_equations(
    layout: Layout,
    observations: Observations,
    values: NDArray[np.float64],
    residual: Points,
    weight: NDArray[np.float64],
    bending: _Bending,
) -> tuple["scipy.sparse.csc_array", NDArray[np.float64]]:
    """Return the normal matrix and right side for terms and bends, priors included.

    They are made for the motions of the images, of which each observation sees one only,
    and then carried over to the terms.
    """
    ours = observations.image != CATALOG
    rows = image_design(
        layout, values, observations.image[ours], observations.position[ours]
    )
    rows = scipy.sparse.hstack([rows, bending.design], format="csr")
    w = np.repeat(weight[ours], 2)
    total = np.bincount(observations.star, weight)
    star = 2 * np.repeat(observations.star[ours], 2) + np.tile([0, 1], ours.sum())
    n = len(star)
    sums = scipy.sparse.csr_array((w, (star, np.arange(n))), (2 * len(total), n)) @ rows
    weighted = rows.T.multiply(w).tocsr()
    scaled = sums.multiply(np.repeat(total**-0.5, 2)[:, None]).tocsr()
    n_bends = len(bending.values)
    terms = scipy.sparse.block_diag(
        [term_design(layout, values), scipy.sparse.eye_array(n_bends)], format="csr"
    )
    normal = terms.T @ (weighted @ rows - scaled.T @ scaled) @ terms
    right = -(terms.T @ (weighted @ residual[ours].ravel()))
    prior = np.concatenate(
        [_prior_weights(layout, values).ravel(), bending.sigma**-2.0]
    )
    right -= prior * np.concatenate([values.ravel(), bending.values])
    return (normal + scipy.sparse.diags_array(prior)).tocsc(), right


def image_design(
    layout: Layout, values: NDArray[np.float64], image: Indices, position: Points
) -> "scipy.sparse.csr_array":
    """Return the derivatives of moved positions with the images' motions.

    (2 n, 4 images): two shifts, a roll about the image's centre and a stretch.
    """
    motions = move_images(layout, values)
    arm = turn(position - layout.centres[image], motions.roll[image])
    x, y = (arm * motions.stretch[image, None]).T
    ones = np.ones(len(image))
    entries = np.stack([ones, -y, arm[:, 0], ones, x, arm[:, 1]], axis=1).ravel()
    columns = (TERMS * image[:, None] + np.array([0, 2, 3, 1, 2, 3])).ravel()
    starts = np.arange(0, len(entries) + 1, 3)
    shape = (2 * len(image), TERMS * len(layout.centres))
    return scipy.sparse.csr_array((entries, columns, starts), shape=shape)


def term_design(
    layout: Layout, values: NDArray[np.float64]
) -> "scipy.sparse.csr_array":
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
            arm = turn(layout.centres - layout.pivots[term], values[term, 2])
            block[:, :2, j, :2] = np.eye(2)
            block[:, 0, j, 2], block[:, 1, j, 2] = -arm[:, 1], arm[:, 0]
    columns = layout.terms[:, None, :, None] * TERMS + np.arange(TERMS)
    columns = np.broadcast_to(columns, block.shape).reshape(-1)
    starts = np.arange(0, block.size + 1, kinds * TERMS)
    shape = (TERMS * n, TERMS * len(layout.pivots))
    return scipy.sparse.csr_array((block.reshape(-1), columns, starts), shape=shape)


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
