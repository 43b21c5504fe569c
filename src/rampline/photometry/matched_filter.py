"""Matched filter: the significance of a source at each pixel.

For a source of known shape on noise of known variance, the sum of signal times shape over
variance is the optimal statistic (Turin 1960; Stetson 1987). The shape is a Gaussian as
wide as the image of a star. The scatter of the statistic on empty sky is measured, not
assumed, because drizzling correlates the noise of neighbouring pixels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.jit import kernel
from ..numerics.selection import MAD_TO_SIGMA
from .smoothing import gaussian_weights, smooth_rows

FWHM_PER_SIGMA = 2.354820045030949
BAND_ROWS = 32
SAMPLE = 300_000
"""Number of pixels that determines the scatter of the sky to a few thousandths."""
LEAST_WEIGHT = 0.2
"""Minimum fraction of the filter's weight on pixels with data; low enough for the filter
to bridge the holes of star cores."""


class Filtered(NamedTuple):
    """A mosaic convolved with the matched filter.

    Attributes
    ----------
    snr : (rows, cols) float32
        The statistic in units of its scatter on empty sky; 0 far from data.
    smooth : (rows, cols) float32, MJy/sr
        The signal smoothed with the Gaussian.
    noise_scale : float
        The scatter over the prediction of the errors for independent pixels.
    """

    snr: Plane
    smooth: Plane
    noise_scale: float


def filter_image(
    signal: Plane, err: Plane, valid: NDArray[np.bool_], fwhm_px: float
) -> Filtered:
    """Apply the matched filter to an image, and smooth the image.

    Parameters
    ----------
    signal : (rows, cols) float32, MJy/sr
        Background-subtracted.
    err : (rows, cols) float32, MJy/sr
    valid : (rows, cols) bool
        Pixels with data; the others have no weight.
    fwhm_px : float, pixels
        Full width at half maximum of the Gaussian.
    """
    sigma = fwhm_px / FWHM_PER_SIGMA
    # the square of a Gaussian is a narrower Gaussian of area 1 / (4 pi sigma^2)
    wide, narrow = gaussian_weights(sigma), gaussian_weights(sigma / np.sqrt(2))
    narrow /= np.float32(np.sqrt(4 * np.pi) * sigma)
    n_rows, n_cols = signal.shape
    snr, smooth = np.empty_like(signal), np.empty_like(signal)
    halo, line = wide.size // 2, np.empty(n_cols + wide.size, np.float32)
    planes = np.empty((4, BAND_ROWS + 2 * halo, n_cols), np.float32)
    sums = np.empty((4, BAND_ROWS, n_cols), np.float32)
    for first in range(0, n_rows, BAND_ROWS):
        last = min(first + BAND_ROWS, n_rows)
        top, bottom = max(first - halo, 0), min(last + halo, n_rows)
        band, out = planes[:, : bottom - top], sums[:, : last - first]
        _weigh_pixels(signal[top:bottom], err[top:bottom], valid[top:bottom], band)
        for plane, weights, total in zip(
            band, (wide, narrow, wide, wide), out, strict=True
        ):
            smooth_rows(plane, weights, first - top, line, total)
        smooth[first:last] = out[2]
        _weigh_sums(out, LEAST_WEIGHT, snr[first:last])
    scale = scatter_of_sky(_sample(snr, valid))
    snr /= np.float32(scale)
    return Filtered(snr, smooth, scale)


@kernel
def _weigh_pixels(
    signal: Plane, err: Plane, valid: NDArray[np.bool_], out: NDArray[np.float32]
) -> None:
    """Fill signal over variance, inverse variance, signal, and 1; 0 without data."""
    for i in range(signal.shape[0]):
        for j in range(signal.shape[1]):
            value, noise = signal[i, j], err[i, j]
            known = valid[i, j]
            inverse = np.float32(1.0) / (noise * noise)
            out[0, i, j] = value * inverse if known else np.float32(0.0)
            out[1, i, j] = inverse if known else np.float32(0.0)
            out[2, i, j] = value if known else np.float32(0.0)
            out[3, i, j] = np.float32(1.0) if known else np.float32(0.0)


@kernel
def _weigh_sums(sums: NDArray[np.float32], least: float, snr: Plane) -> None:
    """Fill the statistic from the smoothed planes of `_weigh_pixels`; 0 far from data."""
    for i in range(snr.shape[0]):
        for j in range(snr.shape[1]):
            below = sums[1, i, j]
            ratio = sums[0, i, j] / np.sqrt(below)
            seen = below > np.float32(0.0) and sums[3, i, j] > least
            snr[i, j] = ratio if seen else np.float32(0.0)


def _sample(values: Plane, valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return valid values at a regular stride, at most 600 000 of them."""
    count = int(np.count_nonzero(valid))
    step = max(count // SAMPLE, 1)
    sample = np.empty(-(-count // step), np.float32)
    _take_every(values, valid, step, sample)
    return sample


@kernel
def _take_every(
    values: Plane, valid: NDArray[np.bool_], step: int, out: NDArray[np.float32]
) -> None:
    """Copy every ``step``-th valid value, row by row."""
    seen = 0
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            if valid[i, j]:
                if seen % step == 0:
                    out[seen // step] = values[i, j]
                seen += 1


def scatter_of_sky(values: NDArray[np.float32]) -> float:
    """Return the standard deviation of empty sky from the lower half of its values.

    Parameters
    ----------
    values : (n,) float32
        Pixels of a whole image, including its sources, which are positive.

    Returns
    -------
    float
        1 if there are too few values.

    Notes
    -----
    The peak of the distribution is the median after clipping at two standard deviations;
    the standard deviation is 1.4826 times the median distance of the values below it.
    """
    ordered = np.sort(values)
    if ordered.size == 0:
        return 1.0
    centre, spread = _middle(ordered), 0.0
    for _ in range(5):
        below = ordered[: np.searchsorted(ordered, centre)]
        if below.size == 0:
            return 1.0
        spread = MAD_TO_SIGMA * (centre - _middle(below))
        low = np.searchsorted(ordered, centre - 2.0 * spread, side="right")
        near = ordered[low : np.searchsorted(ordered, centre + 2.0 * spread)]
        if near.size == 0:
            return 1.0
        centre = _middle(near)
    return spread if spread > 0 else 1.0


def _middle(ordered: NDArray[np.float32]) -> float:
    """Return the median of sorted values."""
    half = ordered.size // 2
    return float(ordered[half] + ordered[~half]) / 2.0
