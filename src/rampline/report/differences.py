"""How two versions of a plane differ: how many pixels, and by how many sigma."""

from typing import NamedTuple, TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..flags import NAME
from ..numerics.selection import robust_scatter

Values: TypeAlias = NDArray[np.float64]


class Compared(NamedTuple):
    """What `compare_planes` finds."""

    n_pixels: int
    """Pixels that both know."""
    n_different: int
    median: float
    """Median size of the differences, of pixels that differ."""
    percentile: float
    """99.9 % of all pixels differ by less."""
    largest: float
    mean: float
    """Second minus first, of all pixels."""
    only_first: int
    """Pixels that only the first knows; the second has NaN."""
    only_second: int


def compare_planes(first: Plane, second: Plane, sigma: Plane | None) -> Compared:
    """Compare two planes of the same shape.

    Parameters
    ----------
    first, second : float32
        NaN where unknown.
    sigma : float32 or None
        The unit of the differences; None for the typical size of the first plane, the
        median of its absolute values.
    """
    known_first, known_second = np.isfinite(first), np.isfinite(second)
    both = known_first & known_second
    a, b = first[both].astype(np.float64), second[both].astype(np.float64)
    if sigma is None:
        unit: float | Values = float(np.median(np.abs(a))) if a.size else 1.0
    else:
        unit = sigma[both].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.where(a == b, 0.0, (b - a) / unit)
    # pixels without an error have no difference in sigma
    off = off[np.isfinite(off)]
    size = np.abs(off)
    different = size[size > 0]
    return Compared(
        n_pixels=int(both.sum()),
        n_different=int((a != b).sum()),
        median=float(np.median(different)) if different.size else 0.0,
        percentile=float(np.quantile(size, 0.999)) if size.size else 0.0,
        largest=float(size.max(initial=0.0)),
        mean=float(off.mean()) if off.size else 0.0,
        only_first=int((known_first & ~known_second).sum()),
        only_second=int((known_second & ~known_first).sum()),
    )


class FlagDifference(NamedTuple):
    """One bit in two planes of flags."""

    name: str
    only_first: int
    only_second: int


def compare_flags(
    first: NDArray[np.uint32], second: NDArray[np.uint32]
) -> list[FlagDifference]:
    """Return the bits that differ, with the number of pixels that only one has flagged."""
    found = []
    for bit, name in NAME.items():
        a, b = first & np.uint32(bit) != 0, second & np.uint32(bit) != 0
        counts = int((a & ~b).sum()), int((b & ~a).sum())
        if any(counts):
            found.append(FlagDifference(name, *counts))
    return found


class CatalogDifference(NamedTuple):
    """Two catalogues of one field."""

    n_first: int
    n_second: int
    n_matched: int
    offset_mas: float
    """Median distance of matched sources."""
    flux_ratio: float
    """Median of second over first."""
    flux_scatter: float
    """Robust scatter of the ratio."""


def compare_catalogs(
    first: tuple[Values, Values],
    second: tuple[Values, Values],
    radius_arcsec: float,
) -> CatalogDifference:
    """Match two catalogues by position, each source to its nearest within a radius.

    Parameters
    ----------
    first, second : ((n, 2) float64 deg, (n,) float64)
        Right ascension and declination, and flux.
    radius_arcsec : float
    """
    (sky_a, flux_a), (sky_b, flux_b) = first, second
    centre = sky_a.mean(axis=0) if len(sky_a) else np.zeros(2)
    stretch = 3600.0 * np.array([np.cos(np.radians(centre[1])), 1.0])
    a, b = (sky_a - centre) * stretch, (sky_b - centre) * stretch
    if not (len(a) and len(b)):
        return CatalogDifference(len(a), len(b), 0, np.nan, np.nan, np.nan)
    distance, nearest = scipy.spatial.cKDTree(b).query(a)
    near = distance < radius_arcsec
    ratio = (flux_b[nearest] / flux_a)[near]
    ratio = ratio[np.isfinite(ratio)]
    middle = float(np.median(ratio)) if ratio.size else np.nan
    scatter = robust_scatter(ratio)
    offset = 1000.0 * float(np.median(distance[near])) if near.any() else np.nan
    return CatalogDifference(len(a), len(b), int(near.sum()), offset, middle, scatter)
