"""Find the observations, in images and reference catalogue, of the same star."""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..params import Arcsec, Params
from .image_sources import ReferencePositions
from .joint_solve import Observations
from .layout import CATALOG
from .matching import match_nearest

Points = NDArray[np.float64]
Indices = NDArray[np.intp]


class ScatterParams(Params):
    """Scatter of positions beyond the errors that they bring."""

    star: Arcsec = 0.00005
    """Added to the centroids' errors at least."""
    compact: Arcsec = 0.003
    """Added to the errors of compact sources that are not stars."""
    catalog: Arcsec = 0.0002
    """Added to the reference catalogue's errors at least; more is added where the
    residuals ask for it."""
    catalog_error: Arcsec = 0.005
    """Error of reference positions that bring none."""


class Entries(NamedTuple):
    """The sources of all images, one after the other."""

    image: Indices
    """(n,) number of the image"""
    position: Points
    """(n, 2) arcsec in the field plane, by the header"""
    error: NDArray[np.float64]
    """(n,) arcsec"""
    snr: NDArray[np.float64]
    """(n,)"""
    is_star: NDArray[np.bool_]
    """(n,)"""


def group_by_star(moved: Points, image: Indices, radius: float) -> Indices:
    """Give observations of the same star the same number.

    Parameters
    ----------
    moved : (n, 2) float64, arcsec
    image : (n,) int
    radius : float, arcsec
        Two images' observations nearer than that are one star, and so on in chains.

    Returns
    -------
    (n,) int
        Number of the star; -1 where one image brings two entries, which is no star.
    """
    n = len(moved)
    if n == 0:
        return np.empty(0, np.intp)
    pairs = scipy.spatial.cKDTree(moved).query_pairs(radius, output_type="ndarray")
    pairs = pairs[image[pairs[:, 0]] != image[pairs[:, 1]]]
    links = scipy.sparse.coo_array((np.ones(len(pairs)), pairs.T), (n, n))
    _, star = scipy.sparse.csgraph.connected_components(links, directed=False)
    order = np.lexsort((image, star))
    twice = (np.diff(star[order]) == 0) & (np.diff(image[order]) == 0)
    ambiguous = np.isin(star, star[order][1:][twice])
    return np.where(ambiguous, -1, star).astype(np.intp)


def mean_positions(
    moved: Points, star: Indices, error: NDArray[np.float64]
) -> tuple[Indices, Points]:
    """Return the numbers of the stars and their weighted mean positions."""
    seen = star >= 0
    numbers, index = np.unique(star[seen], return_inverse=True)
    weight = 1.0 / error[seen] ** 2
    total = np.bincount(index, weight, len(numbers))
    mean = [
        np.bincount(index, weight * moved[seen, a], len(numbers)) / total
        for a in (0, 1)
    ]
    return numbers.astype(np.intp), np.stack(mean, axis=1)


def join_catalog(
    entries: Entries,
    moved: Points,
    may_tie: NDArray[np.bool_],
    catalog: ReferencePositions,
    radii: tuple[float, float],
) -> Observations:
    """Find the stars and their reference stars; leave out what is observed only once.

    Parameters
    ----------
    entries : Entries
    moved : (n, 2) float64, arcsec
        The same positions where the images lie now.
    may_tie : (n,) bool
        Sources of images that were matched to the catalogue.
    catalog : ReferencePositions
        All with errors.
    radii : (float, float), arcsec
        Largest distances of two observations of a star, and of a star from its reference.

    Returns
    -------
    Observations
        Stars numbered from 0 without gaps.
    """
    star = group_by_star(moved, entries.image, radii[0])
    numbers, mean = mean_positions(moved, star, entries.error)
    tied = np.isin(numbers, star[may_tie])
    pairs = match_nearest(mean[tied], catalog.position, radii[1])
    theirs = pairs[:, 1]
    star = np.concatenate([star, numbers[tied][pairs[:, 0]]])
    counts = np.bincount(star[star >= 0], minlength=1)
    kept = (star >= 0) & (counts[np.maximum(star, 0)] > 1)
    _, renumbered = np.unique(star[kept], return_inverse=True)
    image = np.concatenate([entries.image, np.full(len(theirs), CATALOG, np.intp)])
    return Observations(
        image=image[kept],
        star=renumbered.astype(np.intp),
        position=np.concatenate([entries.position, catalog.position[theirs]])[kept],
        error=np.concatenate([entries.error, catalog.error[theirs]])[kept],
        entry=np.concatenate([np.arange(len(entries.image)), theirs])[kept],
    )
