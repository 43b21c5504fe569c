"""Relative flux calibration of detectors, from stars that several of them observed.

The factor from counts to surface brightness is measured independently for each
detector, to about one per cent. Dithers place the same star on two detectors; the ratio
of its fluxes measures how their factors differ. A single least-squares solution gives
an offset for each detector. The mean offset of connected detectors is undetermined and
is set to zero.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..numerics.selection import MEDIAN_NOISE, robust_scatter
from ..params import Arcsec, Count, Sigma, StepParams

Floats = NDArray[np.float64]
MAG_PER_LOG: Final = 2.5 / np.log(10.0)
SAMPLING: Final = 0.01
"""Lowest relative scatter assumed: that of a star's flux with its sub-pixel position."""


class ZeroPointParams(StepParams):
    """How stars on several detectors are compared."""

    match: Arcsec = 0.05
    """Matching radius for the same star, after alignment."""
    least_snr: Sigma = 30.0
    """Minimum signal-to-noise ratio of the stars used."""
    min_stars: Count = 5
    """Minimum number of pairs of measurements to compare two detectors."""


class StarFluxes(NamedTuple):
    """Stars of one exposure.

    Attributes
    ----------
    detector : str
    position : (n, 2) float64, arcsec
        In the tangent plane common to all exposures.
    flux : (n,) float64
        In the same unit for all exposures, corrected for pixel areas.
    snr : (n,) float64
    """

    detector: str
    position: Floats
    flux: Floats
    snr: Floats


class ZeroPoints(NamedTuple):
    """How the detectors' fluxes differ.

    Attributes
    ----------
    detector : tuple of str
        In alphabetical order.
    offset_mag : (detectors,) float64, mag
        To be added to the magnitudes of each detector; zero on average over each set of
        connected detectors; NaN for a detector that shares no stars.
    error_mag : (detectors,) float64, mag
    n_stars : (detectors,) int64
        Number of pairs of measurements used.
    """

    detector: tuple[str, ...]
    offset_mag: Floats
    error_mag: Floats
    n_stars: NDArray[np.int64]

    def table(self) -> NDArray[np.void]:
        """Return DETECTOR, OFFSET (mag), ERROR (mag), STARS."""
        layout = [
            ("DETECTOR", "S8"),
            ("OFFSET", "f8"),
            ("ERROR", "f8"),
            ("STARS", "i8"),
        ]
        rows = np.empty(len(self.detector), layout)
        for (name, _), values in zip(layout, self, strict=True):
            rows[name] = values
        return rows


def compare_detectors(
    exposures: Sequence[StarFluxes], params: ZeroPointParams
) -> ZeroPoints:
    """Find the offsets between detectors from stars that several of them observed.

    Parameters
    ----------
    exposures : sequence of StarFluxes
        Of one filter.
    params : ZeroPointParams

    Notes
    -----
    For each pair of detectors the median of the flux ratios from all pairs of their
    exposures is used, with the error from their scatter. Measurements of a star in
    several dithers are treated as independent, because it falls on different pixels.
    """
    names = tuple(sorted({e.detector for e in exposures}))
    bright = [_choose(e, params.least_snr) for e in exposures]
    ratios: dict[tuple[int, int], list[Floats]] = {}
    for first, second in combinations(bright, 2):
        pair = names.index(first.detector), names.index(second.detector)
        if pair[0] == pair[1]:
            continue
        logs = _match_stars(first, second, params.match)
        if pair[0] > pair[1]:
            pair, logs = (pair[1], pair[0]), -logs
        ratios.setdefault(pair, []).append(logs)
    joined = {pair: np.concatenate(logs) for pair, logs in ratios.items()}
    seen = {p: v for p, v in joined.items() if len(v) >= max(params.min_stars, 1)}
    return _solve(names, seen)


def _choose(exposure: StarFluxes, least_snr: float) -> StarFluxes:
    """Return the stars with sufficient signal-to-noise ratio and a known position."""
    name, position, flux, snr = exposure
    good = (snr >= least_snr) & (flux > 0) & np.isfinite(position).all(axis=1)
    return StarFluxes(name, position[good], flux[good], snr[good])


def _match_stars(first: StarFluxes, second: StarFluxes, radius: float) -> Floats:
    """Return the log flux ratios of stars that are mutual nearest neighbours."""
    if not len(first.flux) or not len(second.flux):
        return np.empty(0)
    there = scipy.spatial.cKDTree(second.position)
    apart, to = there.query(first.position, distance_upper_bound=radius)
    _, back = scipy.spatial.cKDTree(first.position).query(second.position)
    near = np.isfinite(apart)
    mine = np.flatnonzero(near)
    mine = mine[back[to[mine]] == mine]
    return np.asarray(np.log(first.flux[mine] / second.flux[to[mine]]))


def _solve(names: tuple[str, ...], seen: dict[tuple[int, int], Floats]) -> ZeroPoints:
    """Return offsets with zero mean over each set of connected detectors."""
    # 0.2 s, only for mosaics
    n = len(names)
    pairs = np.array(list(seen), int).reshape(-1, 2)
    middle = np.array([np.median(v) for v in seen.values()])
    spread = np.array([_scatter(v) / np.sqrt(len(v)) for v in seen.values()])
    n_stars = np.zeros(n, np.int64)
    for (i, j), values in seen.items():
        n_stars[[i, j]] += len(values)
    links = scipy.sparse.coo_array((np.ones(len(pairs)), pairs.T), shape=(n, n))
    _, group = scipy.sparse.csgraph.connected_components(links, directed=False)
    rows = np.arange(len(pairs))
    design = np.zeros((len(pairs), n))
    design[rows, pairs[:, 0]], design[rows, pairs[:, 1]] = 1.0, -1.0
    weight = 1.0 / np.maximum(MEDIAN_NOISE * spread, 1e-9) ** 2
    means = (group == np.unique(group)[:, None]).astype(float)
    scale = weight.mean() if len(weight) else 1.0
    normal = design.T @ (weight[:, None] * design) + scale * means.T @ means
    level = np.linalg.solve(normal, design.T @ (weight * middle))
    # fixing the means adds no information
    covariance = np.linalg.inv(normal) - np.linalg.pinv(scale * means.T @ means)
    error = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    alone = n_stars == 0
    return ZeroPoints(
        detector=names,
        offset_mag=np.where(alone, np.nan, MAG_PER_LOG * level),
        error_mag=np.where(alone, np.nan, MAG_PER_LOG * error),
        n_stars=n_stars,
    )


def _scatter(values: Floats) -> float:
    """Return the robust scatter of ratios, at least `SAMPLING`."""
    return max(robust_scatter(values), SAMPLING)
