import numpy as np
import pytest

from rampline.background import source_mask
from rampline.background.source_mask import (
    Blocks,
    average_blocks,
    mask_sources,
    spread_blocks,
)

from ..twins import background as twins


def noise_blocks(rng, shape=(60, 60)):
    return rng.normal(0, 0.25, shape).astype(np.float32)


def found_in(mean, peak=None, grow_px=8):
    blocks = Blocks(mean, np.zeros_like(mean) if peak is None else peak)
    return mask_sources(blocks, 1.0, (3.0, 3.0), grow_px)


def test_a_bright_block_is_masked_and_so_are_its_neighbours(rng):
    mean = np.clip(noise_blocks(rng), -0.5, 0.5)
    mean[30, 20] = 5.0
    found = found_in(mean)
    assert found[28:33, 18:23].all()


def test_a_bright_pixel_masks_its_block(rng):
    mean = np.clip(noise_blocks(rng), -0.5, 0.5)
    peak = np.zeros_like(mean)
    peak[30, 20] = 5.1
    assert found_in(mean, peak)[30, 20]
    peak[30, 20] = 4.9
    assert not found_in(mean, peak)[30, 20]


def test_diffuse_light_below_the_noise_of_blocks_is_found(rng):
    row, col = np.indices((120, 120))
    light = 0.4 * np.exp(-((row - 60) ** 2 + (col - 60) ** 2) / (2 * 12.0**2))
    found = found_in(noise_blocks(rng, (120, 120)) + light.astype(np.float32))
    assert found[50:70, 50:70].mean() > 0.99
    assert found[:20].mean() < 0.15


def test_empty_sky_loses_only_what_chance_and_growth_take(rng):
    # 0.13 per cent of the blocks pass 3 sigma, each takes 25; smooth light adds as much
    assert found_in(noise_blocks(rng, (400, 400))).mean() < 0.08


def test_blocks_without_data_are_no_sources():
    mean = np.full((20, 20), np.nan, np.float32)
    assert not found_in(mean, mean).any()


def test_masks_of_blocks_cover_frames_that_are_not_a_multiple(rng):
    blocks = rng.random((3, 2)) < 0.5
    pixels = spread_blocks(blocks, (10, 7))
    assert pixels.shape == (10, 7)
    assert pixels[9, 6] == blocks[2, 1]


@pytest.mark.parametrize("shape", [(16, 16), (13, 18)])
def test_twin_blocks(rng, shape):
    values = rng.normal(0, 1, shape).astype(np.float32)
    values[rng.random(shape) < 0.1] = np.nan
    usable = rng.random(shape) > 0.2
    usable[:4, :4] = False
    size = tuple(-(-n // 4) for n in shape)
    found, wanted = np.empty((2, 2, *size), np.float32)
    source_mask._average_blocks(values, usable, 4, found[0], found[1])
    twins.average_blocks(values, usable, 4, wanted[0], wanted[1])
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)
    assert np.isnan(average_blocks(values, usable).mean[0, 0])
