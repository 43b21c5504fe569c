import io

import numpy as np
from PIL import Image

from rampline.report.legend import ROWS, Legend
from rampline.report.pictures import (
    NO_DATA,
    colour_picture,
    linear_picture,
    picture,
    shrink,
)


def _pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_rows_run_upwards_and_missing_pixels_have_their_own_colour(rng):
    image = rng.normal(0, 1, (8, 8)).astype(np.float32)
    image[7, 0] = 1e4
    image[0, 0] = np.nan
    pixels = _pixels(picture(image))
    assert tuple(pixels[0, 0]) == (255, 255, 255)
    assert tuple(pixels[-1, 0]) == NO_DATA


def test_a_large_plane_is_averaged_without_its_missing_pixels():
    image = np.full((2048, 1536), 2.0, np.float32)
    image[::2] = np.nan
    small = shrink(image)
    assert small.shape == (1024, 768)
    np.testing.assert_array_equal(small, 2.0)


def test_a_mapped_plane_is_let_go_of_while_it_is_averaged(rng):
    image = rng.normal(5, 1, (2100, 2050)).astype(np.float32)
    calls = []
    small = shrink(image, lambda: calls.append(1))
    assert len(calls) == 700 // 64
    blocks = image[:, :2049].reshape(700, 3, 683, 3)
    np.testing.assert_allclose(small, blocks.mean(axis=(1, 3)), rtol=1e-6)


def test_a_source_in_one_band_takes_that_colour(rng):
    bands = rng.normal(0, 1, (3, 16, 16)).astype(np.float32)
    bands[2, 5, 5] = 1e4
    red, _, blue = _pixels(colour_picture(*bands))[15 - 5, 5]
    assert red == 255
    assert blue < 128


def test_an_empty_plane_is_drawn_as_missing():
    pixels = _pixels(picture(np.full((4, 4), np.nan, np.float32)))
    assert (pixels == NO_DATA).all()


def test_a_colour_picture_shows_only_what_all_bands_cover(rng):
    bands = rng.normal(0, 1, (3, 32, 32)).astype(np.float32)
    bands[1, :10] = np.nan
    bands[2, :, 20:] = np.nan
    assert _pixels(colour_picture(*bands)).shape == (22, 20, 3)


def test_weights_are_drawn_from_zero_and_without_those_that_are_zero():
    weight = np.full((8, 8), 4.0, np.float32)
    weight[:, :4] = 2.0
    weight[0] = 0.0
    pixels = _pixels(linear_picture(weight))
    assert tuple(pixels[-1, 0]) == NO_DATA
    assert tuple(pixels[0, 7]) == (255, 255, 255)
    assert abs(int(pixels[0, 0, 0]) - 127) <= 1


def test_a_small_plane_with_a_legend_is_magnified_and_the_legend_stands_below(rng):
    image = rng.normal(0, 1, (64, 100)).astype(np.float32)
    legend = Legend("jw_nrcb1 F200W cal", "MJy/sr", 0.031, 30.0)
    pixels = _pixels(picture(image, legend=legend))
    assert pixels.shape == (64 * 6 + ROWS, 600, 3)
    np.testing.assert_array_equal(pixels[: 64 * 6 : 6, ::6], _pixels(picture(image)))
    assert pixels[-ROWS:].max() > 200
    bands = rng.normal(0, 1, (3, 64, 100)).astype(np.float32)
    assert _pixels(colour_picture(*bands, legend)).shape == pixels.shape
