"""Levels of exposures that a nebula fills: overlaps alone tell them."""

from dataclasses import replace

import numpy as np
import pytest

from rampline.astrometry.pixel_map import map_pixels, map_to_grid
from rampline.background.level_matching import LevelMatchingParams
from rampline.pipeline.sky_to_mosaic import (
    SkyToMosaic,
    align_field,
    level_exposures,
    survey_exposure,
)

from . import dithers

SHIFTS = ((0.0, 0.0), (0.9, 0.4), (-0.7, 0.8))
LEVELS = np.array([0.2, 0.26, 0.23])
SIZE = 192


def nebula(rows, cols):
    """Filaments, wider than cells, some hundred times brighter than the noise."""
    return 4.0 + 2.0 * np.sin(rows / 25 + np.cos(cols / 40)) + np.cos(cols / 20)


@pytest.fixture
def images(rng):
    stars = dithers.star_field(rng, 12, 2.5)
    made = []
    for k, (shift, level) in enumerate(zip(SHIFTS, LEVELS, strict=True)):
        image = dithers.make_image(rng, k, stars, shift, level, size=SIZE)
        pixel_map = map_to_grid(image.geometry, dithers.grid(400))
        places = map_pixels(pixel_map, *np.indices((SIZE, SIZE)))
        light = nebula(places[..., 0], places[..., 1]).astype(np.float32)
        made.append(replace(image, sky=image.sky + light))
    return made


def match(images, **options):
    params = SkyToMosaic(levels=LevelMatchingParams(mesh=16, **options))
    surveys = [survey_exposure(image, params) for image in images]
    field = align_field(surveys, None, params.alignment)
    # the headers are true: what a nebula does to the alignment is not at stake
    field = replace(field, geometries=tuple(image.geometry for image in images))
    found = level_exposures(field, range(3), dithers.grid(400), params.levels)
    return found, surveys


def test_in_extended_light_no_cell_is_masked_and_levels_come_back(images):
    found, surveys = match(images, field="extended")
    assert all(np.isfinite(survey.sky.level).all() for survey in surveys)
    assert found.group.tolist() == [0, 0, 0]
    np.testing.assert_allclose(found.level, LEVELS - LEVELS.min(), atol=0.01)


def test_taken_for_sources_the_filaments_leave_few_cells(images):
    _, surveys = match(images, field="sky")
    known = [np.isfinite(survey.sky.level).mean() for survey in surveys]
    assert np.mean(known) < 0.7
