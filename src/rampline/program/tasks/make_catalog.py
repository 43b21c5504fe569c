"""One mosaic to its catalogue and segmentation map: ``_cat.ecsv`` and ``_segm``."""

import math
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from ...astrometry.pixel_map import grid_cards, grid_from_cards
from ...astrometry.point_spread import PIXEL_ARCSEC, predict_point_spread
from ...exposure.header import Header, card_values
from ...exposure.records import Mosaic
from ...files.catalogs import read_catalog, write_catalog
from ...files.names import product_name
from ...files.provenance import StepRun
from ...files.read import read_wcs_tree
from ...files.read_mosaic import read_image_cards, read_mosaic
from ...files.write_mosaic import MosaicWorld, write_segmentation
from ...mosaic.correlation import noise_autocorrelation
from ...pipeline.mosaic_to_catalog import (
    MosaicOptics,
    MosaicToCatalog,
    mosaic_to_catalog,
)
from ...reference.catalog_planes import load_catalog_planes
from ...reference.selection import CATALOG_KINDS
from .products import Made, Recipe, input_file, reference_source

MODULE = "program.tasks.make_catalog"
MEASURED = ("SCI", "ERR", "CON")
"""Extensions that sources are measured on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRequest:
    """What the catalogue task is to do.

    Attributes
    ----------
    mosaic : Path
        ``_i2d``; the catalogue and the segmentation map go beside it.
    pixfrac : float
        Of its drizzle.
    references : str
    params : MosaicToCatalog
    """

    mosaic: Path
    pixfrac: float
    references: str
    params: MosaicToCatalog


def make_catalog(request: CatalogRequest) -> Made:
    """Make the catalogue of one mosaic unless it is up to date.

    Raises
    ------
    RamplineError
        No aperture corrections for this filter.
    """
    root = request.mosaic.name.removesuffix("_i2d.fits")
    path = request.mosaic.with_name(product_name(root, "cat", "ecsv"))
    cards, (n_rows, n_cols) = read_image_cards(request.mosaic)
    grid = grid_from_cards(cards, n_rows, n_cols)
    mosaic = read_mosaic(request.mosaic, grid, computed=MEASURED)
    header = mosaic.headers[0]
    recipe = Recipe(
        module=MODULE,
        params=request.params,
        inputs=(input_file(request.mosaic),),
        references=reference_source(request.references).select(header, CATALOG_KINDS),
        words=(str(request.pixfrac),),
    )
    segmentation = request.mosaic.with_name(product_name(root, "segm"))
    if path.is_file() and segmentation.is_file():
        table = read_catalog(path)
        if table.meta.get("task_key") == recipe.key:
            return Made(path=path, made=(), note=f"{len(table)} sources")
    optics = _optics(mosaic, header, request.pixfrac)
    planes = load_catalog_planes(recipe.references, header)
    start = perf_counter()
    found = mosaic_to_catalog(mosaic, planes, optics, request.params)
    step = StepRun("catalog", perf_counter() - start)
    provenance = recipe.provenance((step,))
    found.table.meta["task_key"] = recipe.key
    world = MosaicWorld(
        gwcs=read_wcs_tree(request.mosaic), cards=grid_cards(mosaic.grid)
    )
    write_segmentation(segmentation, found.labels, mosaic, world, provenance, path.name)
    write_catalog(path, found.table, provenance)
    note = f"{len(found.table)} sources"
    return Made(path=path, made=("cat", "segm"), note=note)


def _optics(mosaic: Mosaic, header: Header, pixfrac: float) -> MosaicOptics:
    native = _native_scale(header)
    spread = predict_point_spread(header.filter, header.pupil, header.channel)
    return MosaicOptics(
        psf_fwhm_arcsec=spread.fwhm_px * PIXEL_ARCSEC[header.channel],
        native_scale_arcsec=native,
        pixfrac=pixfrac,
        autocorrelation=noise_autocorrelation(
            pixfrac, mosaic.grid.scale_arcsec / native
        ),
    )


def _native_scale(header: Header) -> float:
    """Return the exposures' pixel size: from their nominal area, else the channel's."""
    area = card_values(header.science).get("PIXAR_A2")
    if isinstance(area, float) and area > 0:
        return math.sqrt(area)
    return PIXEL_ARCSEC[header.channel]
