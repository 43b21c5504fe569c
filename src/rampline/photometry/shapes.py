"""Isophotal fluxes, centroids, moments and bounding boxes of the detected sources.

Every quantity is a sum over the pixels of a segment, so weighted bin counts measure all
sources at once.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from .kron import KronFluxes, measure_kron
from .labelled_image import LabelledImage

Values = NDArray[np.float64]

THIN = 1.0 / 12.0
"""Variance of a uniform pixel, pixels**2: the smallest meaningful second moment."""


class Shapes(NamedTuple):
    """Measurements of the segments and their moments, one value per source.

    Attributes
    ----------
    label : int32
    row, col : float64, pixels
        Centroid over the segment.
    area : float64, pixels
    flux : float64, MJy/sr pixel
    variance : float64, (MJy/sr pixel)**2
        Variance of the flux, for independent pixels.
    kron : KronFluxes
    semimajor, semiminor : float64, pixels
        Standard deviations along the axes.
    orientation_deg : float64, deg
        From the x axis to the major axis, counter-clockwise, 0 to 360.
    box : (sources, 4) int64
        First row, last row, first column, last column.
    """

    label: NDArray[np.int32]
    row: Values
    col: Values
    area: Values
    flux: Values
    variance: Values
    kron: KronFluxes
    semimajor: Values
    semiminor: Values
    orientation_deg: Values
    box: NDArray[np.int64]


def measure_shapes(image: LabelledImage, smooth: Plane) -> Shapes:
    """Measure the segments of a mosaic.

    Parameters
    ----------
    image : LabelledImage
        Background-subtracted; its labels are 0 where there are no data, and without gaps.
    smooth : (rows, cols) float32
        Smoothed image; the weights of centroids and moments.

    Notes
    -----
    The definitions are those of `photutils.segmentation.SourceCatalog` with the options of
    `jwst`'s source_catalog: negative smoothed pixels have no weight; second moments below
    those of a single pixel are raised, as in SExtractor.
    """
    signal, err, labels = image
    count = int(labels.max(initial=0))
    flat = np.flatnonzero(labels)
    owner = labels.ravel()[flat]
    light = np.asarray(signal.ravel()[flat], np.float64)
    weight = np.maximum(smooth.ravel()[flat].astype(np.float64), 0.0)
    rows, cols = np.divmod(flat, labels.shape[1])

    def total(values: Values | None) -> Values:
        return np.bincount(owner, values, minlength=count + 1)[1:].astype(np.float64)

    norm = total(weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        row, col = total(weight * rows) / norm, total(weight * cols) / norm
        dy, dx = rows - row[owner - 1], cols - col[owner - 1]
        yy, xx, yx = (total(weight * p) / norm for p in (dy * dy, dx * dx, dy * dx))
    major, minor, angle = _axes(yy, xx, yx)
    axes = np.stack([major, minor, angle], axis=1)
    kron = measure_kron(image, np.stack([row, col], axis=1), axes)
    return Shapes(
        label=np.arange(1, count + 1, dtype=np.int32),
        row=row,
        col=col,
        area=total(None),
        flux=total(light),
        variance=total(err.ravel()[flat].astype(np.float64) ** 2),
        kron=kron,
        semimajor=major,
        semiminor=minor,
        orientation_deg=np.degrees(angle) % 360.0,
        box=_boxes(owner, (rows, cols), count),
    )


def _axes(yy: Values, xx: Values, yx: Values) -> tuple[Values, Values, Values]:
    """Return the standard deviations and the angle of the major axis in radians."""
    yy, xx = yy.copy(), xx.copy()
    thin = yy * xx - yx**2 < THIN**2
    while thin.any():
        yy[thin] += THIN
        xx[thin] += THIN
        thin = yy * xx - yx**2 < THIN**2
    mean, half = (yy + xx) / 2.0, np.hypot((xx - yy) / 2.0, yx)
    angle = 0.5 * np.arctan2(2.0 * yx, xx - yy)
    return np.sqrt(mean + half), np.sqrt(mean - half), angle


def _boxes(
    owner: NDArray[np.int32],
    places: tuple[NDArray[np.int64], NDArray[np.int64]],
    count: int,
) -> NDArray[np.int64]:
    """Return first and last row and column of each source, (sources, 4)."""
    boxes = np.empty((count, 4), np.int64)
    for k, place in enumerate(places):
        boxes[:, 2 * k] = np.iinfo(np.int64).max
        boxes[:, 2 * k + 1] = -1
        np.minimum.at(boxes[:, 2 * k], owner - 1, place)
        np.maximum.at(boxes[:, 2 * k + 1], owner - 1, place)
    return boxes
