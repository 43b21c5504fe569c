"""From calibrated exposures to a correction of their flat, by the sky between sources."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from ..background.sky_model import SkyModelParams, model_sky
from ..calibration.sky_flat import (
    SkyFlat,
    SkyFlatParams,
    add_sky,
    finish_sky_flat,
    start_sky_flat,
)
from ..exposure.records import SkyImage
from ..flags import BAD_FOR_MOSAIC

MASK: Final = SkyModelParams(grow=16)
"""Sources are grown far."""


def measure_sky_flat(images: Iterable[SkyImage], params: SkyFlatParams) -> SkyFlat:
    """Measure the factor by which the flat of one detector and filter must be multiplied.

    Parameters
    ----------
    images : iterable of SkyImage
        Calibrated with that flat, of different fields or well dithered, the sky not
        subtracted; loaded one at a time.
    params : SkyFlatParams

    Raises
    ------
    ValueError
        If there are too few exposures, their shapes differ, or one shows no sky.
    """
    sums, n = None, 0
    for image in images:
        shape = image.geometry.shape
        sums = sums or start_sky_flat(shape)
        if sums.weight.shape[1:] != shape:
            raise ValueError(
                f"{image.header.root}: its shape is not that of the others"
            )
        usable = (image.flags & np.uint32(BAD_FOR_MOSAIC)) == 0
        # errors of the flat look like diffuse light
        sky = model_sky(image.sky, usable, MASK, mask_diffuse=False)
        is_sky = usable & ~sky.is_source
        try:
            add_sky(sums, (image.sky, image.err), is_sky, n, params)
        except ValueError as error:
            raise ValueError(f"{image.header.root}: {error}") from error
        n += 1
    if sums is None or n < params.min_exposures:
        raise ValueError(
            f"{n} exposures are too few, {params.min_exposures} are needed"
        )
    return finish_sky_flat(sums, params)
