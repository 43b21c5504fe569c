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

from ..exposure.records import Labels, Plane
from ..params import Factor, Params, Sigma, StepParams, Unit
from .background import subtract_background
from .blocks import Blocks, add_blocks, average_blocks, find_occupied
from .diffraction import DiffractionParams, find_features, show_detail
from .holes import Hole, fill_holes, find_holes, locate_cores
from .matched_filter import filter_image
from .point_source import PointSource
from .regions import (
    clear_pixels,
    count_pixels,
    drop_labels,
    find_regions,
    find_touching,
    renumber,
)
from .sharpness import SharpnessParams, find_too_sharp
from .watershed import Peaks, flood_peaks

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
    smooth : (rows, cols) float32, MJy/sr
        The signal smoothed to the width of the PSF.
    noise_scale : float
        Scatter of smoothed sky in units of what the errors predict for independent pixels.
    is_blended : (sources,) bool
        Whether a source shares a border with another one.
    """

    labels: Labels
    signal: Plane
    smooth: Plane
    noise_scale: float
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
    signal = subtract_background(sky, valid, params.cell)
    snr, smooth, noise = filter_image(signal, err, valid, star.fwhm_px)
    holes = find_holes(valid, LARGEST_HOLE * star.lambda_d_px)
    fill_holes(holes, (snr, smooth))
    peaks = _find_peaks(snr, params, steps.deblending)
    labels = peaks.labels
    image = (signal, err, valid)
    extended = _find_extended(labels, image, star.fwhm_px, params)
    detail = show_detail(smooth, star.lambda_d_px, out=snr)
    rows, cols = _reject_features(detail, peaks, holes, star, steps.diffraction)
    clear_pixels(labels, valid)
    places = np.stack([rows, cols], axis=1).astype(np.float64)
    sharp = find_too_sharp((signal, err, labels), places, star, noise, steps.sharpness)
    drop_labels(labels, sharp)
    count = sharp.size - int(sharp.sum())
    add_blocks(labels, valid, extended, count)
    count += int(extended.labels.max(initial=0))
    small = count_pixels(labels, count) < params.min_area
    drop_labels(labels, small)
    touching = find_touching(labels, count - int(small.sum()))
    return Detection(labels, signal, smooth, noise, touching)


def _find_peaks(
    snr: Plane, params: DetectionParams, deblending: DeblendingParams
) -> Peaks:
    """Label the regions above the isophote that reach the peak level, and divide them."""
    rise = deblending.rise if deblending.enabled else np.inf
    inside = snr > params.isophote
    return flood_peaks(snr, inside, params.peak, rise, deblending.contrast)


def _reject_features(
    detail: Plane,
    peaks: Peaks,
    holes: tuple[Hole, ...],
    star: PointSource,
    params: DiffractionParams,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give features of a star in its own region back to it, and drop the others.

    The labels are changed in place; the places of the sources that are left are returned.
    """
    places = (peaks.row, peaks.col)
    cores = locate_cores(peaks.labels, places, holes)
    belongs = find_features(detail, places, cores, star.lambda_d_px, params)
    count = len(belongs)
    is_own = belongs < 0
    region = find_regions(peaks.labels, count)
    number = np.zeros(count + 1, np.int32)
    number[1:][is_own] = np.arange(1, is_own.sum() + 1)
    # a star is settled before its features, so its own number is final
    same = ~is_own & (region == region[belongs])
    number[1:][same] = number[1:][belongs[same]]
    renumber(peaks.labels, number)
    return peaks.row[is_own], peaks.col[is_own]


def _find_extended(
    occupied: Labels,
    image: tuple[Plane, Plane, NDArray[np.bool_]],
    fwhm_px: float,
    params: DetectionParams,
) -> Blocks:
    """Find regions of a wider filter where nothing was found yet.

    The filter is as wide as several PSFs, so it is applied to blocks of pixels; a wide
    region around a source is that source's wing.
    """
    side = max(int(fwhm_px * params.wide / 3.0), 1)
    mean, spread, seen = average_blocks(image, side)
    wide = filter_image(mean, spread, seen, fwhm_px * params.wide / side)
    inside = wide.snr > params.isophote
    found = flood_peaks(wide.snr, inside, params.peak, np.inf, 0.0)
    blocks = Blocks(found.labels, side)
    drop_labels(found.labels, find_occupied(blocks, occupied, found.row.size))
    return blocks
