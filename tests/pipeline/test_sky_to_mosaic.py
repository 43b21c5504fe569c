"""The path from calibrated exposures to mosaics: alignment, levels, grid, second round."""

from dataclasses import replace

import numpy as np
import pytest

from rampline.astrometry.geometry import sky_to_pixel
from rampline.astrometry.pixel_map import sky_to_grid
from rampline.astrometry.reference_catalog import ReferenceStars
from rampline.background.level_matching import LevelMatchingParams
from rampline.exposure.header import SkyPlace
from rampline.pipeline.draft_mosaic import blot_scene, mask_mosaic
from rampline.pipeline.runner import Bench
from rampline.pipeline.sky_to_mosaic import (
    GridParams,
    SkyToMosaic,
    align_field,
    level_exposures,
    sky_to_mosaic,
    split_filters,
    survey_exposure,
)

from . import dithers as field

SIZE = 256
N_STARS = 30
SMALL_CELLS = SkyToMosaic(levels=LevelMatchingParams(mesh=24))
SHIFTS = ((0.0, 0.0), (0.31, 0.12), (-0.22, 0.27), (0.11, -0.35))
ERRORS = ((0.05, -0.03), (0.06, -0.02), (0.04, -0.03), (0.05, -0.04))
LEVELS = (0.20, 0.26, 0.23, 0.21)


def make_stars(rng, n=N_STARS):
    ra, dec, _ = field.star_field(rng, n, 3.4)
    return ra, dec, 10 ** rng.uniform(0.5, 2, n)


def make_exposures(rng, stars, bands=("F200W",)):
    return [
        field.make_image(
            rng, 10 * b + k, stars, SHIFTS[k], LEVELS[k], error=ERRORS[k], size=SIZE,
            band=band,
        )
        for b, band in enumerate(bands)
        for k in range(4)
    ]  # fmt: skip


def catalog(stars):
    ra, dec, peak = stars
    bright = peak > 10
    return ReferenceStars(
        ra_deg=ra[bright],
        dec_deg=dec[bright],
        error_arcsec=np.full(bright.sum(), 0.001),
    )


def walk(images, stars, params=None, threads=1):
    with Bench(threads) as bench:
        return sky_to_mosaic(images, stars, "field", bench, params or SMALL_CELLS)


def peak_near(sky, row, col):
    """Centroid and sum of the 7 by 7 pixels around a star."""
    r, c = int(np.rint(row)), int(np.rint(col))
    stamp = sky[r - 3 : r + 4, c - 3 : c + 4] - np.nanmedian(sky)
    y, x = np.mgrid[r - 3 : r + 4, c - 3 : c + 4]
    return (y * stamp).sum() / stamp.sum(), (x * stamp).sum() / stamp.sum()


def test_stars_stand_where_the_catalogue_has_them(rng):
    stars = make_stars(rng)
    made = walk(make_exposures(rng, stars), catalog(stars))
    assert {image.status for image in made.field.alignment.images} == {"OK"}
    mosaic = made.combined["F200W", "CLEAR"].mosaic
    ra, dec, peak = stars
    rows, cols = sky_to_grid(made.grid, ra, dec)
    apart = np.hypot(rows[:, None] - rows, cols[:, None] - cols) + 99 * np.eye(N_STARS)
    chosen = (peak > 20) & (apart.min(axis=1) > 15)
    off = [
        np.subtract(peak_near(mosaic.sky, rows[k], cols[k]), (rows[k], cols[k]))
        for k in np.flatnonzero(chosen)
    ]
    off = np.array(off)[np.isfinite(off).all(axis=1)]
    assert len(off) >= 5
    assert np.abs(np.median(off, axis=0)).max() * made.grid.scale_arcsec < 0.001
    # the headers were 50 mas off
    _, col = sky_to_pixel(made.field.surveys[0].geometry, ra[0], dec[0])
    _, aligned = sky_to_pixel(made.field.geometries[0], ra[0], dec[0])
    assert abs(col - aligned) > 0.5


def test_a_moving_target_stands_still_while_stars_move(rng):
    stars = make_stars(rng)
    steps = np.array([(0.0, 0.0), (0.3, 0.1), (0.6, 0.2), (0.9, 0.3)]) / 3600
    places = [
        SkyPlace(110.8 + east / np.cos(np.radians(73.45)), -73.45 + north)
        for east, north in steps
    ]
    images = []
    for k, place in enumerate(places):
        scene = [np.append(a, b) for a, b in zip(stars, (*place, 200.0), strict=True)]
        image = field.make_image(
            rng, k, scene, SHIFTS[k], LEVELS[k], error=ERRORS[k], size=SIZE
        )
        header = replace(image.header, is_moving_target=True, moving_target=place)
        images.append(replace(image, header=header))
    made = walk(images, catalog(stars))
    assert {image.status for image in made.field.alignment.images} == {"OK"}
    assert made.field.still == pytest.approx(np.mean(places, axis=0), abs=1e-7)
    mosaic = made.combined["F200W", "CLEAR"].mosaic
    row, col = sky_to_grid(made.grid, *made.field.still)
    off = np.subtract(peak_near(mosaic.sky, row, col), (row, col))
    assert np.abs(off).max() * made.grid.scale_arcsec < 0.001


def test_the_mosaic_has_no_steps_between_exposures(rng):
    stars = make_stars(rng)
    images = make_exposures(rng, stars)
    made = walk(images, None)
    mosaic = made.combined["F200W", "CLEAR"].mosaic
    blank = ~mask_mosaic(mosaic.sky)
    found = [
        np.nanmedian(mosaic.sky[blank & (mosaic.context[0] == bits)])
        for bits in range(1, 16)
        if (blank & (mosaic.context[0] == bits)).sum() > 200
    ]
    assert len(found) >= 5
    assert np.ptp(found) < 0.01
    # the lowest level stays
    assert np.median(found) == pytest.approx(min(LEVELS), abs=0.01)


def test_levels_are_measured_or_left_alone(rng):
    stars = make_stars(rng)
    params = SMALL_CELLS
    surveys = [survey_exposure(i, params) for i in make_exposures(rng, stars)]
    aligned = align_field(surveys, None, params.alignment)
    grid = field.grid(400)
    levels = level_exposures(aligned, [0, 1, 2, 3], grid, params.levels)
    assert levels.level == pytest.approx(np.array(LEVELS) - 0.2, abs=0.003)
    off = LevelMatchingParams(enabled=False)
    assert not level_exposures(aligned, [0, 1], grid, off).level.any()


def test_filters_share_a_grid_and_keep_to_themselves(rng):
    stars = make_stars(rng)
    params = SkyToMosaic(grid=GridParams(pixel_scale=0.06))
    made = walk(make_exposures(rng, stars, ("F200W", "F150W")), None, params)
    assert list(made.combined) == [("F200W", "CLEAR"), ("F150W", "CLEAR")]
    shapes = {c.mosaic.sky.shape for c in made.combined.values()}
    assert shapes == {(made.grid.n_rows, made.grid.n_cols)}
    assert made.grid.scale_arcsec == 0.06
    first = made.combined["F200W", "CLEAR"]
    assert [h.filter for h in first.mosaic.headers] == ["F200W"] * 4
    assert first.mosaic.name == "field_f200w-clear"


def test_an_exposure_that_failed_stays_out_unless_asked_for(rng):
    stars, elsewhere = make_stars(rng, 70), make_stars(rng, 70)
    images = make_exposures(rng, stars)
    images[2] = field.make_image(rng, 2, elsewhere, SHIFTS[2], size=SIZE)
    params = SkyToMosaic()
    surveys = [survey_exposure(image, params) for image in images]
    aligned = align_field(surveys, None, params.alignment)
    assert aligned.alignment.images[2].status == "FAILED"
    assert split_filters(aligned, GridParams())["F200W", "CLEAR"] == [0, 1, 3]
    every = GridParams(include_failed=True)
    assert split_filters(aligned, every)["F200W", "CLEAR"] == [0, 1, 2, 3]


def test_exposures_whose_place_is_not_confirmed_may_be_left_out(rng):
    surveys = [
        survey_exposure(image, SkyToMosaic())
        for image in make_exposures(rng, make_stars(rng))
    ]
    aligned = align_field(surveys, None, SkyToMosaic().alignment)
    images = list(aligned.alignment.images)
    images[1] = replace(images[1], status="WEAK")
    doubtful = replace(
        aligned, alignment=replace(aligned.alignment, images=tuple(images))
    )
    assert split_filters(doubtful, GridParams())["F200W", "CLEAR"] == [0, 1, 2, 3]
    sure = GridParams(include_weak=False)
    assert split_filters(doubtful, sure)["F200W", "CLEAR"] == [0, 2, 3]


def test_the_scene_of_an_exposure_is_its_sky_without_noise(rng):
    stars = make_stars(rng)
    images = make_exposures(rng, stars)
    made = walk(images, catalog(stars))
    mosaic = made.combined["F200W", "CLEAR"].mosaic
    scene = blot_scene(
        mosaic.sky, mask_mosaic(mosaic.sky), mosaic.grid, made.field.geometries[0]
    )
    assert scene.sky.shape == images[0].sky.shape
    known = np.isfinite(scene.sky) & np.isfinite(images[0].sky)
    assert known.mean() > 0.95
    left = (images[0].sky - scene.sky)[known & ~scene.is_source]
    assert np.std(left) < 1.3 * np.median(images[0].err)
    truth = field.paint(made.field.geometries[0], stars)
    assert scene.is_source[truth > 2].all()
    assert scene.is_source.mean() < 0.8


def test_the_number_of_threads_changes_nothing(rng):
    stars = make_stars(rng)
    images = make_exposures(rng, stars)
    one, two = walk(images, None), walk(images, None, threads=2)
    for name in ("sky", "err", "weight", "context"):
        ours = getattr(one.combined["F200W", "CLEAR"].mosaic, name)
        theirs = getattr(two.combined["F200W", "CLEAR"].mosaic, name)
        assert np.array_equal(ours, theirs, equal_nan=True)
