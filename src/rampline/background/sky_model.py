"""Level and shape of the sky of one exposure, measured between the sources.

Zodiacal light, scattered light and the thermal emission of the telescope vary over a
detector by a few per cent at most, so they are described by a low-order polynomial
fitted to the medians of square cells. Sources are masked first, relative to the sky of
the previous iteration; outlying cells are then rejected, with a lower threshold above
the fit than below. Sources too faint to be detected, and light that fills the frame,
remain in the sky.
"""

from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from pydantic import Field

from ..numerics.meshes import Mesh, measure_mesh
from ..params import Pixels, Sigma, StepParams, Unit
from .source_mask import (
    BLOCK,
    Blocks,
    average_blocks,
    mask_sources,
    spread_blocks,
)

ROUNDS: Final = 2
"""Iterations of mask and fit; a third changes nothing."""
LEAST_USED: Final = 0.2
"""Minimum source-free pixels of a cell, as a fraction of those in the best cell."""
CLIP_HIGH: Final = 2.5
CLIP_LOW: Final = 4.0
"""Cells farther above or below the surface are rejected; sources only add light."""
CLIP_ROUNDS: Final = 20


class SkyModelParams(StepParams):
    """How the sky of an exposure is measured, and whether it is subtracted."""

    subtract: bool = False
    """Subtract the modelled sky; otherwise only its level is recorded."""
    order: Annotated[int, Field(ge=0, le=5), Unit("1")] = 2
    """Total degree of the polynomial; 0 is a constant."""
    cell: Annotated[int, Field(ge=16), Unit("pixel")] = 64
    """Width of the cells whose medians are fitted."""
    compact: Sigma = 3.0
    """Blocks of 4 x 4 pixels above this are masked as sources."""
    diffuse: Sigma = 3.0
    """Light above this after smoothing over 16 pixels is masked as a source."""
    grow: Pixels = 8
    """Growth of the mask around compact sources; twice that around diffuse light."""


class SkyModel(NamedTuple):
    """The sky of one exposure, in the image's unit."""

    level: float
    """Mean of the surface over the frame; NaN if no pixel is usable."""
    scatter: float
    """Typical standard deviation of single pixels, faint sources included."""
    coefficients: NDArray[np.float64]
    """(order + 1, order + 1) of Legendre polynomials in row and column from -1 to 1."""
    is_source: NDArray[np.bool_]
    """(rows, cols): True on pixels affected by sources."""


def model_sky(
    values: NDArray[np.float32],
    usable: NDArray[np.bool_],
    params: SkyModelParams,
    *,
    mask_diffuse: bool = True,
) -> SkyModel:
    """Measure the sky between the sources.

    Parameters
    ----------
    values : (rows, cols) float32
    usable : (rows, cols) bool
        Pixels that may be used; NaN values are excluded as well.
    params : SkyModelParams
    mask_diffuse : bool
        Whether light without a core is masked as a source: wings of galaxies are, but so
        are stray light and errors of a flat.

    Returns
    -------
    SkyModel
        The order is lowered where there are fewer than three source-free cells per
        coefficient. If no block is free of sources, the last fit is kept; NaN without
        usable pixels.
    """
    shape = (values.shape[0], values.shape[1])
    blocks = average_blocks(values, usable)
    thresholds = (params.compact, params.diffuse if mask_diffuse else np.inf)
    scatter = _pixel_scatter(measure_mesh(values, usable, params.cell, stride=4))
    found = np.zeros(blocks.mean.shape, np.bool_)
    coefficients = _fit_blocks(blocks, found, shape, params)
    for _ in range(ROUNDS):
        sky = evaluate_sky(coefficients, shape, step=BLOCK)
        above = Blocks(blocks.mean - sky, blocks.peak - sky)
        found = mask_sources(above, scatter, thresholds, params.grow)
        if not (np.isfinite(blocks.mean) & ~found).any():
            break
        coefficients = _fit_blocks(blocks, found, shape, params)
    return SkyModel(
        level=float(coefficients[0, 0]),
        scatter=scatter,
        coefficients=coefficients,
        is_source=spread_blocks(found, shape),
    )


def evaluate_sky(
    coefficients: NDArray[np.float64], shape: tuple[int, int], step: int = 1
) -> NDArray[np.float32]:
    """Return the modelled sky.

    Parameters
    ----------
    coefficients : (n, n) float64
        As in `SkyModel`.
    shape : (int, int)
        Rows and columns of the frame.
    step : int, pixels
        1 for every pixel; otherwise at the centres of blocks of that width.

    Returns
    -------
    (rows, cols) float32, or the rows and columns of blocks
    """
    rows, cols = (_unit_positions(n, step) for n in shape)
    across = legendre.legvander(cols, coefficients.shape[1] - 1)
    down = legendre.legvander(rows, coefficients.shape[0] - 1)
    # the product of small matrices is accurate to rounding in single precision
    surface = (down @ coefficients).astype(np.float32) @ across.T.astype(np.float32)
    return np.asarray(surface, np.float32)


def _unit_positions(n_pixels: int, step: int) -> NDArray[np.float64]:
    """Return the centres of pixels or blocks on a scale from -1 to 1 over the frame."""
    centres = np.arange(0, n_pixels, step) + (step - 1) / 2.0
    return np.asarray((2.0 * centres + 1.0) / n_pixels - 1.0, np.float64)


def _pixel_scatter(mesh: Mesh) -> float:
    """Return the typical scatter within cells."""
    filled = mesh.scatter[mesh.n_used > 0]
    return float(np.median(filled)) if filled.size else np.inf


def _fit_blocks(
    blocks: Blocks,
    found: NDArray[np.bool_],
    shape: tuple[int, int],
    params: SkyModelParams,
) -> NDArray[np.float64]:
    """Fit the blocks in which no source was found."""
    mesh = measure_mesh(blocks.mean, ~found, max(1, params.cell // BLOCK))
    return _fit_surface(mesh, shape, params.order)


def _fit_surface(mesh: Mesh, shape: tuple[int, int], order: int) -> NDArray[np.float64]:
    """Fit the cell medians, rejecting outliers.

    The order is lowered until there are three cells for each coefficient.
    """
    free = mesh.n_used >= LEAST_USED * mesh.n_used.max()
    free &= mesh.n_used > 0
    rows, cols = (_unit_positions(n, mesh.size * BLOCK) for n in shape)
    i, j = np.nonzero(free)
    level = mesh.level[i, j].astype(np.float64)
    weight = np.sqrt(mesh.n_used[i, j])
    while order > 0 and 3 * (order + 1) * (order + 2) // 2 > len(level):
        order -= 1
    if len(level) == 0:
        return np.full((1, 1), np.nan)
    powers = [(p, q) for p in range(order + 1) for q in range(order + 1 - p)]
    down = legendre.legvander(np.minimum(rows, 1.0), order)[i]
    across = legendre.legvander(np.minimum(cols, 1.0), order)[j]
    design = np.stack([down[:, p] * across[:, q] for p, q in powers], axis=-1)
    solution = _fit_clipped(design, level, weight)
    coefficients = np.zeros((order + 1, order + 1))
    for (p, q), value in zip(powers, solution, strict=True):
        coefficients[p, q] = value
    return coefficients


def _fit_clipped(
    design: NDArray[np.float64],
    values: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve weighted least squares with outliers rejected, starting from the median."""
    residual = values - np.median(values)
    kept = np.ones(len(values), np.bool_)
    solution = np.zeros(design.shape[1], np.float64)
    for _ in range(CLIP_ROUNDS):
        below = residual[kept & (residual < 0)]
        scatter = np.sqrt(np.mean(below**2)) if below.size else 0.0
        before = kept
        kept = np.abs(residual) <= np.where(residual > 0, CLIP_HIGH, CLIP_LOW) * scatter
        if kept.sum() < design.shape[1]:
            kept = before
        w = weight[kept]
        weighted = design[kept] * w[:, None]
        solution = np.asarray(
            np.linalg.lstsq(weighted, values[kept] * w, rcond=None)[0]
        )
        residual = values - design @ solution
        if (kept == before).all():
            break
    return np.asarray(solution, np.float64)
