"""Find sources on a mosaic and divide its pixels among them.

The image over its error, smoothed with a Gaussian as wide as the PSF, is the optimal
statistic for a point source (matched filter). Its own scatter on empty sky is measured,
not assumed, because drizzling correlates the noise. A source is a connected region
above a low isophote that somewhere reaches a high peak: the peak keeps noise out, the
isophote gives the source its extent. Blends are split where there is a saddle.
"""

from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from ..exposure.records import Labels, Plane
from ..params import Count, Factor, Fraction, Params, Sigma, Unit

FWHM_PER_SIGMA = 2.354820045030949


class DetectionParams(Params):
    """How sources are detected and separated."""

    peak: Sigma = 5.0
    """Least peak of a source on the matched-filter image, in units of its scatter."""
    isophote: Sigma = 2.0
    """Level of the matched-filter image down to which a source extends."""
    min_area: Annotated[int, Field(ge=1), Unit("pixel")] = 5
    """Least number of connected pixels above the isophote."""
    mesh: Annotated[int, Field(ge=16), Unit("pixel")] = 128
    """Size of the meshes on which the remaining background is measured."""
    deblend: bool = True
    """Whether overlapping sources are separated."""
    deblend_levels: Count = 32
    """Number of levels between isophote and peak at which parts are looked for."""
    deblend_contrast: Fraction = 0.005
    """Least share of a blend's flux that makes a part a source of its own."""
    saddle_depth: Sigma = 3.0
    """How far the peak of a part of a blend rises above the saddle to the others."""
    spike_factor: Factor = 2.0
    """A part of a blend must exceed the same place on the star's other spikes by this."""


class Detection(NamedTuple):
    """Sources of a mosaic.

    Attributes
    ----------
    labels : (rows, cols) int32
        0 on sky, else the source that the pixel belongs to, counted from 1.
    background : (rows, cols) float32, MJy/sr
        What was subtracted before detection: the background left in the mosaic.
    signal_to_noise : (rows, cols) float32
        The matched-filter image in units of its scatter on empty sky.
    noise_scale : float
        That scatter in units of what ERR predicts for uncorrelated noise.
    """

    labels: Labels
    background: Plane
    signal_to_noise: Plane
    noise_scale: float


def detect_sources(
    sky: Plane, err: Plane, psf_fwhm_px: float, params: DetectionParams
) -> Detection:
    """Detect and separate the sources of a mosaic.

    Parameters
    ----------
    sky, err : (rows, cols) float32, MJy/sr
        NaN where there are no data.
    psf_fwhm_px : float, pixels
        Width of the PSF on this grid.
    params : DetectionParams

    Returns
    -------
    Detection

    Notes
    -----
    Matched filter as in SExtractor and `photutils`; segmentation, deblending and the
    background meshes are `photutils`' own. `jwst`'s source_catalog thresholds the smoothed
    image at 3 times the rms of the unsmoothed one with 25 pixels; here the peak is tested
    in units of the smoothed image's own scatter, so the rate of noise peaks is known.
    """
    valid = np.isfinite(sky) & np.isfinite(err) & (err > 0)
    background = _measure_background(sky, valid, params.mesh)
    ratio, scale = _matched_filter(sky - background, err, valid, psf_fwhm_px)
    labels = _segment(ratio, params)
    if params.deblend and labels.any():
        labels = _deblend(ratio, labels, params)
    return Detection(labels, background, ratio, scale)


def _measure_background(sky: Plane, valid: NDArray[np.bool_], mesh: int) -> Plane:
    """Smooth background from clipped mesh medians."""
    # photutils takes a second to import: only where a catalogue is made
    from astropy.stats import SigmaClip  # noqa: PLC0415
    from photutils.background import Background2D, MedianBackground  # noqa: PLC0415

    box = min(mesh, *sky.shape)
    if not valid.any():
        return np.zeros_like(sky)
    try:
        found = Background2D(
            np.where(valid, sky, 0.0),
            box,
            coverage_mask=~valid,
            filter_size=3,
            sigma_clip=SigmaClip(sigma=3.0),
            bkg_estimator=MedianBackground(),
            exclude_percentile=90.0,
        )
    except ValueError:
        # every mesh is mostly empty: one level is all that can be said
        return np.full_like(sky, np.median(sky[valid]))
    return np.asarray(found.background, np.float32)


def _matched_filter(
    signal: Plane, err: Plane, valid: NDArray[np.bool_], fwhm_px: float
) -> tuple[Plane, float]:
    """Smooth signal over variance, and express it in units of its scatter on sky."""
    inverse = np.zeros_like(err)
    np.divide(1.0, err**2, out=inverse, where=valid)
    sigma = fwhm_px / FWHM_PER_SIGMA
    weighted = np.where(valid, signal, 0.0) * inverse
    # beyond the edge there are no data, hence no weight
    top = ndimage.gaussian_filter(weighted, sigma, mode="constant")
    # the square of a Gaussian kernel is a narrower Gaussian of area 1 / (4 pi sigma^2)
    narrow = ndimage.gaussian_filter(inverse, sigma / np.sqrt(2), mode="constant")
    below = narrow / (4 * np.pi * sigma**2)
    ratio = np.zeros_like(signal)
    np.divide(top, np.sqrt(np.maximum(below, 0)), out=ratio, where=valid & (below > 0))
    scale = _scatter_below_zero(ratio[valid])
    return (ratio / np.float32(scale)).astype(np.float32), scale


def _scatter_below_zero(values: NDArray[np.float32]) -> float:
    """Scatter of the sky from its negative half, where there are no sources.

    The peak of the distribution is taken as the median after clipping the bright side.
    """
    if values.size == 0:
        return 1.0
    centre = float(np.median(values))
    for _ in range(5):
        below = values[values < centre]
        if below.size == 0:
            return 1.0
        spread = 1.4826 * float(np.median(centre - below))
        near = values[np.abs(values - centre) < 2.0 * spread]
        if near.size == 0:
            return 1.0
        centre = float(np.median(near))
    return spread if spread > 0 else 1.0


def _segment(ratio: Plane, params: DetectionParams) -> Labels:
    """Label connected regions above the isophote that reach the peak level."""
    around = np.ones((3, 3), bool)
    labels, count = ndimage.label(ratio > params.isophote, structure=around)
    if count == 0:
        return np.zeros(ratio.shape, np.int32)
    index = np.arange(1, count + 1)
    peak = ndimage.maximum(ratio, labels, index)
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    keep = (peak >= params.peak) & (area >= params.min_area)
    return _renumber(labels, keep)


def _renumber(labels: NDArray[Any], keep: NDArray[np.bool_]) -> Labels:
    """Drop the labels that are not kept and count the others from 1."""
    new = np.zeros(keep.size + 1, np.int32)
    new[1:][keep] = np.arange(1, keep.sum() + 1)
    return np.asarray(new[labels], np.int32)


def _deblend(ratio: Plane, labels: Labels, params: DetectionParams) -> Labels:
    from photutils.segmentation import (  # noqa: PLC0415 - see _measure_background
        SegmentationImage,
        deblend_sources,
    )

    image = np.maximum(ratio, 0.0)
    parents = SegmentationImage(labels)
    children = deblend_sources(
        image,
        parents,
        n_pixels=params.min_area,
        n_levels=params.deblend_levels,
        contrast=params.deblend_contrast,
        progress_bar=False,
    )
    return _rejoin_weak(ratio, labels, np.asarray(children.data, np.int32), params)


def _rejoin_weak(
    ratio: Plane, parents: Labels, children: Labels, params: DetectionParams
) -> Labels:
    """Give back parts of a blend that are no sources of their own.

    A part stays if its peak reaches the detection level, rises well above its saddle, and
    is not a feature of the brightest part's PSF: the telescope's pupil has a sixfold
    symmetry, so a speck on a spike or ring repeats at the same distance every 60 degrees,
    and at least opposite.
    """
    count = int(children.max())
    index = np.arange(1, count + 1)
    peak = ndimage.maximum(ratio, children, index)
    place = np.array(ndimage.maximum_position(ratio, children, index))
    parent = parents[place[:, 0], place[:, 1]]
    is_weak = (peak < params.peak) | (
        peak - _saddles(ratio, children) < params.saddle_depth
    )
    new = index.copy()
    for family in np.flatnonzero(np.bincount(parent) > 1):
        members = np.flatnonzero(parent == family)
        main = members[np.argmax(peak[members])]
        for child in members[members != main]:
            echo = _echo(ratio, place[main], place[child])
            if is_weak[child] or peak[child] < params.spike_factor * echo:
                new[child] = index[main]
    kept = np.unique(new)
    table = np.zeros(count + 1, np.int32)
    table[1:] = np.searchsorted(kept, new) + 1
    return np.asarray(table[children], np.int32)


def _saddles(ratio: Plane, labels: Labels) -> NDArray[np.float64]:
    """Return the highest point of each segment's border with another, -inf without one."""
    saddle = np.full(int(labels.max()) + 1, -np.inf)
    here, below = (slice(None), slice(None, -1)), (slice(None), slice(1, None))
    rows_here, rows_below = (
        (slice(None, -1), slice(None)),
        (slice(1, None), slice(None)),
    )
    for one, other in ((here, below), (rows_here, rows_below)):
        border = (
            (labels[one] != labels[other]) & (labels[one] > 0) & (labels[other] > 0)
        )
        height = np.minimum(ratio[one], ratio[other])[border]
        np.maximum.at(saddle, labels[one][border], height)
        np.maximum.at(saddle, labels[other][border], height)
    return saddle[1:]


def _echo(ratio: Plane, star: NDArray[Any], speck: NDArray[Any]) -> float:
    """Return what the star's PSF shows at the speck's place, from its symmetry.

    The larger of the value opposite and the median at the other multiples of 60 degrees;
    each value is the maximum over a few pixels, because the grid is not the pupil's.
    """
    dy, dx = (speck - star).astype(float)
    radius = np.hypot(dx, dy)
    reach = max(1, round(0.05 * radius))
    angle = np.arctan2(dy, dx) + np.arange(1, 6) * np.pi / 3
    rows = np.rint(star[0] + radius * np.sin(angle)).astype(int)
    cols = np.rint(star[1] + radius * np.cos(angle)).astype(int)
    values = [
        _local_maximum(ratio, row, col, reach)
        for row, col in zip(rows, cols, strict=True)
    ]
    return max(values[2], float(np.median(values)))


def _local_maximum(image: Plane, row: int, col: int, reach: int) -> float:
    rows = slice(max(row - reach, 0), max(row + reach + 1, 0))
    cols = slice(max(col - reach, 0), max(col + reach + 1, 0))
    patch = image[rows, cols]
    return float(patch.max()) if patch.size else 0.0
