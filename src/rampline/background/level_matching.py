"""Match the sky levels of overlapping exposures, so that mosaics have no steps.

Zodiacal and stray light differ between exposures, and cannot be separated from the sky
in a single exposure. Where two exposures overlap, the difference of their levels is
measured: each is reduced to the medians of 64-pixel cells with the sources masked, the
cells of one are interpolated at those of the other, and the median of the differences
is taken. A single least-squares solution gives a level for each exposure. Groups of
exposures without mutual overlap, such as detectors whose gap the dithers do not bridge,
are brought to the same sky level between the sources. Where extended light fills the
field this is not possible, and groups are not tied to each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import Field

from ..numerics.meshes import Mesh, measure_mesh
from ..numerics.selection import MAD_TO_SIGMA, MEDIAN_NOISE, robust_scatter
from ..params import Count, Factor, Fraction, StepParams, Unit

Floats = NDArray[np.float64]
CAUCHY: Final = 2.385
"""Scale of Cauchy's weights at 95 % efficiency for normal errors (Holland & Welsch 1977)."""
_ROUNDS: Final = 10


class LevelMatchingParams(StepParams):
    """How sky levels are matched between exposures."""

    mesh: Annotated[int, Field(ge=8), Unit("pixel")] = 64
    """Width of the cells whose medians are compared."""
    min_filled: Fraction = 0.3
    """Minimum fraction of usable pixels in a cell."""
    min_cells: Count = 4
    """Minimum number of common cells of two exposures."""
    gauge: Literal["lowest", "mean"] = "lowest"
    """Which level is set to zero: the lowest, or the mean."""
    field: Literal["sky", "extended"] = "sky"
    """What most pixels show: sky between sources, with the same level over the whole
    field; or extended light (nebula, nearby galaxy), which is not masked and for which
    only overlaps determine the levels."""
    max_scatter: Factor = 5.0
    """Cells whose difference deviates by more robust sigma than this are excluded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyCells:
    """The sky of one exposure in cells.

    Attributes
    ----------
    level : (cell_rows, cell_cols) float64, MJy/sr
        Medians of the cells; NaN where too few pixels are usable.
    error : (cell_rows, cell_cols) float64, MJy/sr
        Standard errors of the medians.
    grid_position : (cell_rows, cell_cols, 2) float64, pixels
        Row and column of the cells' centres on the common grid.
    """

    level: Floats
    error: Floats
    grid_position: Floats


class LevelDifference(NamedTuple):
    """How much brighter the sky is in one exposure than in another."""

    first: int
    second: int
    difference: float
    """MJy/sr, first minus second"""
    error: float
    """MJy/sr"""
    n_cells: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyLevels:
    """The sky levels to subtract from each exposure.

    Attributes
    ----------
    level : (exposures,) float64, MJy/sr
        With ``field="extended"``, zero for an exposure that overlaps no other.
    error : (exposures,) float64, MJy/sr
        Relative to the mean of its group, plus the error of the group's level relative
        to the other groups; NaN for an exposure that overlaps no other in extended
        light.
    group : (exposures,) int
        Exposures with the same number are connected by overlaps.
    differences : tuple of LevelDifference
        The measured differences.
    """

    level: Floats
    error: Floats
    group: NDArray[np.intp]
    differences: tuple[LevelDifference, ...]


def cell_centres(
    shape: tuple[int, int], params: LevelMatchingParams
) -> tuple[Floats, Floats]:
    """Return the pixel rows and columns of the cells' centres, (cell_rows, cell_cols).

    The caller maps them onto the common grid.
    """
    rows, cols = (
        np.minimum(np.arange(0, n, params.mesh) + params.mesh, n) / 2.0
        + np.arange(0, n, params.mesh) / 2.0
        - 0.5
        for n in shape
    )
    return tuple(np.meshgrid(rows, cols, indexing="ij"))  # type: ignore[return-value]


def measure_sky_cells(
    sky: NDArray[np.float32],
    is_sky: NDArray[np.bool_],
    grid_position: Floats,
    params: LevelMatchingParams,
) -> SkyCells:
    """Reduce one exposure to the levels of its cells.

    Parameters
    ----------
    sky : (rows, cols) float32, MJy/sr
    is_sky : (rows, cols) bool
        Usable pixels without sources.
    grid_position : (cell_rows, cell_cols, 2) float64, pixels
        Row and column of `cell_centres` on the common grid.
    params : LevelMatchingParams
    """
    mesh = measure_mesh(sky, is_sky, params.mesh)
    wanted = params.min_filled * _pixels_per_cell(sky.shape, mesh)
    filled = (mesh.n_used >= wanted) & (mesh.n_used > 0)
    n_used = np.maximum(mesh.n_used, 1)
    error = MEDIAN_NOISE * mesh.scatter / np.sqrt(n_used)
    return SkyCells(
        level=np.where(filled, mesh.level, np.nan).astype(np.float64),
        error=np.where(filled, error, np.nan).astype(np.float64),
        grid_position=grid_position,
    )


def _pixels_per_cell(shape: tuple[int, ...], mesh: Mesh) -> NDArray[np.int64]:
    """Return the number of pixels of each cell; the last ones may be narrower."""
    widths = [
        np.minimum(mesh.size, n - np.arange(0, n, mesh.size)).astype(np.int64)
        for n in shape
    ]
    return np.multiply.outer(widths[0], widths[1])


def match_levels(
    exposures: Sequence[SkyCells], params: LevelMatchingParams
) -> SkyLevels:
    """Find the sky level of each exposure from all overlaps.

    Parameters
    ----------
    exposures : sequence of SkyCells
        Exposures of one filter on a common grid.
    params : LevelMatchingParams

    Notes
    -----
    Like skymatch of ``jwst`` with ``skymethod="match"``, but with medians of cells in
    place of clipped means of polygons, weights from the measured scatter, and robust
    against a bad pair. There, one level for all detectors of a pointing ignores
    pedestals of the detectors, and groups without overlap are left with a step. Here
    overlaps, which see the same sky, determine the levels within a group, and the sky
    between the sources ties the groups together. Faint light makes that sky vary with
    position, so a step of that size may remain across a gap, but not one of the size of
    the pedestals.
    """
    # 0.2 s, only for mosaics
    n = len(exposures)
    placed = [_place_cells(cells) for cells in exposures]
    found = [
        difference
        for i in range(n)
        for j in range(i + 1, n)
        if (difference := _compare_levels(placed, (i, j), params)) is not None
    ]
    links = scipy.sparse.coo_array(
        (np.ones(len(found)), ([d.first for d in found], [d.second for d in found])),
        shape=(n, n),
    )
    _, group = scipy.sparse.csgraph.connected_components(links, directed=False)
    level, error = _solve_levels(n, found, group)
    if params.field == "sky":
        common, common_error = _join_groups(exposures, level, group)
        level, error = level + common, np.hypot(error, common_error)
        _set_gauge(level, np.zeros(n, np.intp), params)
    else:
        error[np.bincount(group, minlength=1)[group] == 1] = np.nan
        _set_gauge(level, group, params)
    return SkyLevels(
        level=level,
        error=error,
        group=group.astype(np.intp),
        differences=tuple(found),
    )


def _set_gauge(
    level: Floats, group: NDArray[np.integer], params: LevelMatchingParams
) -> None:
    """Shift the levels of each group, in place, so that the lowest or the mean is zero."""
    of_group = np.min if params.gauge == "lowest" else np.mean
    for g in np.unique(group):
        level[group == g] -= of_group(level[group == g])


def _join_groups(
    exposures: Sequence[SkyCells], level: Floats, group: NDArray[np.integer]
) -> tuple[Floats, Floats]:
    """Return the residual sky of each exposure's group, and its error.

    The sky of an exposure is the median of its cells. After subtraction of the levels
    from overlaps, its scatter within a group measures how the sky varies with position.
    """
    skies = np.array(
        [
            np.nanmedian(e.level) if np.isfinite(e.level).any() else np.nan
            for e in exposures
        ]
    )
    left = skies - level
    common, error = np.zeros_like(level), np.zeros_like(level)
    known = np.isfinite(left)
    if not known.any():
        return common, error
    middles = {g: np.median(left[known & (group == g)]) for g in set(group[known])}
    apart = np.abs(left - np.array([middles.get(g, np.nan) for g in group]))[known]
    sizes = np.bincount(group[known], minlength=group.max() + 1)
    several = sizes[group[known]] > 1
    scatter = MAD_TO_SIGMA * float(np.median(apart[several])) if several.any() else 0.0
    if len(middles) > 1:
        whole = float(np.median(left[known]))
        for k, g in enumerate(group):
            common[k] = middles.get(g, whole) - whole
            error[k] = MEDIAN_NOISE * scatter / np.sqrt(max(sizes[g], 1))
    return common, error


class _Placed(NamedTuple):
    """Cells and what is needed to locate them on the grid."""

    cells: SkyCells
    affine: Floats
    """(3, 2): from grid positions to rows and columns of cells, to a few hundredths."""
    low: Floats
    high: Floats
    """(2,) pixels: corners of the bounding box of all centres on the grid."""


def _place_cells(cells: SkyCells) -> _Placed:
    """Fit the inverse map, from the grid to the cells."""
    own = np.stack(
        np.meshgrid(*map(np.arange, cells.level.shape), indexing="ij"), axis=-1
    )
    known = cells.grid_position.reshape(-1, 2)
    matrix = np.column_stack([known, np.ones(len(known))])
    affine, *_ = np.linalg.lstsq(matrix, own.reshape(-1, 2).astype(float), rcond=None)
    # cells at the same position must not be lost to rounding
    return _Placed(cells, affine, known.min(axis=0) - 1e-6, known.max(axis=0) + 1e-6)


def _compare_levels(
    placed: Sequence[_Placed], pair: tuple[int, int], params: LevelMatchingParams
) -> LevelDifference | None:
    """Return the difference of the sky levels of two exposures; None without overlap."""
    first, second = placed[pair[0]], placed[pair[1]]
    if (first.high < second.low).any() or (second.high < first.low).any():
        return None
    # In both directions, so that the result does not depend on the order of the
    # exposures, and interpolation errors from curvature cancel.
    there, noise_there = _subtract_cells(first, second)
    here, noise_here = _subtract_cells(second, first)
    if min(len(there), len(here)) < max(params.min_cells, 1):
        return None
    apart = np.concatenate([there, -here])
    noise = np.concatenate([noise_there, noise_here])
    middle = np.median(apart)
    sigma = max(robust_scatter(apart), float(np.median(noise)))
    apart = apart[np.abs(apart - middle) <= params.max_scatter * max(sigma, 1e-12)]
    return LevelDifference(
        *pair,
        difference=float(np.median(apart)),
        error=MEDIAN_NOISE * max(sigma, 1e-12) / np.sqrt(len(apart) / 2),
        n_cells=(len(apart) + 1) // 2,
    )


def _subtract_cells(first: _Placed, second: _Placed) -> tuple[Floats, Floats]:
    """Return first minus second at the first's cells in the overlap, and the noise."""
    place = first.cells.grid_position
    inside = ((place >= second.low) & (place <= second.high)).all(axis=-1)
    there, there_error = _interpolate_cells(second, place[inside])
    apart = first.cells.level[inside] - there
    common = np.isfinite(apart)
    error = np.hypot(first.cells.error[inside], there_error)
    return apart[common], error[common]


def _interpolate_cells(placed: _Placed, places: Floats) -> tuple[Floats, Floats]:
    """Return level and error of an exposure's cells at grid positions, bilinearly.

    NaN outside the outermost centres and beside empty cells.
    """
    index = places @ placed.affine[:2] + placed.affine[2]
    # Cells at the same position must not be lost to rounding at the outermost centres.
    near = np.round(index)
    index = np.where(np.abs(index - near) < 1e-6, near, index)
    at = np.moveaxis(index, -1, 0)
    level, error = (
        scipy.ndimage.map_coordinates(plane, at, order=1, mode="constant", cval=np.nan)
        for plane in (placed.cells.level, placed.cells.error)
    )
    return level, error


def _solve_levels(
    n: int, differences: Sequence[LevelDifference], group: NDArray[np.int32]
) -> tuple[Floats, Floats]:
    """Return levels with zero mean in each group, and their errors."""
    level, variance = np.zeros(n), np.zeros(n)
    if not len(differences):
        return level, variance
    rows = np.repeat(np.arange(len(differences)), 2)
    members = np.array([(d.first, d.second) for d in differences]).ravel()
    signs = np.tile([1.0, -1.0], len(differences))
    design = scipy.sparse.csr_array(
        (signs, (rows, members)), shape=(len(differences), n)
    )
    measured = np.array([d.difference for d in differences])
    error = np.array([d.error for d in differences])
    # The undetermined mean of each group is fixed at zero by one extra row.
    means = (group == np.unique(group)[:, None]).astype(float) / error.mean()
    weight = 1.0 / error**2
    for _ in range(_ROUNDS):
        weighted = design.multiply(weight[:, None]).T.tocsr()
        normal = (weighted @ design).toarray() + means.T @ means
        level = np.linalg.solve(normal, weighted @ measured)
        pull = (measured - design @ level) / error
        scale = max(MAD_TO_SIGMA * float(np.median(np.abs(pull))), 1.0)
        weight = 1.0 / (error * scale) ** 2 / (1.0 + (pull / (CAUCHY * scale)) ** 2)
    # The noise of an exposure is common to all its overlaps: half of the variance of
    # each difference is assumed to be shared by all differences of either exposure.
    shared = design.multiply((error * scale / np.sqrt(2.0))[:, None]).tocsr()
    weighted = design.multiply(weight[:, None]).T.tocsr()
    spread = np.linalg.solve(normal, (weighted @ shared).toarray())
    return level, np.sqrt(np.einsum("ij,ij->i", spread, spread))
