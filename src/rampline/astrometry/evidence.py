"""Evidence for and against the alignment of each image: counts, scatter, overlaps."""

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from .association import Entries
from .image_sources import ImageSources
from .joint_solve import JointSolution, Observations
from .layout import CATALOG, EXPOSURE, Layout, move_observations
from .verdict import Evidence

Points = NDArray[np.float64]
Indices = NDArray[np.intp]
KEPT_PULL = 5.0
"""Observations whose residual exceeds this many errors are not counted as kept."""
FEWEST_SHARED = 3
"""Stars that two images share at least if one is to vouch for the other."""
MEDIAN_TO_SIGMA = 0.8493218002880191
"""Standard deviation on one axis over the median length of a two-dimensional residual."""


def collect_evidence(
    images: Sequence[ImageSources],
    entries: Entries,
    layout: Layout,
    observations: Observations,
    solution: JointSolution,
    is_ambiguous: NDArray[np.bool_],
) -> list[Evidence]:
    """Collect the evidence on the alignment of each image.

    Parameters
    ----------
    images : sequence of ImageSources
    entries : Entries
        All sources that took part.
    layout : Layout
    observations : Observations
        Of the last round.
    solution : JointSolution
    is_ambiguous : (images,) bool
        Whether the stars fitted at several shifts.
    """
    n = len(images)
    kept = solution.pull < KEPT_PULL
    ours = observations.image != CATALOG
    counts = np.bincount(observations.image[kept & ours], minlength=n)
    flagged = np.bincount(observations.image[~kept & ours], minlength=n)
    ties = _count_ties(observations, kept, n)
    is_found = np.zeros(len(entries.image), np.bool_)
    again = kept & ours & _seen_again(observations, kept, layout.terms[:, EXPOSURE])
    is_found[observations.entry[again]] = True
    is_expected, overlap = _find_expected(images, entries, layout, solution)
    n_sources = np.bincount(entries.image, minlength=n)
    expected = np.bincount(entries.image[is_expected], minlength=n)
    found = np.bincount(entries.image[is_expected & is_found], minlength=n)
    group_ties = _sum_over_groups(observations, kept, ties, n)
    exposure, visit = (_matched_elsewhere(layout.terms[:, j], counts) for j in (1, 0))
    weight = np.bincount(observations.image[ours], solution.weight[ours], n)
    return [
        Evidence(
            n_sources=int(n_sources[k]),
            n_matched=int(counts[k]),
            n_flagged=int(flagged[k]),
            n_catalog=int(ties[k]),
            n_expected=int(expected[k]),
            n_found=int(found[k]),
            n_exposure=int(exposure[k]),
            n_visit=int(visit[k]),
            n_ties=int(group_ties[k]),
            has_overlap=bool(overlap[k]),
            is_ambiguous=bool(is_ambiguous[k]),
            rms_arcsec=scatter(
                solution.residual[ours & kept & (observations.image == k)]
            ),
            error_arcsec=float(weight[k] ** -0.5) if weight[k] > 0 else np.nan,
        )
        for k in range(n)
    ]


def scatter(residual: Points) -> float:
    """Return the robust standard deviation on either axis; NaN if there are none."""
    if len(residual) == 0:
        return float("nan")
    return float(MEDIAN_TO_SIGMA * np.median(np.hypot(*residual.T)))


def _count_ties(observations: Observations, kept: NDArray[np.bool_], n: int) -> Indices:
    """Return how many kept observations of each image are of stars with a kept tie."""
    from_catalog = observations.image == CATALOG
    tied = np.isin(observations.star, observations.star[from_catalog & kept])
    mine = kept & tied & ~from_catalog
    return np.bincount(observations.image[mine], minlength=n)


def _sum_over_groups(
    observations: Observations, kept: NDArray[np.bool_], ties: Indices, n: int
) -> Indices:
    """Return the reference stars of all images that hang together with each image."""
    ours = kept & (observations.image != CATALOG)
    image, star = observations.image[ours], observations.star[ours]
    n_stars = int(observations.star.max(initial=-1)) + 1
    seen = scipy.sparse.csr_array((np.ones(len(image)), (image, star)), (n, n_stars))
    # one or two may be chance: two exposures of different fields hang together by nothing
    shared = (seen @ seen.T) >= FEWEST_SHARED
    _, group = scipy.sparse.csgraph.connected_components(shared, directed=False)
    is_tied = np.zeros(n_stars, np.bool_)
    is_tied[observations.star[kept & (observations.image == CATALOG)]] = True
    mine = is_tied[star]
    pairs = np.unique(np.stack([group[image[mine]], star[mine]]), axis=1)
    total = np.bincount(pairs[0], minlength=n)
    return np.where(ties.sum() > 0, total[group], 0)


def _seen_again(
    observations: Observations, kept: NDArray[np.bool_], exposure: Indices
) -> NDArray[np.bool_]:
    """Return which observations are of stars that another exposure has too.

    Detectors of one exposure see the same stars wherever it looks.
    """
    ours = kept & (observations.image != CATALOG)
    of_star = np.stack([observations.star[ours], exposure[observations.image[ours]]])
    n_exposures = np.bincount(
        np.unique(of_star, axis=1)[0],
        minlength=int(observations.star.max(initial=0)) + 1,
    )
    return np.asarray(n_exposures[observations.star] > 1)


def _matched_elsewhere(term: Indices, counts: Indices) -> Indices:
    """Return the matched sources of the other images that share a term."""
    return np.bincount(term, counts).astype(np.intp)[term] - counts


def _find_expected(
    images: Sequence[ImageSources],
    entries: Entries,
    layout: Layout,
    solution: JointSolution,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell the stars that another image of the filter should see, and images that overlap."""
    values = solution.values
    moved = move_observations(layout, values, entries.image, entries.position)
    corners = np.array([image.outline for image in images])
    outlines = move_observations(
        layout, values, np.repeat(np.arange(len(images)), 4), corners.reshape(-1, 2)
    ).reshape(-1, 4, 2)
    is_expected = np.zeros(len(moved), np.bool_)
    has_overlap = np.zeros(len(images), np.bool_)
    for k, image in enumerate(images):
        mine = np.flatnonzero((entries.image == k) & entries.is_star)
        for j in _neighbours(outlines, k):
            has_overlap[k] = True
            if images[j].band == image.band:
                is_expected[mine] |= is_inside(moved[mine], outlines[j])
    return is_expected, has_overlap


def _neighbours(outlines: Points, k: int) -> list[int]:
    """Return the other images whose outlines, (images, 4, 2), overlap that of image ``k``."""
    low, high = outlines.min(axis=1), outlines.max(axis=1)
    near = ((low <= high[k]) & (high >= low[k])).all(axis=1)
    near[k] = False
    others = np.flatnonzero(near)
    return [int(j) for j in others[overlapping(outlines[k], outlines[others])]]


def overlapping(one: Points, others: Points) -> NDArray[np.bool_]:
    """Tell which convex quadrilaterals overlap one, by their separating axes.

    ``one`` is (4, 2), ``others`` (n, 4, 2).
    """
    apart = np.zeros(len(others), np.bool_)
    for outlines in (one[None], others):
        edges = np.roll(outlines, -1, axis=1) - outlines
        normals = np.stack([-edges[..., 1], edges[..., 0]], axis=-1)
        a = one @ np.moveaxis(normals, -1, -2)
        b = others @ np.moveaxis(normals, -1, -2)
        beside = (a.max(axis=1) <= b.min(axis=1)) | (b.max(axis=1) <= a.min(axis=1))
        apart |= beside.any(axis=1)
    return ~apart


def is_inside(points: Points, outline: Points) -> NDArray[np.bool_]:
    """Tell the points inside a convex quadrilateral, corners in either order."""
    edge = np.roll(outline, -1, axis=0) - outline
    arm = points[:, None, :] - outline
    side = edge[:, 0] * arm[..., 1] - edge[:, 1] * arm[..., 0]
    return np.asarray((side >= 0).all(axis=1) | (side <= 0).all(axis=1))
