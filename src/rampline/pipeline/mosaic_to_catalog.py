"""The path from a mosaic to its catalogue and segmentation map.

The work is in ``photometry/``; here its parts are called, and sky positions from
``astrometry/`` are passed to them.
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
from ..photometry.apertures import add_flux_error, measure_apertures, noise_factors
from ..photometry.catalog import (
    BLENDED,
    NEAR_EDGE,
    SATURATED_CORE,
    CatalogParams,
    Measurements,
    SkyPositions,
    build_catalog,
)
from ..photometry.centroids import (
    Centroids,
    add_position_error,
    measure_centroids,
)
from ..photometry.detection import (
    DeblendingParams,
    Detection,
    DetectionParams,
    Steps,
    detect_sources,
)
from ..photometry.diffraction import DiffractionParams
from ..photometry.labelled_image import LabelledImage
from ..photometry.patches import cut_patches
from ..photometry.point_source import (
    PointSource,
    narrowing_factor,
    predict_point_source,
)
from ..photometry.sampling import predict_sampling_error
from ..photometry.shapes import Shapes, measure_shapes
from ..photometry.sharpness import SharpnessParams
from ..photometry.sky_noise import (
    add_excess,
    find_blank,
    measure_autocorrelation,
    measure_excess,
)
from ..photometry.star_shape import find_neighbours, measure_star_shapes


class MosaicToCatalog(Params):
    """Parameters of every step on this path, in the order of the path."""

    detection: DetectionParams = DetectionParams()
    """Detection of sources."""
    deblending: DeblendingParams = DeblendingParams()
    """Separation of overlapping sources."""
    diffraction: DiffractionParams = DiffractionParams()
    """Rejection of diffraction features of bright stars."""
    sharpness: SharpnessParams = SharpnessParams()
    """Rejection of cosmic rays where only one exposure contributes."""
    catalog: CatalogParams = CatalogParams()
    """The catalogue's columns."""

    @property
    def steps(self) -> Steps:
        """The parameters of the steps of detection."""
        return Steps(self.detection, self.deblending, self.diffraction, self.sharpness)


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicOptics:
    """What the photometry needs to know of how the mosaic was made.

    Attributes
    ----------
    psf_fwhm_arcsec : float, arcsec
        Full width at half maximum of the telescope's diffraction image, before pixels.
    native_scale_arcsec : float, arcsec
        Pixel size of the exposures, in which the aperture radii are given.
    autocorrelation : (k, k) float64
        Of the noise between pixels of the mosaic, 1 in the centre.
    pixfrac : float
        Side of drizzle's drop over that of the exposures' pixel.
    """

    psf_fwhm_arcsec: float
    native_scale_arcsec: float
    autocorrelation: NDArray[np.float64]
    pixfrac: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCatalog:
    """The sources of a mosaic.

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
    """Walk one mosaic from pixels to a catalogue."""
    star = predict_star_image(mosaic.grid, optics)
    found = detect_sources(mosaic.sky, mosaic.err, star, params.steps)
    return SourceCatalog(
        table=tabulate_sources(mosaic, found, planes, optics, params.catalog),
        labels=found.labels,
        noise_scale=found.noise_scale,
    )


def predict_star_image(grid: Grid, optics: MosaicOptics) -> PointSource:
    """Return the image of a star on a mosaic."""
    return predict_point_source(
        optics.psf_fwhm_arcsec,
        optics.native_scale_arcsec,
        optics.pixfrac,
        grid.scale_arcsec,
    )


def tabulate_sources(
    mosaic: Mosaic,
    found: Detection,
    planes: CatalogPlanes,
    optics: MosaicOptics,
    params: CatalogParams,
) -> Any:
    """Measure sources that are already detected, on this mosaic or another one.

    Parameters
    ----------
    mosaic : Mosaic
    found : Detection
        Its signal and its smoothed signal are of this mosaic; its labels, without gaps,
        may come from another one on the same grid.
    planes : CatalogPlanes
    optics : MosaicOptics
    params : CatalogParams

    Returns
    -------
    astropy.table.QTable
    """
    star = predict_star_image(mosaic.grid, optics)
    measured = _measure(mosaic, found, star, planes, optics, params)
    sky = _sky_positions(mosaic.grid, measured.shapes, measured.centroids)
    return build_catalog(measured, sky, planes, mosaic.grid.pixel_area_sr, params)


def _measure(
    mosaic: Mosaic,
    found: Detection,
    star: PointSource,
    planes: CatalogPlanes,
    optics: MosaicOptics,
    params: CatalogParams,
) -> Measurements:
    """Measure all sources; radii in exposure pixels become pixels of the mosaic."""
    image = LabelledImage(found.signal, mosaic.err, found.labels)
    noise = optics.autocorrelation
    is_blank = find_blank(image)
    if params.measured_noise:
        noise = measure_autocorrelation(image, is_blank, noise)
    shapes = measure_shapes(image, found.smooth)
    start = np.stack([shapes.row, shapes.col], axis=1)
    radii = planes.radius_px * star.native_px
    ring = (planes.sky_in_px * star.native_px, planes.sky_out_px * star.native_px)
    n_exposures = _count_exposures(mosaic, start)
    sampling = predict_sampling_error(star, radii, n_exposures)
    centroids = add_position_error(
        measure_centroids(image, start, star.fwhm_px, noise), sampling.position_px
    )
    places = start
    if params.aperture_centre == "windowed":
        places = np.stack([centroids.row, centroids.col], axis=1)
    others = found.labels if params.exclude_neighbours else np.zeros_like(found.labels)
    # apertures subtract a local sky of their own, so the mosaic still has its sky
    raw = LabelledImage(mosaic.sky, mosaic.err, others)
    fluxes = measure_apertures(raw, places, radii, ring, noise)
    if params.measured_noise:
        blank = image._replace(signal=mosaic.sky)
        excess = measure_excess(blank, is_blank, radii, ring, noise)
        fluxes = add_excess(fluxes, excess)
    return Measurements(
        shapes=shapes,
        noise_factor=noise_factors(noise, shapes.area),
        kron_noise_factor=noise_factors(noise, shapes.kron.area),
        centroids=centroids,
        apertures=add_flux_error(fluxes, sampling.flux),
        narrowing=narrowing_factor(star, float(radii[-1]), ring),
        star_shapes=measure_star_shapes(found.signal, start, star.fwhm_px),
        neighbours=find_neighbours(start),
        flags=_source_flags(mosaic, found, shapes, float(radii[-1])),
    )


def _count_exposures(mosaic: Mosaic, places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many exposures contribute to the pixel of each source."""
    top = np.array(mosaic.sky.shape) - 1
    rows, cols = np.clip(np.rint(np.nan_to_num(places)), 0, top).astype(np.int64).T
    bits = np.bitwise_count(mosaic.context[:, rows, cols].view(np.uint32))
    return np.asarray(bits.sum(axis=0), np.int64)


def _source_flags(
    mosaic: Mosaic, found: Detection, shapes: Shapes, radius_px: float
) -> NDArray[np.int32]:
    """Flag sources at the edge of the data, with holes in the core, or deblended."""
    known = np.isfinite(mosaic.sky)
    rows, cols = (
        np.rint(np.nan_to_num(place)).astype(np.int64)
        for place in (shapes.row, shapes.col)
    )
    flags = np.zeros(len(rows), np.int32)
    around = cut_patches(known, rows, cols, int(np.ceil(radius_px)))
    flags[~around.all(axis=(1, 2))] |= NEAR_EDGE
    flags[cut_patches(~known, rows, cols, 1).any(axis=(1, 2))] |= SATURATED_CORE
    flags[found.is_blended] |= BLENDED
    return flags


def _sky_positions(grid: Grid, shapes: Shapes, centroids: Centroids) -> SkyPositions:
    edge = np.array([[-0.5], [0.5], [-0.5], [0.5]])
    top, bottom, left, right = shapes.box.T + edge
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
