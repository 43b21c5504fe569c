"""Calibrated exposures to the correction of their flat: the sky between the sources."""

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

MASK: Final = SkyModelParams(diffuse=1e9, grow=16)
"""Sources by their cores and grown far: a flat that is too low looks like diffuse light."""


def measure_sky_flat(images: Iterable[SkyImage], params: SkyFlatParams) -> SkyFlat:
    """Measure by what the flat of one detector and filter must be multiplied.

    Parameters
    ----------
    images : iterable of SkyImage
        Calibrated with that flat, of different fields or well dithered, the sky not
        subtracted; loaded one at a time.
    params : SkyFlatParams

    Returns
    -------
    SkyFlat

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
            raise ValueError(f"{image.header.root}: not as large as the others")
        usable = (image.flags & np.uint32(BAD_FOR_MOSAIC)) == 0
        is_sky = usable & ~model_sky(image.sky, usable, MASK).is_source
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
