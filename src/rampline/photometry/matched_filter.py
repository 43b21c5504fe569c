"""The image that shows how certain a source is at each pixel.

For a source of known shape on noise of known variance, the sum of signal times shape over
variance is the optimal statistic (Turin 1960; Stetson 1987). The shape is a Gaussian as
wide as the image of a star. What the statistic scatters by on empty sky is measured, not
assumed, because drizzling correlates the noise of neighbouring pixels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..exposure.records import Plane

FWHM_PER_SIGMA = 2.354820045030949
BAND_ROWS = 512
REACH_SIGMA = 4.0
"""Where the Gaussian is cut off."""
LEAST_WEIGHT = 0.2
"""Share of the filter's weight that must fall on data; fills the holes of star cores."""


class Filtered(NamedTuple):
    """A mosaic seen through the matched filter.

    Attributes
    ----------
    snr : (rows, cols) float32
        The statistic in units of its scatter on empty sky; 0 far from data.
    smooth : (rows, cols) float32, MJy/sr
        The signal smoothed with the Gaussian.
    noise_scale : float
        The scatter in units of what the errors predict for independent pixels.
    """

    snr: Plane
    smooth: Plane
    noise_scale: float


def filter_image(
    signal: Plane, err: Plane, valid: NDArray[np.bool_], fwhm_px: float
) -> Filtered:
    """Smooth an image and its signal over variance.

    Parameters
    ----------
    signal : (rows, cols) float32, MJy/sr
        Background-subtracted.
    err : (rows, cols) float32, MJy/sr
    valid : (rows, cols) bool
        Pixels with data; the others have no weight.
    fwhm_px : float, pixels
        Of the Gaussian.

    Returns
    -------
    Filtered
    """
    sigma = fwhm_px / FWHM_PER_SIGMA
    n_rows = signal.shape[0]
    halo = int(np.ceil(REACH_SIGMA * sigma)) + 1
    snr, smooth = np.empty_like(signal), np.empty_like(signal)
    for first in range(0, n_rows, BAND_ROWS):
        top, last = max(first - halo, 0), min(first + BAND_ROWS, n_rows)
        rows = slice(top, min(last + halo, n_rows))
        inner = slice(first - top, last - top)
        parts = _filter_band(signal[rows], err[rows], valid[rows], sigma)
        snr[first:last], smooth[first:last] = (part[inner] for part in parts)
    scale = scatter_of_sky(snr[valid])
    snr /= np.float32(scale)
    return Filtered(snr, smooth, scale)


def _filter_band(
    signal: Plane, err: Plane, valid: NDArray[np.bool_], sigma: float
) -> tuple[Plane, Plane]:
    inverse = np.zeros_like(err)
    np.divide(1.0, err * err, out=inverse, where=valid)
    clean = np.where(valid, signal, np.float32(0))
    top = _blur(clean * inverse, sigma)
    # the square of a Gaussian is a narrower Gaussian of area 1 / (4 pi sigma^2)
    below = _blur(inverse, sigma / np.sqrt(2)) / np.float32(4 * np.pi * sigma**2)
    share = _blur(valid.astype(np.float32), sigma) if not valid.all() else None
    seen = below > 0 if share is None else (below > 0) & (share > LEAST_WEIGHT)
    snr = np.zeros_like(signal)
    np.divide(top, np.sqrt(np.maximum(below, 0)), out=snr, where=seen)
    return snr, _blur(clean, sigma)


def _blur(image: Plane, sigma: float) -> Plane:
    """Convolve with a Gaussian; beyond the edge there are no data, hence no weight."""
    blurred = ndimage.gaussian_filter(
        image, sigma, mode="constant", truncate=REACH_SIGMA
    )
    return np.asarray(blurred, np.float32)


def scatter_of_sky(values: NDArray[np.float32]) -> float:
    """Return the standard deviation of empty sky from its negative half.

    Parameters
    ----------
    values : (n,) float32
        Pixels of a whole image; its sources are among the positive ones.

    Returns
    -------
    float
        1 where there are too few values to tell.

    Notes
    -----
    The peak of the distribution is found as the median after clipping at two deviations;
    the deviation is the median distance of the values below it, as for a Gaussian.
    """
    step = max(values.size // 300_000, 1)
    # so many pixels give the scatter to a few thousandths
    sample = values[::step]
    if sample.size == 0:
        return 1.0
    centre, spread = float(np.median(sample)), 0.0
    for _ in range(5):
        below = sample[sample < centre]
        if below.size == 0:
            return 1.0
        spread = 1.4826 * float(np.median(centre - below))
        near = sample[np.abs(sample - centre) < 2.0 * spread]
        if near.size == 0:
            return 1.0
        centre = float(np.median(near))
    return spread if spread > 0 else 1.0
