"""Flux calibration of detectors against each other, from stars that several of them saw.

The factor from counts to surface brightness is measured for each detector by itself, to
about a per cent. Dithers put the same star on two detectors: the ratio of its fluxes tells
how their factors differ. One least-squares solution makes an offset for each detector of
it; what all detectors that hang together share stays undetermined and is set to zero.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics.selection import MEDIAN_NOISE, robust_scatter
from ..params import Arcsec, Count, Sigma, StepParams

Floats = NDArray[np.float64]
MAG_PER_LOG: Final = 2.5 / np.log(10.0)
SAMPLING: Final = 0.01
"""Relative scatter of a star's flux with its place on the pixels: as little is not known."""


class ZeroPointParams(StepParams):
    """How stars on several detectors are compared."""

    match: Arcsec = 0.05
    """Farthest that the same star may be off, after alignment."""
    least_snr: Sigma = 30.0
    """Signal to noise of the stars that count."""
    min_stars: Count = 5
    """Fewest pairs of measurements that tell how two detectors differ."""


class StarFluxes(NamedTuple):
    """Stars of one exposure.

    Attributes
    ----------
    detector : str
    position : (n, 2) float64, arcsec
        In the tangent plane that all exposures share.
    flux : (n,) float64
        Same unit everywhere, areas of pixels allowed for.
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
        To be added to magnitudes of each, so that all agree; zero on average over those
        that hang together; NaN for a detector that shares no stars.
    error_mag : (detectors,) float64, mag
    n_stars : (detectors,) int64
        Pairs of measurements that enter.
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
    """Find the offsets between detectors from stars that several of them saw.

    Parameters
    ----------
    exposures : sequence of StarFluxes
        Of one filter.
    params : ZeroPointParams

    Returns
    -------
    ZeroPoints

    Notes
    -----
    A pair of detectors counts by the median of the ratios of all pairs of its exposures,
    with the error from their scatter. Measurements of a star in several dithers are taken
    for independent: it falls on other pixels.
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
    """Return the stars that are bright enough."""
    name, position, flux, snr = exposure
    good = (snr >= least_snr) & (flux > 0) & np.isfinite(position).all(axis=1)
    return StarFluxes(name, position[good], flux[good], snr[good])


def _match_stars(first: StarFluxes, second: StarFluxes, radius: float) -> Floats:
    """Return the logarithms of flux ratios of stars that are each other's nearest."""
    from scipy.spatial import cKDTree  # noqa: PLC0415 - 0.2 s, only for mosaics

    if not len(first.flux) or not len(second.flux):
        return np.empty(0)
    there = cKDTree(second.position)
    apart, to = there.query(first.position, distance_upper_bound=radius)
    _, back = cKDTree(first.position).query(second.position)
    near = np.isfinite(apart)
    mine = np.flatnonzero(near)
    mine = mine[back[to[mine]] == mine]
    return np.asarray(np.log(first.flux[mine] / second.flux[to[mine]]))


def _solve(names: tuple[str, ...], seen: dict[tuple[int, int], Floats]) -> ZeroPoints:
    """Return offsets of zero mean over each set of detectors that hangs together."""
    # 0.2 s, only for mosaics
    from scipy.sparse import coo_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    n = len(names)
    pairs = np.array(list(seen), int).reshape(-1, 2)
    middle = np.array([np.median(v) for v in seen.values()])
    spread = np.array([_scatter(v) / np.sqrt(len(v)) for v in seen.values()])
    n_stars = np.zeros(n, np.int64)
    for (i, j), values in seen.items():
        n_stars[[i, j]] += len(values)
    links = coo_array((np.ones(len(pairs)), pairs.T), shape=(n, n))
    _, group = connected_components(links, directed=False)
    rows = np.arange(len(pairs))
    design = np.zeros((len(pairs), n))
    design[rows, pairs[:, 0]], design[rows, pairs[:, 1]] = 1.0, -1.0
    weight = 1.0 / np.maximum(MEDIAN_NOISE * spread, 1e-9) ** 2
    means = (group == np.unique(group)[:, None]).astype(float)
    scale = weight.mean() if len(weight) else 1.0
    normal = design.T @ (weight[:, None] * design) + scale * means.T @ means
    level = np.linalg.solve(normal, design.T @ (weight * middle))
    # the means that were fixed are no knowledge
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
    """Return the robust scatter of ratios, no less than sampling makes it."""
    return max(robust_scatter(values), SAMPLING)
