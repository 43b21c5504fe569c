"""Compare the fluxes of stars that several detectors of an aligned field have seen."""

from collections.abc import Sequence

import numpy as np

from ..astrometry.pixel_map import map_pixels, map_to_grid
from ..calibration.zero_points import (
    StarFluxes,
    ZeroPointParams,
    ZeroPoints,
    compare_detectors,
)
from ..exposure.grid import Grid
from .sky_to_mosaic import AlignedField


def compare_zero_points(
    field: AlignedField, members: Sequence[int], grid: Grid, params: ZeroPointParams
) -> ZeroPoints | None:
    """Compare the flux calibration of the detectors of one filter.

    Parameters
    ----------
    field : AlignedField
    members : sequence of int
        Numbers of the exposures.
    grid : Grid
    params : ZeroPointParams

    Returns
    -------
    ZeroPoints or None
        None where the step is left out, or there is one detector.
    """
    names = {field.surveys[k].header.detector for k in members}
    if not params.enabled or len(names) < 2:
        return None
    return compare_detectors([_see_stars(field, k, grid) for k in members], params)


def _see_stars(field: AlignedField, k: int, grid: Grid) -> StarFluxes:
    """Return the stars of one exposure, their fluxes corrected for the pixel area."""
    survey = field.surveys[k]
    stars = survey.sources.select(survey.sources.is_star)
    pixel_map = map_to_grid(field.geometries[k], grid)
    here = map_pixels(pixel_map, stars.rows, stars.cols)
    down = map_pixels(pixel_map, stars.rows + 1.0, stars.cols) - here
    right = map_pixels(pixel_map, stars.rows, stars.cols + 1.0) - here
    area = np.abs(down[:, 0] * right[:, 1] - down[:, 1] * right[:, 0])
    return StarFluxes(
        detector=survey.header.detector,
        position=here * grid.scale_arcsec,
        flux=stars.flux * area,
        snr=stars.snr,
    )
