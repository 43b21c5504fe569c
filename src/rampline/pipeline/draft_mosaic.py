"""What a draft mosaic tells about its exposures: where sources are, and how they look."""

import numpy as np
from numpy.typing import NDArray

from ..astrometry.pixel_map import map_to_grid
from ..background.cores import mask_cores
from ..background.sky_model import SkyModelParams, model_sky
from ..exposure.geometry import Geometry
from ..exposure.grid import Grid
from ..exposure.records import Plane, Scene
from ..mosaic.blot import blot_mask, make_scene


def mask_mosaic(sky: Plane, *, diffuse: bool = True) -> NDArray[np.bool_]:
    """Return the pixels of a draft mosaic that sources reach, (rows, cols) bool.

    Parameters
    ----------
    sky : (rows, cols) float32, MJy/sr
    diffuse : bool
        Whether light without a core counts as a source: wings of galaxies do, but stray
        light then does too.
    """
    known = np.isfinite(sky)
    return model_sky(sky, known, SkyModelParams(), mask_diffuse=diffuse).is_source


def mask_mosaic_cores(sky: Plane) -> NDArray[np.bool_]:
    """Return the pixels of a draft mosaic that sources with a core reach, (rows, cols) bool.

    Stray light has no core and is left out.

    Parameters
    ----------
    sky : (rows, cols) float32, MJy/sr
    """
    return mask_cores(sky, mask_mosaic(sky, diffuse=False))


def blot_scene(
    sky: Plane, is_source: NDArray[np.bool_], grid: Grid, geometry: Geometry
) -> Scene:
    """Blot a draft mosaic to an exposure: the input of its second round.

    Parameters
    ----------
    sky : (rows, cols) float32, MJy/sr
        Of the mosaic.
    is_source : (rows, cols) bool
        Of the mosaic: `mask_mosaic`.
    grid : Grid
    geometry : Geometry
        Aligned.

    Returns
    -------
    Scene
        Without the sky level that was subtracted from the exposure in the mosaic.
    """
    return make_scene(sky, is_source, map_to_grid(geometry, grid))


def blot_grid_mask(
    mask: NDArray[np.bool_], grid: Grid, geometry: Geometry
) -> NDArray[np.bool_]:
    """Blot a mask of the grid to an exposure, (rows, cols) bool."""
    return blot_mask(mask, map_to_grid(geometry, grid))
