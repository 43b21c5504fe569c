"""The pixels of a draft mosaic that sources reach, once for all its exposures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...background.sky_model import SkyModelParams
from ...files.read_mosaic import read_surface
from ...files.templates import write_planes
from ...pipeline.draft_mosaic import mask_mosaic, mask_mosaic_cores
from .field_view import COMPACT, SOURCES, UNKNOWN
from .products import Made, Recipe, input_file

MODULE = "program.tasks.make_sources"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesRequest:
    """Which mosaic, and where the mask goes."""

    mosaic: Path
    path: Path


def make_sources(request: SourcesRequest) -> Made:
    """Mask the sources of a draft mosaic unless that is done.

    Raises
    ------
    InputError
        A mosaic that is no longer whole.
    """
    recipe = Recipe(
        module=MODULE, params=SkyModelParams(), inputs=(input_file(request.mosaic),)
    )
    if recipe.is_made(request.path):
        return Made(path=request.path, made=())
    sky = read_surface(request.mosaic)
    masks = {
        SOURCES: mask_mosaic(sky).astype(np.uint8),
        COMPACT: mask_mosaic_cores(sky).astype(np.uint8),
        UNKNOWN: (~np.isfinite(sky)).astype(np.uint8),
    }
    write_planes(request.path, masks, recipe.provenance(()))
    return Made(path=request.path, made=("sources",))
