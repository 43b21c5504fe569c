"""Stray light fixed on the detector: wisps and claws, measured from the data.

Stars and galaxies move over a detector from dither to dither; wisps stay and claws
hardly move. The median of source-masked exposures of one detector and filter is
therefore an image of the stray light. Detail is kept at each of three scales where it
exceeds the noise at that scale, so that bright filaments stay sharp and faint haze is
smooth. Changes of the shape between exposures are described by the leading mode of the
residuals (a singular vector, used if it is significant compared with the others). Fit
and subtraction: `stray_fit`.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..exposure.timing import OUTPUT_COLUMNS
from ..numerics.jit import kernel
from ..numerics.selection import robust_scatter, select_median
from .bits import CLAW_CORRECTED, WISP_CORRECTED
from .cells import average_blocks, blur, expand, smooth, spread
from .row_levels import without_row_levels
from .stray_fit import (
    CLIP_HIGH,
    CLIP_LOW,
    SKY_TERMS,
    Sampling,
    StrayLightParams,
    StrayTemplate,
    Vector,
    find_box,
    fit_strength,
)
from .wisps import FILTERS, WINDOWS

CELL: Final = 2
"""Width of a cell of the picture, pixels: its finest smoothing is wider."""
SCALES: Final = (1.0, 4.0, 13.0)
"""Standard deviations of the Gaussians, relative to the finest."""
FILLED: Final = 0.2
"""Minimum weight of known pixels under a Gaussian for its mean to be used."""
OPEN: Final = (0.05, 0.3)
"""Fractions of significant cells in the neighbourhood: below the first no detail is
kept, above the second all. Noise alone gives 0.003 beyond three sigma."""
LEAST_VALUES: Final = 2
"""Minimum number of exposures with sky at a pixel; other pixels are filled in."""
WEAKEST: Final = 0.3
"""Minimum strength of an exposure to be scaled: weaker ones add more noise than light."""
MODE_CELL: Final = 8
"""Width of the cells in which a change of shape is searched for, pixels."""
MODE_SMOOTHING: Final = 1.5
"""Standard deviation of the Gaussian that smooths them, cells."""
LEAST_FOR_MODE: Final = 4
"""Minimum number of exposures, for at least two modes of noise to compare with."""
MODE_STANDS_OUT: Final = 2.0
"""Minimum variance of a mode relative to the mean of the weaker ones. For noise in p
cells and n exposures it is at most (1 + (n / p)**0.5)**2 (Marchenko and Pastur 1967),
1.3 at worst here."""

FOLDS: Final = 3
"""Parts of the exposures, each of which must show what the others have in common."""
LEAST_HELD_OUT: Final = 0.5
"""Minimum median strength of light in exposures that had no part in its picture: 1 where
it is fixed on the detector, 0 where bands of 1/f noise or faint sources look alike."""
PLANE_ROUNDS: Final = 20
OWN_LIGHT: Final = 3.0
"""Minimum significance of light of one exposure alone: that much in noise is in one place
of seven hundred, and left out there of one exposure."""
OWN_SCALES: Final = (1.0, 4.0)
"""Standard deviations of the Gaussians with which it is sought, in cells of modes."""
OWN_SHARE: Final = 0.3
"""Changes of the shape of the light may be this large, as a share of it."""
LEAST_OF_BLOCK: Final = 0.25
"""Minimum known fraction of a cell of modes."""


class Picture(NamedTuple):
    """Stray light common to all exposures."""

    light: Plane
    """(rows, cols) of cells, 0 where none is significant."""
    noise: float
    """Noise of its finest detail."""


def median_stack(exposures: Sequence[Plane]) -> tuple[Plane, NDArray[np.int32]]:
    """Return the median of exposures, pixel by pixel.

    Parameters
    ----------
    exposures : sequence of (rows, cols) float32
        Minus their sky, any unit; NaN on sources and bad pixels.

    Returns
    -------
    median : (rows, cols) float32
        NaN where no exposure has a value; the mean of the middle two where their number
        is even.
    count : (rows, cols) int32
        Number of exposures with a value.
    """
    shape = exposures[0].shape
    median = np.empty(shape, np.float32)
    count = np.empty(shape, np.int32)
    for row in range(shape[0]):
        band = np.stack([exposure[row] for exposure in exposures])
        _median_of_rows(band, median[row], count[row])
    return median, count


def find_stray_light(
    exposures: Sequence[Plane],
    optics: tuple[str, str],
    first_pixel: tuple[int, int],
    params: StrayLightParams,
    sketch: StrayTemplate | None = None,
) -> StrayTemplate:
    """Make the stray-light template of a detector and filter.

    Parameters
    ----------
    exposures : sequence of (rows, cols) float32
        As for `median_stack`, in cells of `CELL` pixels; at least
        ``params.least_exposures``, dithered.
    optics : (str, str)
        Detector and filter, which separate wisps, found in known windows, from claws.
    first_pixel : (int, int)
        Row and column of a subarray's first pixel on the full detector.
    params : StrayLightParams
    sketch : StrayTemplate, optional
        From `sketch_stray_light`.

    Returns
    -------
    StrayTemplate
        In the same cells. All zero if nothing is significant.
    """
    if sketch is None:
        sketch = sketch_stray_light(exposures, optics, first_pixel, params)
    kinds = tell_apart(exposures[0].shape, optics, first_pixel, CELL)
    alike, exposures = _alike(exposures, sketch, kinds, params)
    found = _picture(alike, params)
    lasting = _lasting_kinds(exposures, kinds, params)
    kept = np.where(np.isin(kinds, lasting), found.light, np.float32(0))
    made = _template(found._replace(light=kept), kinds)
    return _with_change(made, exposures, params)


def sketch_stray_light(
    exposures: Sequence[Plane],
    optics: tuple[str, str],
    first_pixel: tuple[int, int],
    params: StrayLightParams,
) -> StrayTemplate:
    """Return what the exposures have in common, as `find_stray_light` starts from it.

    It may be no light, and holds what single exposures add to a median.
    """
    kinds = tell_apart(exposures[0].shape, optics, first_pixel, CELL)
    made = _template(_picture(exposures, params), kinds)
    return _with_change(made, exposures, params)


def _template(found: Picture, kinds: NDArray[np.uint16]) -> StrayTemplate:
    """Return a template of light without changes of its shape."""
    light, region = _by_kind(found.light, kinds), found.light > 0
    err = np.where(region, np.float32(found.noise), np.float32(0))
    bits = np.where(region, kinds, np.uint16(0))
    return StrayTemplate(light, err, bits, n_light=len(light), cell_px=CELL)


def _by_kind(light: Plane, kinds: NDArray[np.uint16]) -> Plane:
    """Return the light of each kind that there is, (kinds, rows, cols); at least one.

    Wisps and claws have different causes: their strengths vary independently.
    """
    parts = [np.where(kinds == kind, light, np.float32(0)) for kind in np.unique(kinds)]
    lit = [part for part in parts if part.any()]
    return np.stack(lit or parts[:1])


def tell_apart(
    shape: tuple[int, ...],
    optics: tuple[str, str],
    first_pixel: tuple[int, int],
    cell_px: int = 1,
) -> NDArray[np.uint16]:
    """Return ``ARTIFACT`` bits: wisps within their window, claws elsewhere.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of cells.
    optics : (str, str)
        Detector and filter.
    first_pixel : (int, int)
        Row and column of the first pixel on the full detector.
    cell_px : int
        Pixels to a side of a cell.

    Returns
    -------
    (rows, cols) uint16
    """
    bits = np.full(shape, CLAW_CORRECTED, np.uint16)
    detector, filter_name = optics
    if detector in WINDOWS and filter_name in FILTERS:
        spans = zip(WINDOWS[detector][::-1], first_pixel, strict=True)
        window = tuple(
            slice(max(0, low - first) // cell_px, max(0, high - first) // cell_px)
            for (low, high), first in spans
        )
        bits[window] = WISP_CORRECTED
    return bits


def _picture(exposures: Sequence[Plane], params: StrayLightParams) -> Picture:
    """Return the significant light in the median of the exposures."""
    median, count = median_stack(exposures)
    cells = np.where(count >= LEAST_VALUES, median, np.float32(np.nan))
    layers = _layers(cells, params.smoothing / CELL)
    scatter = [_scatter(layers[0]), *(robust_scatter(layer) for layer in layers[1:])]
    scales = [factor * params.smoothing / CELL for factor in SCALES]
    gate, total = np.zeros((2, *cells.shape), np.float32)
    seeds = np.zeros(cells.shape, np.bool_)
    # where finer detail is kept, all coarser layers are
    for layer, noise, scale in zip(layers[::-1], scatter[::-1], scales, strict=True):
        limit = params.threshold * noise
        gate = np.maximum(gate, _gate(np.abs(layer) > limit, scale))
        total += gate * layer
        # single peaks of smoothed noise are as large as the Gaussian
        area = max(params.least_area / CELL**2, 4.0 * np.pi * scale**2)
        seeds |= _large(layer > limit, area)
    region = scipy.ndimage.binary_propagation(seeds, mask=(total > 0.0) | seeds)
    light = np.where(region & (total > 0.0), total, np.float32(0))
    return Picture(light, float(scatter[-1]))


def _layers(cells: Plane, finest: float) -> list[Plane]:
    """Return the light by scale, coarsest first: each minus the next coarser one.

    Unknown cells are filled from coarser scales, and are 0 far from any known cell.
    """
    fine, middle, wide = (smooth(cells, factor * finest, FILLED) for factor in SCALES)
    unknown = ~np.isfinite(wide)
    wide = np.where(unknown, np.float32(0), wide)
    middle = np.where(np.isfinite(middle), middle, wide)
    fine = np.where(np.isfinite(fine), fine, middle)
    level = np.where(unknown, np.float32(0), wide - _plane(wide))
    return [level, middle - wide, fine - middle]


def _gate(core: NDArray[np.bool_], scale: float) -> NDArray[np.float32]:
    """Return the share of a layer to keep, 0 to 1, by the density of significant cells."""
    share = blur(core.astype(np.float32), 2.0 * scale)
    low, high = OPEN
    return np.asarray(np.clip((share - low) / (high - low), 0.0, 1.0), np.float32)


def _large(found: NDArray[np.bool_], least_area: float) -> NDArray[np.bool_]:
    """Return the connected areas of at least ``least_area`` cells."""
    labels, n_labels = scipy.ndimage.label(found)
    sizes = np.bincount(labels.ravel(), minlength=n_labels + 1)
    sizes[0] = 0
    return np.asarray((sizes >= least_area)[labels], np.bool_)


def _alike(
    exposures: Sequence[Plane],
    sketch: StrayTemplate,
    kinds: NDArray[np.uint16],
    params: StrayLightParams,
) -> tuple[list[Plane], list[Plane]]:
    """Return the exposures with their light alike, and as they are.

    Both without row levels and without what single exposures alone show; the first without
    changes of shape, divided by the strengths of the light, weak ones left out. A kind keeps
    its own strengths where too few exposures show it.
    """
    n, is_lit = sketch.n_light, sketch.bits > 0
    even = [without_row_levels(e, is_lit, CELL).even for e in exposures]
    fits = [sketch.fit(e, params, MODE_CELL) for e in even]
    strengths = np.array([(fit.measured, *fit.further) for fit in fits], np.float32)
    strengths[:, :n][~(strengths[:, :n] > WEAKEST)] = np.nan
    few = np.isfinite(strengths[:, :n]).sum(axis=0) < params.least_exposures
    strengths[:, :n][:, few] = 1.0
    alike, cleaned = [], []
    for exposure, own in zip(even, strengths, strict=True):
        scale = np.full(exposure.shape, np.float32(1))
        for part, strength in zip(sketch.light[:n], own, strict=False):
            if part.any():
                scale[kinds == kinds[part > 0][0]] = strength
        change = np.tensordot(own[n:], sketch.light[n:], 1)
        light = np.nan_to_num(scale) * sketch.light[:n].sum(axis=0)
        is_own = _own_light(exposure - light - change, light)
        # wisps change their shape from exposure to exposure, claws do not
        is_own &= kinds != WISP_CORRECTED
        clean = np.where(is_own, np.float32(np.nan), exposure)
        cleaned.append(clean)
        alike.append(np.asarray((clean - change) / scale, np.float32))
    return alike, cleaned


def _own_light(residual: Plane, light: Plane) -> NDArray[np.bool_]:
    """Return where one exposure shows light that the others do not.

    Wings of sources and light from beside the detector move from dither to dither. With few
    exposures they shift a median; they are brighter than what noise, or a change of the
    shape of the light, adds to it.
    """
    width = MODE_CELL // CELL
    blocks, known = average_blocks(residual, width)
    blocks[known < LEAST_OF_BLOCK] = np.nan
    change = OWN_SHARE * average_blocks(light, width)[0]
    found = np.zeros(blocks.shape, np.bool_)
    for sigma in OWN_SCALES:
        layer = smooth(np.where(found, np.float32(np.nan), blocks), sigma)
        with np.errstate(invalid="ignore"):
            found |= layer > OWN_LIGHT * _scatter(layer) + change
    return np.asarray(spread(found, width, residual.shape), np.bool_)


def _lasting_kinds(
    exposures: Sequence[Plane], kinds: NDArray[np.uint16], params: StrayLightParams
) -> list[int]:
    """Return the kinds of light that exposures show which had no part in their picture."""
    strengths: dict[int, list[float]] = {int(kind): [] for kind in np.unique(kinds)}
    for fold in range(FOLDS):
        others = [e for k, e in enumerate(exposures) if k % FOLDS != fold]
        picture = _picture(others, params).light
        here = [kind for kind in strengths if (picture[kinds == kind] > 0).any()]
        for held_out in exposures[fold::FOLDS]:
            seen = dict.fromkeys(strengths, 0.0)
            if here:
                light = _by_kind(picture, kinds)
                sampling = Sampling(len(light), CELL, MODE_CELL)
                fit = fit_strength(held_out, light, params, sampling)
                seen |= zip(here, (fit.strength, *fit.further), strict=True)
            for kind, strength in seen.items():
                strengths[kind].append(strength)
    return [k for k, own in strengths.items() if np.median(own) >= LEAST_HELD_OUT]


def _with_change(
    made: StrayTemplate, exposures: Sequence[Plane], params: StrayLightParams
) -> StrayTemplate:
    """Return a template with the leading mode of what it leaves, unless it is noise."""
    light = made.light
    lit = np.asarray(light.any(axis=0), np.bool_)
    sampling = Sampling(len(light), CELL, MODE_CELL)
    box = find_box(lit, sampling)
    if box is None or len(exposures) < LEAST_FOR_MODE:
        return made
    width = MODE_CELL // CELL
    shapes = [average_blocks(part[box], width)[0] for part in light]
    inside = lit[box]
    region = average_blocks(inside.astype(np.float32), width)[0] > 0.5
    rows = []
    for exposure in exposures:
        fit = fit_strength(exposure, light, params, sampling)
        values, weight = average_blocks(exposure[box], width)
        left = values - np.tensordot((fit.strength, *fit.further), shapes, axes=1)
        known = weight > 0.5
        left = np.where(known & region, left, 0.0)
        # levels of rows are 1/f noise, which the fit leaves free to vary
        left = _even_rows(left, known & region)
        rows.append(scipy.ndimage.gaussian_filter(left, MODE_SMOOTHING)[region])
    modes, strengths, across = np.linalg.svd(np.array(rows), full_matrices=False)
    if not strengths[0] ** 2 > MODE_STANDS_OUT * np.mean(strengths[1:-1] ** 2):
        return made
    mode = np.zeros(region.shape)
    mode[region] = across[0] * strengths[0] * np.abs(modes[:, 0]).max()
    change = np.zeros(lit.shape, np.float32)
    change[box] = expand(mode.astype(np.float32), width, inside.shape)
    change *= lit
    return made._replace(light=np.concatenate([light, change[None]]))


def _even_rows(values: Vector, used: NDArray[np.bool_]) -> Vector:
    """Return cells minus the mean of those used in each amplifier row; 0 elsewhere."""
    n_rows, n_cols = values.shape
    width = OUTPUT_COLUMNS // MODE_CELL
    width = width if n_cols % width == 0 else n_cols
    parts, count = (k.reshape(n_rows, -1, width) for k in (values, used))
    means = parts.sum(axis=2) / np.maximum(count.sum(axis=2), 1)
    even = (parts - means[:, :, None]).reshape(values.shape)
    return np.where(used, even, 0.0)


def _plane(values: Plane) -> NDArray[np.float32]:
    """Return the plane through the medians of large areas: the gradient of the sky."""
    step = max(8, min(values.shape) // 16)
    rows, cols = (np.arange(step // 2, n, step) for n in values.shape)
    half = step // 2
    at = np.array(
        [
            (i, j, np.median(values[i - half : i + half, j - half : j + half]))
            for i in rows
            for j in cols
        ]
    )
    if len(at) < SKY_TERMS:
        return np.zeros((1, 1), np.float32)
    basis = np.column_stack([np.ones(len(at)), at[:, :2]])
    level, by_row, by_col = _robust_plane(basis, at[:, 2])
    row, col = np.ogrid[: values.shape[0], : values.shape[1]]
    return np.asarray(level + by_row * row + by_col * col, np.float32)


def _robust_plane(basis: Vector, values: Vector) -> Vector:
    """Return the coefficients of a plane, with areas of stray light clipped."""
    used = np.ones(len(values), np.bool_)
    solution: Vector = np.zeros(SKY_TERMS)
    for _ in range(PLANE_ROUNDS):
        solution = np.asarray(np.linalg.lstsq(basis[used], values[used], rcond=None)[0])
        residual = values - basis @ solution
        scatter = _scatter(residual[used])
        inside = (residual > CLIP_LOW * scatter) & (residual < CLIP_HIGH * scatter)
        if inside.sum() < 6 or (inside == used).all():
            break
        used = inside
    return np.asarray(solution)


def _scatter(values: NDArray[np.floating[Any]]) -> float:
    """Return the standard deviation from the lower half, as stray light only adds."""
    known = values[np.isfinite(values)]
    if known.size == 0:
        return 0.0
    low, middle = np.percentile(known, (15.87, 50.0))
    return float(middle - low)


@kernel
def _median_of_rows(
    band: NDArray[np.float32], median: NDArray[np.float32], count: NDArray[np.int32]
) -> None:
    """Fill one row of the medians of (exposures, cols) values, NaN left out."""
    n_exposures, n_cols = band.shape
    values = np.empty(n_exposures, np.float32)
    for col in range(n_cols):
        n = 0
        for k in range(n_exposures):
            value = band[k, col]
            if not np.isnan(value):
                values[n] = value
                n += 1
        count[col] = n
        if n == 0:
            median[col] = np.nan
            continue
        middle = select_median(values, n)
        if n % 2 == 0:
            # the selection leaves the larger values after the median
            above = values[n // 2]
            for k in range(n // 2 + 1, n):
                above = min(above, values[k])
            middle = 0.5 * (middle + above)
        median[col] = middle
