"""The path from a mosaic to its catalogue and segmentation map.

The work is in ``photometry/``; here the pieces are named and the sky positions, which
are astrometry's, are carried to them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..astrometry.pixel_map import grid_to_sky
from ..exposure.grid import Grid
from ..exposure.planes import CatalogPlanes
from ..exposure.records import Labels, Mosaic
from ..params import Params
from ..photometry.apertures import measure_apertures
from ..photometry.catalog import (
    BLENDED,
    NEAR_EDGE,
    SATURATED_CORE,
    CatalogParams,
    Measurements,
    SkyPositions,
    build_catalog,
)
from ..photometry.centroids import Centroids, measure_centroids
from ..photometry.detection import Detection, DetectionParams, detect_sources
from ..photometry.shapes import Shapes, measure_shapes
from ..photometry.star_shape import find_neighbours, measure_star_shapes


class MosaicToCatalog(Params):
    """Parameters of every step on this path, in the order of the path."""

    detection: DetectionParams = DetectionParams()
    """Detection and separation of sources."""
    catalog: CatalogParams = CatalogParams()
    """The catalogue's columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicOptics:
    """What the catalogue must know of how the mosaic came about.

    Attributes
    ----------
    psf_fwhm_arcsec : float, arcsec
    native_scale_arcsec : float, arcsec
        Pixel size of the exposures, in which the aperture radii are given.
    autocorrelation : (k, k) float64
        Of the noise between pixels of the mosaic, 1 in the centre.
    """

    psf_fwhm_arcsec: float
    native_scale_arcsec: float
    autocorrelation: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCatalog:
    """What a mosaic holds.

    Attributes
    ----------
    table : astropy.table.QTable
    labels : (rows, cols) int32
        The segmentation map.
    noise_scale : float
        Scatter of the sky over what ERR predicts for uncorrelated noise.
    """

    table: Any
    labels: Labels
    noise_scale: float


def mosaic_to_catalog(
    mosaic: Mosaic,
    planes: CatalogPlanes,
    optics: MosaicOptics,
    params: MosaicToCatalog,
) -> SourceCatalog:
    """Walk one mosaic from pixels to a catalogue.

    Parameters
    ----------
    mosaic : Mosaic
    planes : CatalogPlanes
    optics : MosaicOptics
    params : MosaicToCatalog

    Returns
    -------
    SourceCatalog
    """
    fwhm_px = optics.psf_fwhm_arcsec / mosaic.grid.scale_arcsec
    found = detect_sources(mosaic.sky, mosaic.err, fwhm_px, params.detection)
    signal = mosaic.sky - found.background
    labels, noise = found.labels, optics.autocorrelation
    shapes = measure_shapes(signal, mosaic.err, found.signal_to_noise, labels)
    start = np.stack([shapes.row, shapes.col], axis=1)
    image = (signal, mosaic.err, labels)
    centroids = measure_centroids(image, start, fwhm_px, noise)
    scale = optics.native_scale_arcsec / mosaic.grid.scale_arcsec
    apertures = measure_apertures(
        image,
        np.stack([centroids.row, centroids.col], axis=1),
        planes.radius_px * scale,
        (planes.sky_in_px * scale, planes.sky_out_px * scale),
        noise,
    )
    measured = Measurements(
        shapes,
        centroids,
        apertures,
        measure_star_shapes(signal, start, fwhm_px),
        find_neighbours(start),
        _source_flags(mosaic, found, shapes, planes.radius_px[-1] * scale),
    )
    sky = _sky_positions(mosaic.grid, shapes, centroids)
    area = mosaic.grid.pixel_area_sr
    table = build_catalog(measured, sky, planes, area, params.catalog)
    return SourceCatalog(table=table, labels=labels, noise_scale=found.noise_scale)


def _source_flags(
    mosaic: Mosaic, found: Detection, shapes: Shapes, radius_px: float
) -> NDArray[np.int32]:
    """Flag sources at the edge of the data, with holes in the core, or out of a blend."""
    missing = ~np.isfinite(mosaic.sky)
    n_rows, n_cols = missing.shape
    flags = np.zeros(len(shapes.row), np.int32)
    reach = int(np.ceil(radius_px))
    for k, (row, col) in enumerate(zip(shapes.row, shapes.col, strict=True)):
        top, left = round(row) - reach, round(col) - reach
        bottom, right = top + 2 * reach + 1, left + 2 * reach + 1
        outside = top < 0 or left < 0 or bottom > n_rows or right > n_cols
        patch = missing[max(top, 0) : bottom, max(left, 0) : right]
        if outside or patch.any():
            flags[k] |= NEAR_EDGE
        core = missing[round(row) - 1 : round(row) + 2, round(col) - 1 : round(col) + 2]
        if core.any():
            flags[k] |= SATURATED_CORE
    flags[_touching(found.labels, len(flags))] |= BLENDED
    return flags


def _touching(labels: Labels, count: int) -> NDArray[np.bool_]:
    """Return which segments share a border with another one."""
    touches = np.zeros(count + 1, bool)
    for one, other in (
        (labels[:-1], labels[1:]),
        (labels[:, :-1], labels[:, 1:]),
    ):
        border = (one != other) & (one > 0) & (other > 0)
        touches[one[border]] = True
        touches[other[border]] = True
    return touches[1:]


def _sky_positions(grid: Grid, shapes: Shapes, centroids: Centroids) -> SkyPositions:
    top, bottom, left, right = shapes.box.T.astype(np.float64)
    corners = [(top, left), (bottom, left), (top, right), (bottom, right)]
    return SkyPositions(
        isophotal=_radec(grid, shapes.row, shapes.col),
        windowed=_radec(grid, centroids.row, centroids.col),
        corners=np.stack([_radec(grid, rows, cols) for rows, cols in corners]),
        scale_arcsec=grid.scale_arcsec,
        up_from_north_deg=grid.position_angle_deg,
    )


def _radec(
    grid: Grid, rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.stack(grid_to_sky(grid, rows, cols), axis=1)
