"""Detections that are sharper than the image of a star.

Where only one exposure covers the sky, its cosmic rays and hot pixels cannot be identified
by comparison and remain in the mosaic. Each is as narrow as a pixel in at least one
direction, whereas no source is narrower than the image of a star. The width of each
detection in its narrowest direction is compared with both: detections closer to a single
pixel than to a star are dropped. For filters whose PSF is hardly wider than a pixel the two
widths converge; the star is taken at its sharpest, centred on a pixel, so that stars are
not dropped.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..params import Sigma, StepParams
from .centroids import measure_centroids
from .labelled_image import LabelledImage
from .matched_filter import FWHM_PER_SIGMA
from .patches import cut_own, cut_patches
from .point_source import PointSource, radial_profile

Values = NDArray[np.float64]


class SharpnessParams(StepParams):
    """How cosmic rays covered by one exposure only are distinguished from sources."""

    significance: Sigma = 3.0
    """Minimum deviation of a width below the limit, in units of its error."""


class Widths(NamedTuple):
    """Width of each detection in its narrowest direction.

    Attributes
    ----------
    variance, error : (sources,) float64, pixels**2
        Smallest eigenvalue of the second moments in a Gaussian window, and its 1 sigma.
    """

    variance: Values
    error: Values


def find_too_sharp(
    image: LabelledImage,
    places: Values,
    star: PointSource,
    noise_scale: float,
    params: SharpnessParams,
) -> NDArray[np.bool_]:
    """Find the detections that are sharper than a star.

    Parameters
    ----------
    image : LabelledImage
        Background-subtracted.
    places : (sources, 2) float64, pixels
        Row and column of each source's peak, in the order of the labels.
    star : PointSource
    noise_scale : float
        Noise of smoothed pixels over the prediction of the errors for independent pixels.
    params : SharpnessParams

    Returns
    -------
    (sources,) bool
    """
    if not params.enabled or len(places) == 0:
        return np.zeros(len(places), np.bool_)
    widths = measure_widths(image, places, star, noise_scale)
    limit = np.sqrt(np.prod(expected_variances(star)))
    upper = widths.variance + params.significance * widths.error
    return np.asarray(upper < limit, np.bool_)


def expected_variances(star: PointSource) -> tuple[float, float]:
    """Return the windowed variances of a single bright pixel and of the sharpest star.

    Returns
    -------
    (float, float), pixels**2

    Notes
    -----
    In the mosaic each exposure pixel is a square of the drop's width convolved with the
    mosaic's pixel. It is approximated by a Gaussian of the same variance, for which the
    windowed moments of a sum of pixels have a closed form.
    """
    window = (star.fwhm_px / FWHM_PER_SIGMA) ** 2
    drop = (star.drop_px**2 + 1.0) / 12.0
    both = window + drop
    lag = np.arange(-6, 7) * star.native_px
    radius = np.hypot(lag[:, None], lag)
    light = radial_profile(radius.ravel(), star.lambda_d_px, (star.native_px,))
    weight = np.exp(-0.5 * radius**2 / both) * light.reshape(radius.shape)
    pixel = drop * window / both
    spread = float((weight * lag**2).sum() / weight.sum()) * (window / both) ** 2
    return pixel, pixel + spread


def measure_widths(
    image: LabelledImage,
    places: Values,
    star: PointSource,
    noise_scale: float,
) -> Widths:
    """Measure the width of each detection in its narrowest direction.

    Parameters
    ----------
    image, places, star, noise_scale
        As in `find_too_sharp`.

    Returns
    -------
    Widths
        Infinite where the flux is not positive, or where half of a star's weight or more
        falls on missing pixels. Otherwise missing pixels are filled with a star of the same
        flux, so that a star keeps its width.
    """
    signal = image.signal
    centre = measure_centroids(image, places, star.fwhm_px, np.ones((1, 1)))
    sigma = star.fwhm_px / FWHM_PER_SIGMA
    half = int(np.ceil(3.0 * sigma)) + 1
    rows, cols = (np.rint(place).astype(np.int64) for place in (centre.row, centre.col))
    steps = np.arange(-half, half + 1.0)
    dy = steps[None, :, None] - (centre.row - rows)[:, None, None]
    dx = steps[None, None, :] - (centre.col - cols)[:, None, None]
    gauss = np.exp(-0.5 * (dy**2 + dx**2) / sigma**2)
    window = gauss * cut_own(image.labels, rows, cols, half)
    is_known = cut_patches(np.isfinite(signal), rows, cols, half) > 0
    light, is_whole = _fill(cut_patches(signal, rows, cols, half), is_known, gauss)
    variance = cut_patches(image.err, rows, cols, half) ** 2
    total = (window * light).sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        yy, xx, yx = (
            (window * light * pair).sum(axis=(1, 2)) / total
            for pair in (dy * dy, dx * dx, dy * dx)
        )
        least = (yy + xx) / 2 - np.hypot((yy - xx) / 2, yx)
        lever = window * (0.5 * (dy**2 + dx**2) - least[:, None, None])
        noise = np.sqrt((lever**2 * variance).sum(axis=(1, 2))) / total * noise_scale
    known = np.isfinite(least) & (total > 0) & is_whole
    return Widths(np.where(known, least, np.inf), np.where(known, noise, 0.0))


def _fill(
    light: Values, is_known: NDArray[np.bool_], gauss: Values
) -> tuple[Values, NDArray[np.bool_]]:
    """Fill missing pixels with a star's light; return also where less than half is missing.

    ``gauss`` is both the model of the star and the window in which its flux is measured.
    """
    seen = (gauss**2 * is_known).sum(axis=(1, 2))
    flux = (gauss * light * is_known).sum(axis=(1, 2)) / np.maximum(seen, 1e-9)
    filled = np.where(is_known, light, flux[:, None, None] * gauss)
    return filled, np.asarray(seen > 0.5 * (gauss**2).sum(axis=(1, 2)), np.bool_)
