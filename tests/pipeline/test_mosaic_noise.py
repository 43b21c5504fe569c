"""The noise of areas: halves of the exposures against what was put in."""

from dataclasses import replace

import numpy as np
import pytest

from rampline.astrometry.footprint import grid_from_footprints
from rampline.astrometry.pixel_map import map_to_grid
from rampline.mosaic.drizzle import DrizzleParams
from rampline.mosaic.noise_curve import NoiseCurveParams
from rampline.mosaic.outliers import OutlierParams
from rampline.mosaic.window import Window
from rampline.pipeline.combine import Dither, combine_dithers
from rampline.pipeline.mosaic_noise import (
    choose_pieces,
    cover_grid,
    split_exposures,
)
from rampline.pipeline.runner import Bench, Runner

from . import dithers as field

SIZE = 400


@pytest.fixture
def images(rng):
    """Four dithers of stars on a bright sky."""
    stars = field.star_field(rng, reach=5.0)
    shifts = rng.uniform(-0.15, 0.15, (4, 2))
    return [
        field.make_image(rng, k + 1, stars, shift, 0.2, size=SIZE)
        for k, shift in enumerate(shifts)
    ]


def combine(images, threads=1, **params):
    dithers = [
        Dither(
            header=image.header,
            geometry=image.geometry,
            level_mjy_sr=0.0,
            load=lambda image=image: image,
        )
        for image in images
    ]
    steps = OutlierParams(), DrizzleParams(), NoiseCurveParams(**params)
    grid = grid_from_footprints([image.geometry for image in images], 0.03)
    with Bench(threads) as bench:
        run = Runner(None, bench)
        return combine_dithers(dithers, grid, "field", run, steps)


def noise_of(images, threads=1, **params):
    return combine(images, threads, **params).noise


def test_neither_stars_nor_sky_are_noise(images):
    curve = noise_of(images)
    seen = curve.n_boxes > 500
    assert seen.sum() >= 6
    over = curve.measured[seen] / curve.predicted[seen]
    np.testing.assert_allclose(over, 1.0, atol=0.05)


def test_what_an_exposure_has_alone_is_noise(images, rng):
    size = 20
    steps = rng.normal(0, 0.01, (len(images), SIZE // size, SIZE // size))
    rough = [
        replace(image, sky=image.sky + np.kron(each, np.ones((size, size), np.float32)))
        for image, each in zip(images, steps.astype(np.float32), strict=True)
    ]
    mosaic, _, plain = combine(images)
    more = noise_of(rough)
    side = plain.side_px.tolist().index(8)
    # some boxes lie across an edge and see the mean of two squares
    seen = 1 - 8 / (3 * size)
    common = seen * 8 * 0.01 / np.sqrt(len(images)) / np.nanmedian(mosaic.err)
    expected = np.hypot(plain.measured[side], common)
    assert more.measured[side] == pytest.approx(expected, rel=0.12)


def test_what_all_exposures_have_in_common_is_none(images):
    rows = np.indices((SIZE, SIZE))[0].astype(np.float32)
    sloping = [replace(image, sky=image.sky + rows / 1000) for image in images]
    curve, plain = noise_of(sloping), noise_of(images)
    seen = plain.n_boxes > 500
    np.testing.assert_allclose(curve.measured[seen], plain.measured[seen], rtol=0.05)


def test_threads_do_not_change_it(images):
    for first, second in zip(noise_of(images), noise_of(images, 3), strict=True):
        np.testing.assert_array_equal(first, second)


def test_left_out_or_of_one_exposure_it_is_as_predicted(images):
    for curve in (noise_of(images, enabled=False), noise_of(images[:1])):
        assert np.isnan(curve.measured).all()
        assert curve.factor(64.0) == pytest.approx(curve.predicted[5])


def test_every_other_exposure_of_a_detector_is_of_the_second_half():
    headers = [
        replace(field.header(k, 110.8, -73.4), detector=name)
        for k, name in enumerate(["NRCB1", "NRCB2", "NRCB1", "NRCB1", "NRCB2"])
    ]
    assert split_exposures(headers) == [False, False, True, False, True]


def test_pieces_without_data_are_left_out():
    shape, is_seen = (1100, 700), np.ones((69, 44), np.bool_)
    assert len(choose_pieces(is_seen, shape, 24)) == 2
    is_seen[:38] = False
    assert choose_pieces(is_seen, shape, 24) == [Window(550, 1100, 0, 700)]
    assert choose_pieces(np.zeros_like(is_seen), shape, 24) == []
    assert choose_pieces(is_seen, shape, 0) == []


def test_of_a_large_mosaic_a_few_pieces_far_apart_are_looked_at():
    is_seen = np.broadcast_to(np.bool_(1), (64, 64 * 64))
    chosen = choose_pieces(is_seen, (1024, 64 * 1024), 4)
    assert [window.col_start // 1024 for window in chosen] == [0, 21, 42, 63]


def test_the_grid_is_seen_where_a_mosaic_has_data(images):
    grid = grid_from_footprints([image.geometry for image in images], 0.03)
    maps = [map_to_grid(image.geometry, grid) for image in images]
    is_seen = cover_grid(maps, (grid.n_rows, grid.n_cols))
    has_data = np.isfinite(combine(images).mosaic.sky[::16, ::16])
    assert is_seen.shape == has_data.shape
    assert (is_seen != has_data).mean() < 0.02
    assert 0.1 < has_data.mean() < 0.9
