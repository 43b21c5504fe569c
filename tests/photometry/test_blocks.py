import numpy as np
import pytest

from rampline.photometry.blocks import (
    Blocks,
    _add_blocks,
    _average_blocks,
    _mark_occupied,
    add_blocks,
    average_blocks,
    find_occupied,
)

from ..twins import photometry as twin


def test_a_block_is_the_weighted_mean_of_its_pixels():
    signal = np.array([[1.0, 4.0, 9.0]], np.float32)
    err = np.array([[1.0, 2.0, 3.0]], np.float32)
    valid = np.array([[True, True, False]])
    mean, error, has_data = average_blocks((signal, err, valid), 2)
    np.testing.assert_allclose(mean, [[1.6, 0.0]])
    np.testing.assert_allclose(error, [[1 / np.sqrt(1.25), 1.0]])
    np.testing.assert_array_equal(has_data, [[True, False]])


def test_only_pixels_with_data_join_a_block_s_source():
    labels = np.array([[1, 0, 0, 0]], np.int32)
    blocks = Blocks(np.array([[0, 1]], np.int32), 2)
    add_blocks(labels, np.array([[True, True, True, False]]), blocks, 1)
    np.testing.assert_array_equal(labels, [[1, 0, 2, 0]])


def test_a_block_on_a_source_is_occupied():
    labels = np.array([[1, 0, 0, 0]], np.int32)
    blocks = Blocks(np.array([[2, 1]], np.int32), 2)
    np.testing.assert_array_equal(find_occupied(blocks, labels, 2), [False, True])


@pytest.mark.parametrize("side", [1, 2, 3, 7])
def test_the_kernels_agree_with_their_twins(rng, side):
    shape = (23, 31)
    signal, err = rng.normal(0, 1, (2, *shape)).astype(np.float32)
    signal[rng.random(shape) < 0.1] = np.nan
    image = (signal, np.abs(err) + np.float32(0.1), np.isfinite(signal))
    size = [-(-n // side) for n in shape]
    found, slow = np.empty((2, 2, *size), np.float32)
    seen, expected = np.empty((2, *size), bool)
    _average_blocks(image, side, (found[0], found[1]), seen)
    twin.average_blocks(image, side, slow, expected)
    np.testing.assert_array_equal(seen, expected)
    np.testing.assert_allclose(found, slow, rtol=1e-5, atol=1e-6)
    blocks = rng.integers(0, 6, size, dtype=np.int32)
    labels = rng.integers(0, 2, shape, dtype=np.int32) * 3
    labels[rng.random(shape) < 0.97] = 0
    marks = np.zeros((2, 7), bool)
    _mark_occupied(blocks, labels, side, marks[0])
    twin.mark_occupied(blocks, labels, side, marks[1])
    np.testing.assert_array_equal(*marks)
    both = np.stack([labels, labels])
    _add_blocks(both[0], image[2], blocks, side, 9)
    twin.add_blocks(both[1], image[2], blocks, side, 9)
    np.testing.assert_array_equal(*both)
