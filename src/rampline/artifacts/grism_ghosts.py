"""Tadpoles found in the pixels of a grism exposure, where sources lead to expect them.

A head is a compact peak at a nearly fixed offset from its source. Spectra run along the
columns, as tails do, but are longer: less the running median of its column the image keeps
heads, most of the tails and narrow lines. How far all heads are from where they are expected
(pointing, filters whose offset nobody measured) is read off from the mean of all places;
then each is looked for near its own.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..exposure.records import Plane
from ..numerics.jit import kernel
from ..numerics.selection import MAD_TO_SIGMA
from ..params import Fraction, PixelsFloat, Sigma, StepParams
from .grism_sky import smooth_known
from .tadpoles import TAIL_HALF_PX, Head

CONTINUUM_PX: Final = 201
"""Rows of the running median: twice what is bright of a tail, and less than
the spectra of wide filters."""
MARGIN_PX: Final = 12
"""Round the searched places, for the scatter of their mean."""
CLIP_SIGMA: Final = 20.0
"""More than this counts no more in the mean of all places: no single one decides."""


class TadpoleSearchParams(StepParams):
    """How tadpoles are looked for."""

    threshold: Sigma = 5.0
    """A head stands out this far, smoothed over its width."""
    smoothing: PixelsFloat = 2.0
    """Standard deviation of the Gaussian: that of a head, roughly."""
    least_share: Fraction = 0.1
    """Of the expected brightness: fainter peaks are something else."""
    mask_threshold: Sigma = 3.0
    """Head and tail are flagged where they exceed this many errors of a pixel."""
    core: PixelsFloat = 5.0
    """Radius within which a head is always flagged."""


class FoundHead(NamedTuple):
    """What was found where a tadpole's head is expected."""

    expected: Head
    x: float
    """Column of the peak, pixels; NaN where none stands out."""
    y: float
    """Row."""
    rate: float
    """Brightness of the smoothed peak, DN/s; NaN where none stands out."""
    significance: float
    """Of the highest point near the expected place."""
    n_pixels: int
    """That are flagged."""


class Tadpoles(NamedTuple):
    """The tadpoles of an exposure."""

    heads: tuple[FoundHead, ...]
    shift: tuple[float, float]
    """Columns and rows that all heads are off."""
    mask: NDArray[np.bool_]
    """(rows, cols)."""


class _Contrast(NamedTuple):
    light: Plane
    """Smoothed image less spectra."""
    significance: Plane


def find_tadpoles(
    residual: Plane, err: Plane, heads: Sequence[Head], params: TadpoleSearchParams
) -> Tadpoles:
    """Look for the heads of tadpoles and flag them with their tails.

    Parameters
    ----------
    residual : (rows, cols) float32, DN/s
        Less its sky; NaN on bad pixels.
    err : (rows, cols) float32, DN/s
    heads : sequence of Head
        Where they are expected, in pixels of this image.
    params : TadpoleSearchParams

    Returns
    -------
    Tadpoles
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
    """Return the smoothed image less its spectra, and the same over its noise."""
    smooth, share = smooth_known(residual, sigma_px)
    smooth = np.nan_to_num(smooth, nan=0.0)
    light = smooth - running_median(smooth, CONTINUUM_PX)
    variance, _ = smooth_known(err**2, sigma_px / 2**0.5)
    # a mean of 4 pi sigma^2 pixels, less where some are unknown
    n_averaged = 4.0 * np.pi * sigma_px**2 * np.maximum(share, 0.05)
    noise = np.sqrt(np.where(variance > 0, variance, np.inf) / n_averaged)
    ratio = light / noise
    # what errors leave out, faint sources and stripes, shows in the scatter
    scatter = float(np.median(np.abs(ratio))) * MAD_TO_SIGMA
    return _Contrast(light, np.asarray(ratio / max(scatter, 1.0), np.float32))


def running_median(values: Plane, length: int) -> Plane:
    """Return the median of the rows around each pixel in its column.

    Parameters
    ----------
    values : (rows, cols) float32
        Without NaN.
    length : int, pixels
        Odd; fewer at the edges. Of an even number the lower middle counts.

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
    """Return how far all heads are from where they are expected: columns, rows."""
    reach = int(max(head.radius for head in heads))
    total = np.zeros((2 * (reach + MARGIN_PX) + 1,) * 2)
    count = np.zeros_like(total)
    for head in heads:
        part = _cutout(significance, head, reach + MARGIN_PX)
        known = np.isfinite(part)
        total += np.where(known, np.clip(part, -CLIP_SIGMA, CLIP_SIGMA), 0.0)
        count += known
    mean = ndimage.gaussian_filter(total / np.maximum(count, 1), 2.0)
    row, col = np.indices(mean.shape) - (reach + MARGIN_PX)
    near = np.hypot(row, col) <= reach
    scatter = float(np.median(np.abs(mean[~near] - np.median(mean[~near]))))
    at = np.argmax(np.where(near, mean, -np.inf))
    above = mean.flat[at] - np.median(mean[~near])
    if not above > threshold * MAD_TO_SIGMA * scatter:
        return 0.0, 0.0
    return float(col.flat[at]), float(row.flat[at])


def _cutout(values: Plane, head: Head, reach: int) -> NDArray[np.float64]:
    """Return the square round an expected head, NaN outside the image."""
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
        # carried out of the image by the shift
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
    """Return head and tail: what is bright in the strip and joined to the peak."""
    half_x, half_y = (round(half) for half in TAIL_HALF_PX)
    row, col = peak
    box = (
        slice(max(0, row - half_y), row + half_y + 1),
        slice(max(0, col - half_x), col + half_x + 1),
    )
    rows, cols = np.ogrid[: light.shape[0], : light.shape[1]]
    core = np.hypot(rows[box[0]] - row, cols[:, box[1]] - col) <= params.core
    bright = light[box] > params.mask_threshold * np.nan_to_num(err[box], nan=np.inf)
    return _Whole(box, np.asarray(ndimage.binary_propagation(core, mask=core | bright)))


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
    """Take one value out of a sorted window; return how many are left."""
    for m in range(np.searchsorted(window[:size], value), size - 1):
        window[m] = window[m + 1]
    return size - 1
