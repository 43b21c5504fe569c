"""Find tadpoles in the pixels of a grism exposure, near the positions expected.

A head is a compact peak at a nearly fixed offset from its source. Spectra run along the
columns, as tails do, but are longer: after subtraction of the running median of each
column, heads, most of the tails and narrow lines remain. The common offset of all heads
from their expected positions (from pointing, or filters whose offset has not been
measured) is determined from the mean of all cutouts; then each head is searched for
individually.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.jit import kernel
from ..numerics.selection import MAD_TO_SIGMA
from ..params import Fraction, PixelsFloat, Sigma, StepParams
from .grism_sky import smooth_known
from .tadpoles import TAIL_HALF_PX, Head

CONTINUUM_PX: Final = 201
"""Rows of the running median: twice the bright part of a tail, and less than the
spectra of wide filters."""
MARGIN_PX: Final = 12
"""Margin around the search areas, for the scatter of their mean."""
LEAST_IN_COMMON: Final = 3
"""Minimum number of heads with a common offset: fewer would choose among peaks of noise."""
TWO_SIGMA: Final = 97.72
"""Percentile of a normal distribution at two standard deviations."""
CLIP_SIGMA: Final = 20.0
"""Limit of values in the mean of all cutouts, so that no single one dominates."""


class TadpoleSearchParams(StepParams):
    """How tadpoles are searched for."""

    threshold: Sigma = 5.0
    """Minimum significance of a head, smoothed over its width."""
    smoothing: PixelsFloat = 2.0
    """Standard deviation of the smoothing Gaussian: roughly that of a head."""
    least_share: Fraction = 0.1
    """Minimum fraction of the expected brightness; fainter peaks are not tadpoles."""
    mask_threshold: Sigma = 3.0
    """Head and tail are flagged where they exceed this many times the pixel's error."""
    core: PixelsFloat = 5.0
    """Radius within which a head is always flagged."""


class FoundHead(NamedTuple):
    """Result of the search for an expected head."""

    expected: Head
    x: float
    """Column of the peak, pixels; NaN if none was found."""
    y: float
    """Row of the peak, pixels; NaN if none was found."""
    rate: float
    """Brightness of the smoothed peak, DN/s; NaN if none was found."""
    significance: float
    """Of the highest point near the expected position."""
    n_pixels: int
    """Number of pixels flagged."""


class Tadpoles(NamedTuple):
    """The tadpoles of an exposure."""

    heads: tuple[FoundHead, ...]
    shift: tuple[float, float]
    """Common offset of all heads from their expected positions: columns, rows."""
    mask: NDArray[np.bool_]
    """(rows, cols)."""


class _Contrast(NamedTuple):
    light: Plane
    """Smoothed image minus spectra."""
    significance: Plane


def find_tadpoles(
    residual: Plane, err: Plane, heads: Sequence[Head], params: TadpoleSearchParams
) -> Tadpoles:
    """Search for the heads of tadpoles and flag them with their tails.

    Parameters
    ----------
    residual : (rows, cols) float32, DN/s
        Image minus its sky; NaN on bad pixels.
    err : (rows, cols) float32, DN/s
    heads : sequence of Head
        Expected heads, in pixels of this image.
    params : TadpoleSearchParams
    """
    mask = np.zeros(residual.shape, np.bool_)
    if not heads:
        return Tadpoles((), (0.0, 0.0), mask)
    contrast = _contrast(residual, err, params.smoothing)
    shift = _common_shift(contrast.significance, heads, params.threshold)
    found = []
    for head in heads:
        peak = _peak(contrast.significance, head, shift)
        value = float(contrast.significance[peak])
        rate = float(contrast.light[peak])
        if value > params.threshold and rate > params.least_share * head.rate:
            whole = _whole(contrast.light, err, peak, params)
            mask[whole.box] |= whole.inside
            n_pixels = int(whole.inside.sum())
            found.append(
                FoundHead(head, float(peak[1]), float(peak[0]), rate, value, n_pixels)
            )
        else:
            found.append(FoundHead(head, np.nan, np.nan, np.nan, value, 0))
    return Tadpoles(tuple(found), shift, mask)


def _contrast(residual: Plane, err: Plane, sigma_px: float) -> _Contrast:
    """Return the smoothed image minus its spectra, and its ratio to the noise."""
    smooth, share = smooth_known(residual, sigma_px)
    smooth = np.nan_to_num(smooth, nan=0.0)
    light = smooth - running_median(smooth, CONTINUUM_PX)
    variance, _ = smooth_known(err**2, sigma_px / 2**0.5)
    # the Gaussian averages 4 pi sigma^2 pixels, fewer where some are unknown
    n_averaged = 4.0 * np.pi * sigma_px**2 * np.maximum(share, 0.05)
    noise = np.sqrt(np.where(variance > 0, variance, np.inf) / n_averaged)
    ratio = light / noise
    # the scatter includes stripes and faint sources, which the errors do not: these make
    # the upper tail longer, and peaks are many
    scatter = float(np.median(np.abs(ratio))) * MAD_TO_SIGMA
    scatter = max(scatter, float(np.percentile(ratio, TWO_SIGMA)) / 2.0)
    return _Contrast(light, np.asarray(ratio / max(scatter, 1.0), np.float32))


def running_median(values: Plane, length: int) -> Plane:
    """Return the running median along columns.

    Parameters
    ----------
    values : (rows, cols) float32
        Without NaN.
    length : int, pixels
        Odd; shorter at the edges. For an even number of values, the lower of the middle
        two.

    Returns
    -------
    (rows, cols) float32
    """
    columns = np.ascontiguousarray(values.T)
    out = np.empty_like(columns)
    _running_median(columns, length // 2, out)
    return np.ascontiguousarray(out.T)


def _common_shift(
    significance: Plane, heads: Sequence[Head], threshold: float
) -> tuple[float, float]:
    """Return the common offset of heads from their expected positions: columns, rows."""
    reach = int(max(head.radius for head in heads))
    if len(heads) < LEAST_IN_COMMON:
        return 0.0, 0.0
    total = np.zeros((2 * (reach + MARGIN_PX) + 1,) * 2)
    count = np.zeros_like(total)
    for head in heads:
        part = _cutout(significance, head, reach + MARGIN_PX)
        known = np.isfinite(part)
        total += np.where(known, np.clip(part, -CLIP_SIGMA, CLIP_SIGMA), 0.0)
        count += known
    mean = scipy.ndimage.gaussian_filter(total / np.maximum(count, 1), 2.0)
    row, col = np.indices(mean.shape) - (reach + MARGIN_PX)
    near = np.hypot(row, col) <= reach
    scatter = float(np.median(np.abs(mean[~near] - np.median(mean[~near]))))
    at = np.argmax(np.where(near, mean, -np.inf))
    above = mean.flat[at] - np.median(mean[~near])
    if not above > threshold * MAD_TO_SIGMA * scatter:
        return 0.0, 0.0
    return float(col.flat[at]), float(row.flat[at])


def _cutout(values: Plane, head: Head, reach: int) -> NDArray[np.float64]:
    """Return the square around an expected head, NaN outside the image."""
    row, col = round(head.y), round(head.x)
    out = np.full((2 * reach + 1,) * 2, np.nan)
    rows, cols = (
        np.arange(k - reach, k + reach + 1).clip(-1, n)
        for k, n in zip((row, col), values.shape, strict=True)
    )
    inside = np.ix_(
        (rows >= 0) & (rows < values.shape[0]), (cols >= 0) & (cols < values.shape[1])
    )
    box = np.ix_(rows[inside[0].ravel()], cols[inside[1].ravel()])
    out[inside] = values[box]
    return out


def _peak(
    significance: Plane, head: Head, shift: tuple[float, float]
) -> tuple[int, int]:
    """Return row and column of the highest point near an expected head."""
    x, y = head.x + shift[0], head.y + shift[1]
    rows, cols = (
        np.arange(max(0, int(k - head.radius)), min(n, int(k + head.radius) + 2))
        for k, n in zip((y, x), significance.shape, strict=True)
    )
    if rows.size == 0 or cols.size == 0:
        # shifted out of the image
        return (
            int(np.clip(y, 0, significance.shape[0] - 1)),
            int(np.clip(x, 0, significance.shape[1] - 1)),
        )
    near = np.hypot(rows[:, None] - y, cols[None, :] - x) <= head.radius
    cut = np.where(near, significance[np.ix_(rows, cols)], -np.inf)
    row, col = np.unravel_index(np.argmax(cut), cut.shape)
    return int(rows[row]), int(cols[col])


class _Whole(NamedTuple):
    box: tuple[slice, slice]
    inside: NDArray[np.bool_]


def _whole(
    light: Plane, err: Plane, peak: tuple[int, int], params: TadpoleSearchParams
) -> _Whole:
    """Return head and tail: the bright pixels of the strip connected to the peak."""
    half_x, half_y = (round(half) for half in TAIL_HALF_PX)
    row, col = peak
    box = (
        slice(max(0, row - half_y), row + half_y + 1),
        slice(max(0, col - half_x), col + half_x + 1),
    )
    rows, cols = np.ogrid[: light.shape[0], : light.shape[1]]
    core = np.hypot(rows[box[0]] - row, cols[:, box[1]] - col) <= params.core
    bright = light[box] > params.mask_threshold * np.nan_to_num(err[box], nan=np.inf)
    return _Whole(
        box, np.asarray(scipy.ndimage.binary_propagation(core, mask=core | bright))
    )


@kernel
def _running_median(
    lines: NDArray[np.float32], half: int, out: NDArray[np.float32]
) -> None:
    """Fill running medians along lines, (lines, pixels), with a sorted window."""
    n_lines, n = lines.shape
    window = np.empty(2 * half + 1, np.float32)
    for k in range(n_lines):
        size = 0
        for i in range(n + half):
            if i < n:
                value, at = lines[k, i], size
                if size == 2 * half + 1:
                    size = _take_out(window, size, lines[k, i - 2 * half - 1])
                at = np.searchsorted(window[:size], value)
                for m in range(size, at, -1):
                    window[m] = window[m - 1]
                window[at] = value
                size += 1
            elif i - 2 * half - 1 >= 0:
                size = _take_out(window, size, lines[k, i - 2 * half - 1])
            if i >= half:
                out[k, i - half] = window[(size - 1) // 2]


@kernel
def _take_out(window: NDArray[np.float32], size: int, value: float) -> int:
    """Remove one value from a sorted window; return the number left."""
    for m in range(np.searchsorted(window[:size], value), size - 1):
        window[m] = window[m + 1]
    return size - 1
