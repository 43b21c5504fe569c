"""Detect the sources of a mosaic and assign its pixels to them.

A source is a connected region above a low isophote of the matched-filter image whose
highest pixel exceeds a peak threshold: the peak threshold rejects noise, the isophote
defines the extent. A second, wider filter detects extended sources of low surface
brightness. Blends are divided at their saddles. Detections sharper than the telescope's
image (cosmic rays covered by one exposure only) and features of a star's diffraction image
are dropped.
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
from .labelled_image import LabelledImage
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
"""Widest saturated core, in lambda / D; wider gaps are treated as outside the data."""


class DetectionParams(Params):
    """How sources are detected."""

    peak: Sigma = 5.0
    """Minimum peak of a source on the matched-filter image, in units of its scatter."""
    isophote: Sigma = 2.0
    """Level of the matched-filter image down to which a source extends."""
    min_area: Annotated[int, Field(ge=1), Unit("pixel")] = 5
    """Minimum number of connected pixels above the isophote."""
    cell: Annotated[int, Field(ge=16), Unit("pixel")] = 256
    """Width of the cells on which the residual background is measured."""
    wide: Annotated[float, Field(ge=2), Unit("1")] = 3.0
    """Width of the second filter in units of the PSF's. A source of intermediate width is
    seen by the nearer filter at 87 % of the significance of a filter of its own shape."""


class DeblendingParams(StepParams):
    """How overlapping sources are separated."""

    rise: Sigma = 5.0
    """Minimum rise of a component's peak above its saddle to a brighter component."""
    contrast: Factor = 0.1
    """Minimum rise in units of the saddle's height."""


class Detection(NamedTuple):
    """Sources of a mosaic.

    Attributes
    ----------
    labels : (rows, cols) int32
        0 on sky, otherwise the number of the pixel's source, counted from 1.
    signal : (rows, cols) float32, MJy/sr
        The mosaic minus its residual background.
    smooth : (rows, cols) float32, MJy/sr
        The signal smoothed to the width of the PSF.
    noise_scale : float
        Scatter of the smoothed sky over the prediction of the errors for independent
        pixels.
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
    """Detect and deblend the sources of a mosaic.

    Parameters
    ----------
    sky, err : (rows, cols) float32, MJy/sr
        NaN where there are no data.
    star : PointSource
        The image of a star on this mosaic.
    steps : Steps

    Notes
    -----
    `jwst`'s source_catalog thresholds the smoothed image at 3 times the rms of the
    unsmoothed image and requires 25 pixels. Here the peak is compared with the scatter of
    the smoothed image itself, so the rate of noise peaks is known: at 5 sigma about 3e-7
    per independent element (the area of the PSF), 0.3 on a mosaic of 2300 x 2300 pixels.
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
    labelled = LabelledImage(signal, err, labels)
    sharp = find_too_sharp(labelled, places, star, noise, steps.sharpness)
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
    """Label the regions above the isophote that reach the peak threshold; deblend them."""
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
    """Merge features of a star within its own region into it, and drop the others.

    The labels are changed in place; rows and columns of the remaining sources are returned.
    """
    places = (peaks.row, peaks.col)
    cores = locate_cores(peaks.labels, places, holes)
    belongs = find_features(detail, places, cores, star.lambda_d_px, params)
    count = len(belongs)
    is_own = belongs < 0
    region = find_regions(peaks.labels, count)
    number = np.zeros(count + 1, np.int32)
    number[1:][is_own] = np.arange(1, is_own.sum() + 1)
    # a star is itself never a feature, so its own number is final
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
    """Detect regions with a wider filter that contain no source yet.

    The filter is several PSFs wide, so it is applied to blocks of pixels. Regions that
    contain a detected source are its wings and are dropped.
    """
    side = max(int(fwhm_px * params.wide / 3.0), 1)
    mean, spread, seen = average_blocks(image, side)
    wide = filter_image(mean, spread, seen, fwhm_px * params.wide / side)
    inside = wide.snr > params.isophote
    found = flood_peaks(wide.snr, inside, params.peak, np.inf, 0.0)
    blocks = Blocks(found.labels, side)
    drop_labels(found.labels, find_occupied(blocks, occupied, found.row.size))
    return blocks
