"""Find sources on a mosaic and divide its pixels among them.

A source is a connected region above a low isophote of the matched-filter image that
somewhere reaches a high peak: the peak keeps noise out, the isophote gives the source its
extent. A second, wider filter finds what is extended and of low surface brightness. Blends
are divided at their saddles; what is sharper than the telescope's image (cosmic rays that
no second exposure could reveal), and what is a feature of a star's diffraction image, goes.
"""

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from ..exposure.records import Labels, Plane
from ..params import Factor, Params, Sigma, StepParams, Unit
from .background import measure_background
from .diffraction import DiffractionParams, find_features
from .holes import fill_holes, find_holes, locate_cores
from .matched_filter import Filtered, filter_image
from .point_source import PointSource
from .sharpness import SharpnessParams, find_too_sharp
from .watershed import Peaks, flood_peaks

AROUND = np.ones((3, 3), bool)
LARGEST_HOLE = 30.0
"""Width of the widest saturated core, in lambda / D; what is wider is outside the data."""


class DetectionParams(Params):
    """How sources are detected."""

    peak: Sigma = 5.0
    """Least peak of a source on the matched-filter image, in units of its scatter."""
    isophote: Sigma = 2.0
    """Level of the matched-filter image down to which a source extends."""
    min_area: Annotated[int, Field(ge=1), Unit("pixel")] = 5
    """Least number of connected pixels above the isophote."""
    cell: Annotated[int, Field(ge=16), Unit("pixel")] = 256
    """Width of the cells on which the remaining background is measured."""
    wide: Annotated[float, Field(ge=2), Unit("1")] = 3.0
    """Width of the second filter over that of the PSF: of sources between the two the
    nearer filter shows 87 % of the significance that their own shape would."""


class DeblendingParams(StepParams):
    """How overlapping sources are separated."""

    rise: Sigma = 5.0
    """How far the peak of a part of a blend rises above its saddle to a higher part."""
    contrast: Factor = 0.1
    """Least rise in units of the saddle's height."""


class Detection(NamedTuple):
    """Sources of a mosaic.

    Attributes
    ----------
    labels : (rows, cols) int32
        0 on sky, else the source that the pixel belongs to, counted from 1.
    signal : (rows, cols) float32, MJy/sr
        The mosaic without what was left of the background.
    filtered : Filtered
    is_blended : (sources,) bool
        Whether a source shares a border with another one.
    """

    labels: Labels
    signal: Plane
    filtered: Filtered
    is_blended: NDArray[np.bool_]


class Steps(NamedTuple):
    """The parameters of all steps of detection."""

    detection: DetectionParams = DetectionParams()
    deblending: DeblendingParams = DeblendingParams()
    diffraction: DiffractionParams = DiffractionParams()
    sharpness: SharpnessParams = SharpnessParams()


def detect_sources(
    sky: Plane, err: Plane, star: PointSource, steps: Steps
) -> Detection:
    """Detect and separate the sources of a mosaic.

    Parameters
    ----------
    sky, err : (rows, cols) float32, MJy/sr
        NaN where there are no data.
    star : PointSource
        The image of a star on this mosaic.
    steps : Steps

    Returns
    -------
    Detection

    Notes
    -----
    `jwst`'s source_catalog thresholds the smoothed image at 3 times the rms of the
    unsmoothed one with 25 pixels; here the peak is tested in units of the smoothed image's
    own scatter, so the rate of noise peaks is known: at 5 sigma some 3e-7 for each
    independent place (the area of the PSF), 0.3 on a mosaic of 2300 x 2300 pixels.
    """
    params = steps.detection
    valid = np.isfinite(sky) & np.isfinite(err) & (err > 0)
    signal = sky - measure_background(sky, valid, params.cell)
    filtered = filter_image(signal, err, valid, star.fwhm_px)
    holes = find_holes(valid, LARGEST_HOLE * star.lambda_d_px)
    fill_holes(holes, (filtered.snr, filtered.smooth))
    peaks = _find_peaks(filtered.snr, params, steps.deblending)
    found = peaks.labels
    peaks = _reject_features(filtered.smooth, peaks, holes, star, steps.diffraction)
    labels, noise = peaks.labels, filtered.noise_scale
    labels[~valid] = 0
    places = np.stack([peaks.row, peaks.col], axis=1).astype(np.float64)
    image = (signal, err, labels)
    sharp = find_too_sharp(image, places, star, noise, steps.sharpness)
    labels = drop_labels(labels, sharp)
    occupied = found > 0
    labels = _add_extended(labels, occupied, (signal, err, valid), star.fwhm_px, params)
    areas = np.bincount(labels.ravel())[1:]
    labels = drop_labels(labels, areas < params.min_area)
    return Detection(labels, signal, filtered, find_touching(labels))


def _find_peaks(
    snr: Plane, params: DetectionParams, deblending: DeblendingParams
) -> Peaks:
    """Label the regions above the isophote that reach the peak level, and divide them."""
    rise = deblending.rise if deblending.enabled else np.inf
    inside = snr > params.isophote
    return flood_peaks(snr, inside, params.peak, rise, deblending.contrast)


def _reject_features(
    smooth: Plane,
    peaks: Peaks,
    holes: Labels,
    star: PointSource,
    params: DiffractionParams,
) -> Peaks:
    """Give features of a star in its own region back to it, and drop the others."""
    places = (peaks.row, peaks.col)
    cores = locate_cores(peaks.labels, places, holes)
    belongs = find_features(smooth, places, cores, star.lambda_d_px, params)
    count = len(belongs)
    is_own = belongs < 0
    region, _ = ndimage.label(peaks.labels > 0, structure=AROUND)
    region_of = region[peaks.row, peaks.col]
    number = np.zeros(count + 1, np.int32)
    number[1:][is_own] = np.arange(1, is_own.sum() + 1)
    # a star is settled before its features, so its own number is final
    same = ~is_own & (region_of == region_of[belongs])
    number[1:][same] = number[1:][belongs[same]]
    labels = np.asarray(number[peaks.labels], np.int32)
    return Peaks(labels, peaks.row[is_own], peaks.col[is_own], peaks.height[is_own])


def _add_extended(
    labels: Labels,
    occupied: NDArray[np.bool_],
    image: tuple[Plane, Plane, NDArray[np.bool_]],
    fwhm_px: float,
    params: DetectionParams,
) -> Labels:
    """Add regions of a wider filter where nothing was found yet.

    The filter is as wide as several PSFs, so it is applied to blocks of pixels; a wide
    region around a source is that source's wing.
    """
    signal, err, valid = image
    side = max(int(fwhm_px * params.wide / 3.0), 1)
    weight = np.zeros_like(err)
    np.divide(1.0, err * err, out=weight, where=valid)
    total = _block_sums(weight, side)
    seen = total > 0
    mean, spread = np.zeros_like(total), np.ones_like(total)
    weighted = np.where(valid, signal, np.float32(0)) * weight
    np.divide(_block_sums(weighted, side), total, out=mean, where=seen)
    np.divide(1.0, np.sqrt(np.maximum(total, 0)), out=spread, where=seen)
    wide = filter_image(mean, spread, seen, fwhm_px * params.wide / side)
    found = flood_peaks(wide.snr, wide.snr > params.isophote, params.peak, np.inf, 0.0)
    taken = np.zeros(len(found.row) + 1, bool)
    shape = labels.shape
    spread_out = found.labels.repeat(side, 0).repeat(side, 1)[: shape[0], : shape[1]]
    taken[spread_out[occupied]] = True
    new = drop_labels(spread_out, taken[1:])
    added = (new > 0) & valid
    if not added.any():
        return labels
    return np.where(added, new + labels.max(), labels).astype(np.int32)


def _block_sums(image: Plane, side: int) -> Plane:
    """Sum over blocks; the last ones may reach beyond the image."""
    rows, cols = (-(-n // side) * side for n in image.shape)
    padded = np.zeros((rows, cols), image.dtype)
    padded[: image.shape[0], : image.shape[1]] = image
    blocks = padded.reshape(rows // side, side, cols // side, side)
    return np.asarray(blocks.sum(axis=(1, 3)), np.float32)


def drop_labels(labels: Labels, drop: NDArray[np.bool_]) -> Labels:
    """Drop some labels and count the others from 1.

    Parameters
    ----------
    labels : (rows, cols) int32
    drop : (sources,) bool
        In the order of the labels 1, 2, ...

    Returns
    -------
    (rows, cols) int32
    """
    if not drop.any():
        return labels
    number = np.zeros(drop.size + 1, np.int32)
    number[1:][~drop] = np.arange(1, (~drop).sum() + 1)
    return np.asarray(number[labels], np.int32)


def find_touching(labels: Labels) -> NDArray[np.bool_]:
    """Return which sources share a border with another one, (sources,) bool."""
    touches = np.zeros(int(labels.max(initial=0)) + 1, bool)
    for one, other in ((labels[:-1], labels[1:]), (labels[:, :-1], labels[:, 1:])):
        border = (one != other) & (one > 0) & (other > 0)
        touches[one[border]] = True
        touches[other[border]] = True
    return touches[1:]
