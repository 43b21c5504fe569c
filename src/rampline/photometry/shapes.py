"""Isophotal and Kron fluxes, moments and boxes of the detected sources."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Labels, Plane

Values = NDArray[np.float64]


class Shapes(NamedTuple):
    """What the segments and their moments say, one value a source.

    Attributes
    ----------
    label : int32
    row, col : float64, pixels
        Centroid over the segment.
    area : float64, pixels
    flux, flux_err, kron_flux, kron_flux_err : float64, MJy/sr pixel
    kron_radius : float64
        Unscaled Kron radius in units of the semimajor sigma.
    semimajor, semiminor : float64, pixels
        Standard deviations along the axes.
    orientation_deg : float64, deg
        From the columns' direction to the major axis, counter-clockwise.
    box : (sources, 4) int64
        First row, last row, first column, last column.
    """

    label: NDArray[np.int32]
    row: Values
    col: Values
    area: Values
    flux: Values
    flux_err: Values
    kron_flux: Values
    kron_flux_err: Values
    kron_radius: Values
    semimajor: Values
    semiminor: Values
    orientation_deg: Values
    box: NDArray[np.int64]


def measure_shapes(sky: Plane, err: Plane, smooth: Plane, labels: Labels) -> Shapes:
    """Measure the segments of a mosaic.

    Parameters
    ----------
    sky, err : (rows, cols) float32, MJy/sr
        Background-subtracted image and its error; NaN where there are no data.
    smooth : (rows, cols) float32
        Smoothed image that weights the centroids and moments.
    labels : (rows, cols) int32

    Returns
    -------
    Shapes

    Notes
    -----
    `photutils.segmentation.SourceCatalog`, with the options of `jwst`'s source_catalog:
    neighbours masked by mirrored values, Kron parameters 2.5, 1.4, 0.
    """
    # photutils takes a second to import: only where a catalogue is made
    from photutils import use_future_column_names  # noqa: PLC0415
    from photutils.segmentation import SegmentationImage, SourceCatalog  # noqa: PLC0415

    if not labels.any():
        return _no_shapes()
    with warnings.catch_warnings(), use_future_column_names():
        # sources at the edge of the data have pixels without values
        warnings.simplefilter("ignore")
        found = SourceCatalog(
            sky,
            SegmentationImage(labels),
            convolved_data=smooth,
            error=err,
            mask=~np.isfinite(sky),
        )
        return Shapes(
            np.asarray(found.labels, np.int32),
            _plain(found.y_centroid),
            _plain(found.x_centroid),
            _plain(found.area),
            _plain(found.segment_flux),
            _plain(found.segment_flux_err),
            _plain(found.kron_flux),
            _plain(found.kron_flux_err),
            _plain(found.kron_radius),
            _plain(found.semimajor_axis),
            _plain(found.semiminor_axis),
            _plain(found.orientation),
            _boxes(found),
        )


def _no_shapes() -> Shapes:
    no_label, no_box = np.empty(0, np.int32), np.empty((0, 4), np.int64)
    nothing = np.empty(0)
    return Shapes(
        no_label,
        row=nothing,
        col=nothing,
        area=nothing,
        flux=nothing,
        flux_err=nothing,
        kron_flux=nothing,
        kron_flux_err=nothing,
        kron_radius=nothing,
        semimajor=nothing,
        semiminor=nothing,
        orientation_deg=nothing,
        box=no_box,
    )


def _boxes(found: Any) -> NDArray[np.int64]:
    sides = (found.bbox_ymin, found.bbox_ymax, found.bbox_xmin, found.bbox_xmax)
    return np.stack([np.atleast_1d(side) for side in sides], axis=1).astype(np.int64)


def _plain(values: Any) -> Values:
    """Strip the unit; one source gives a scalar, which becomes an array of one."""
    return np.atleast_1d(np.asarray(getattr(values, "value", values), np.float64))
