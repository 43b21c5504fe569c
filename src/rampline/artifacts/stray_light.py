"""Stray light that stays on its place of the detector: wisps and claws, from the data.

Stars and galaxies move over a detector from dither to dither, wisps stay and claws hardly
move. The median of source-masked exposures of one detector and filter is therefore a picture
of the stray light. What stands out of its smoothed noise over a large connected area becomes
the template; in each exposure it is fitted with a constant and a slope of the sky, because its
strength changes, and subtracted where the fit is sure. Least squares with asymmetric clipping
rather than a minimum of the scatter: the latter is biased low where stray light leaks into
the source mask.
"""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from ..exposure.records import Plane
from ..numerics.jit import kernel
from ..numerics.selection import MAD_TO_SIGMA, select_median
from ..params import Count, Factor, Pixels, PixelsFloat, Sigma, StepParams
from .bits import CLAW_CORRECTED, WISP_CORRECTED
from .wisps import FILTERS, WINDOWS

BLOCK: Final = 4
"""Pixels a block of the fit is wide: finer detail has no say in a template this smooth."""
CLIP_LOW, CLIP_HIGH = -4.0, 2.5
"""Blocks further from the fit are left out, sigma; sources are brighter than the sky."""
ROUNDS: Final = 6
MARGIN_PX: Final = 128
"""Sky around the stray light that takes part in the fit."""
WING: Final = 0.5
"""Share of the detection threshold down to which a template follows what it found."""
MEDIAN_NOISE: Final = float(np.sqrt(np.pi / 2))
"""Noise of a median of many values over that of their mean."""
LEAST_VALUES: Final = 2
"""Exposures that must show sky at a pixel; other pixels are filled from around."""
REBUILDS: Final = 1
"""Times that the template is made again of exposures scaled to one strength."""
WEAKEST: Final = 0.3
"""Scaling up weaker exposures would add more noise than light."""
HOLE_FACTORS: Final = (4.0, 16.0)
"""How much wider holes are smoothed over than the rest, the larger ones wider."""


class StrayLightParams(StepParams):
    """How wisps and claws are found and subtracted."""

    least_exposures: Annotated[Count, Field(ge=2)] = 3
    """Fewer exposures of a detector and filter make no template."""
    smoothing: PixelsFloat = 3.0
    """Standard deviation of the Gaussian that smooths the median."""
    threshold: Sigma = 3.0
    """A template starts where the smoothed median stands this far out."""
    least_area: Pixels = 500
    """Smaller regions are left alone."""
    significance: Sigma = 5.0
    """Only strengths this sure are subtracted."""
    strongest: Factor = 3.0
    """Strengths above this many times the template's are not believed."""


class StrayTemplate(NamedTuple):
    """Stray light on one detector in one filter."""

    light: Plane
    """(rows, cols), in the unit of the exposures; 0 where none was found."""
    err: Plane
    """(rows, cols): its standard error; 0 where ``light`` is 0."""
    bits: NDArray[np.uint16]
    """(rows, cols): of the ``ARTIFACT`` plane."""


class StrayFit(NamedTuple):
    """How strong the stray light is in one exposure."""

    strength: float
    """Times the template; 0 where it is not subtracted."""
    measured: float
    """The fitted strength, subtracted or not; NaN where it could not be fitted."""
    strength_err: float


def median_stack(exposures: Sequence[Plane]) -> tuple[Plane, NDArray[np.int32]]:
    """Return the median of exposures, pixel by pixel.

    Parameters
    ----------
    exposures : sequence of (rows, cols) float32
        Less their sky, any unit; NaN on sources and bad pixels.

    Returns
    -------
    median : (rows, cols) float32
        NaN where no exposure has a value; the mean of the middle two where their number is
        even.
    count : (rows, cols) int32
        Exposures with a value.
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
) -> StrayTemplate:
    """Make the template of a detector and filter.

    Parameters
    ----------
    exposures : sequence of (rows, cols) float32
        As for `median_stack`; at least ``params.least_exposures``, dithered.
    optics : (str, str)
        Detector and filter: they tell wisps, which have their windows, from claws.
    first_pixel : (int, int)
        Row and column of a subarray's first pixel on the full detector.
    params : StrayLightParams

    Returns
    -------
    StrayTemplate
        All zero where nothing stands out.
    """
    light, scatter = _picture(exposures, params)
    for _ in range(REBUILDS):
        alike = _of_equal_strength(exposures, light, params)
        if len(alike) < params.least_exposures:
            break
        light, scatter = _picture(alike, params)
    region = light > 0
    bits = tell_apart(region, optics, first_pixel)
    err = np.where(region, np.float32(scatter), np.float32(0))
    return StrayTemplate(light, err, bits)


def _picture(
    exposures: Sequence[Plane], params: StrayLightParams
) -> tuple[Plane, float]:
    """Return what stands out of the smoothed median, 0 elsewhere, and its noise."""
    median, count = median_stack(exposures)
    known = np.where(count >= LEAST_VALUES, median, np.float32(np.nan))
    smooth = _smooth(known, params.smoothing)
    for factor in HOLE_FACTORS:
        wide = _smooth(known, factor * params.smoothing)
        smooth = np.where(np.isfinite(smooth), smooth, wide)
    smooth = smooth - _plane(smooth)
    scatter = _scatter(smooth)
    region = _regions(smooth, scatter, params)
    return np.where(region, smooth, 0).astype(np.float32), scatter


def _of_equal_strength(
    exposures: Sequence[Plane], light: Plane, params: StrayLightParams
) -> list[Plane]:
    """Return the exposures over the strength of their stray light, the weak ones left out."""
    strengths = [fit_strength(exposure, light, params) for exposure in exposures]
    return [
        np.asarray(exposure / np.float32(fit.strength), np.float32)
        for exposure, fit in zip(exposures, strengths, strict=True)
        if fit.strength > WEAKEST
    ]


def tell_apart(
    region: NDArray[np.bool_], optics: tuple[str, str], first_pixel: tuple[int, int]
) -> NDArray[np.uint16]:
    """Return ``ARTIFACT`` bits of stray light: wisps within their window, claws elsewhere.

    Parameters
    ----------
    region : (rows, cols) bool
    optics : (str, str)
        Detector and filter.
    first_pixel : (int, int)
        Row and column of the region's first pixel on the full detector.

    Returns
    -------
    (rows, cols) uint16
    """
    bits = np.where(region, np.uint16(CLAW_CORRECTED), np.uint16(0))
    detector, filter_name = optics
    if detector in WINDOWS and filter_name in FILTERS:
        spans = zip(WINDOWS[detector][::-1], first_pixel, strict=True)
        window = tuple(
            slice(max(0, low - first), max(0, high - first))
            for (low, high), first in spans
        )
        inside = bits[window]
        inside[inside > 0] = WISP_CORRECTED
    return bits


def fit_strength(exposure: Plane, light: Plane, params: StrayLightParams) -> StrayFit:
    """Fit the strength of stray light in one exposure.

    Parameters
    ----------
    exposure : (rows, cols) float32
        As for `median_stack`.
    light : (rows, cols) float32
        Of a `StrayTemplate`, same unit.
    params : StrayLightParams

    Returns
    -------
    StrayFit
    """
    box = _box(light > 0)
    if box is None:
        return StrayFit(0.0, np.nan, np.inf)
    values, weight = _blocks(exposure[box])
    shape, _ = _blocks(light[box])
    rows, cols = np.indices(values.shape) / max(values.shape)
    basis = np.stack([np.ones_like(values), rows, cols, shape], axis=-1)
    used = weight > 0.5
    if used.sum() < 10 * basis.shape[-1]:
        return StrayFit(0.0, np.nan, np.inf)
    strength, error = _clipped_fit(values[used], basis[used])
    sure = strength > params.significance * error and strength < params.strongest
    return StrayFit(strength if sure else 0.0, strength, error)


def _clipped_fit(
    values: NDArray[np.float64], basis: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the last coefficient and its error, sources clipped."""
    used = np.ones(len(values), np.bool_)
    solution: NDArray[np.float64] = np.zeros(basis.shape[1])
    scatter = 0.0
    for _ in range(ROUNDS):
        solution = np.asarray(np.linalg.lstsq(basis[used], values[used], rcond=None)[0])
        residual = values - basis @ solution
        scatter = float(np.median(np.abs(residual[used]))) * MAD_TO_SIGMA
        inside = (residual > CLIP_LOW * scatter) & (residual < CLIP_HIGH * scatter)
        if scatter == 0.0 or (inside == used).all():
            break
        used = inside
    normal = basis[used].T @ basis[used]
    variance = np.linalg.pinv(normal, hermitian=True)[-1, -1] * scatter**2
    return float(solution[-1]), float(np.sqrt(variance))


def _regions(
    smooth: Plane, scatter: float, params: StrayLightParams
) -> NDArray[np.bool_]:
    """Return the large connected areas that stand out, with their wings."""
    limit = params.threshold * scatter
    with np.errstate(invalid="ignore"):
        core = smooth > limit
        wide = smooth > WING * limit
    labels, n_labels = ndimage.label(core)
    sizes = np.bincount(labels.ravel(), minlength=n_labels + 1)
    sizes[0] = 0
    large = (sizes >= params.least_area)[labels]
    return np.asarray(ndimage.binary_propagation(large, mask=wide), np.bool_)


def _smooth(values: Plane, sigma_px: float) -> Plane:
    """Return the Gaussian mean of the known values around each pixel; NaN where few."""
    finite = np.isfinite(values)
    filled = np.where(finite, values, np.float32(0))
    weight = ndimage.gaussian_filter(finite.astype(np.float32), sigma_px)
    total = ndimage.gaussian_filter(filled, sigma_px)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0.2, total / weight, np.float32(np.nan))


def _plane(values: Plane) -> NDArray[np.float32]:
    """Return the plane through the median of large cells: the sky's slope."""
    step = max(16, min(values.shape) // 16)
    rows = np.arange(step // 2, values.shape[0], step)
    cols = np.arange(step // 2, values.shape[1], step)
    half = step // 2
    cells = np.full((len(rows), len(cols)), np.nan)
    for i, row in enumerate(rows):
        for j, col in enumerate(cols):
            cell = values[row - half : row + half, col - half : col + half]
            cell = cell[np.isfinite(cell)]
            if cell.size:
                cells[i, j] = np.median(cell)
    at = np.isfinite(cells)
    if at.sum() < 3:
        return np.zeros((1, 1), np.float32)
    basis = np.stack(
        [
            np.ones(at.sum()),
            *(axis[at] for axis in np.meshgrid(rows, cols, indexing="ij")),
        ],
        axis=-1,
    ).astype(np.float64)
    level, by_row, by_col = _robust_plane(basis, cells[at])
    row, col = np.ogrid[: values.shape[0], : values.shape[1]]
    return np.asarray(level + by_row * row + by_col * col, np.float32)


def _robust_plane(
    basis: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the coefficients of a plane; cells with stray light stand above and go."""
    used = np.ones(len(values), np.bool_)
    solution: NDArray[np.float64] = np.zeros(3)
    for _ in range(ROUNDS):
        solution = np.asarray(np.linalg.lstsq(basis[used], values[used], rcond=None)[0])
        residual = values - basis @ solution
        scatter = np.median(np.abs(residual[used])) * MAD_TO_SIGMA
        inside = np.abs(residual) <= -CLIP_LOW * scatter
        if inside.sum() < 6 or (inside == used).all():
            break
        used = inside
    return np.asarray(solution)


def _scatter(values: Plane) -> float:
    """Return the standard deviation of the lower half: stray light only adds."""
    known = values[np.isfinite(values)]
    if known.size == 0:
        return 0.0
    low, middle = np.percentile(known, (15.87, 50.0))
    return float(middle - low)


def _box(found: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Return the part of the frame that takes part in a fit; None where nothing is."""
    rows, cols = (np.flatnonzero(found.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return None
    first, last = (max(0, int(k[0]) - MARGIN_PX) for k in (rows, cols)), (rows, cols)
    return tuple(  # type: ignore[return-value]
        slice(low, int(k[-1]) + MARGIN_PX) for low, k in zip(first, last, strict=True)
    )


def _blocks(values: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means of blocks and the share of known pixels in each; whole blocks only."""
    rows, cols = (n // BLOCK for n in values.shape)
    cut = values[: rows * BLOCK, : cols * BLOCK].reshape(rows, BLOCK, cols, BLOCK)
    finite = np.isfinite(cut)
    count = finite.sum(axis=(1, 3))
    total = np.where(finite, cut, 0.0).sum(axis=(1, 3), dtype=np.float64)
    return total / np.maximum(count, 1), count / BLOCK**2


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
            # the selection leaves the larger ones behind it
            above = values[n // 2]
            for k in range(n // 2 + 1, n):
                above = min(above, values[k])
            middle = 0.5 * (middle + above)
        median[col] = middle
