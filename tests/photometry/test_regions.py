import numpy as np
import pytest

from rampline.photometry.regions import (
    _count_pixels,
    _join_neighbours,
    _mark_touching,
    clear_pixels,
    count_pixels,
    drop_labels,
    find_regions,
    find_touching,
    join_roots,
    renumber,
)

from ..twins import photometry as twin


def _labels(rng, shape=(30, 40), count=12):
    labels = np.zeros(shape, np.int32)
    for k in range(1, count + 1):
        row, col = rng.integers(0, shape)
        labels[row : row + 4, col : col + 5] = k
    return labels


def test_dropped_labels_leave_no_gap():
    labels = np.array([[0, 1, 2, 3]], np.int32)
    drop_labels(labels, np.array([False, True, False]))
    np.testing.assert_array_equal(labels, [[0, 1, 0, 2]])


def test_only_segments_side_by_side_touch():
    labels = np.array([[1, 2, 0, 3], [1, 2, 0, 3]], np.int32)
    np.testing.assert_array_equal(find_touching(labels, 3), [True, True, False])


def test_a_region_is_known_by_its_lowest_label():
    labels = np.array([[3, 0, 0, 2], [0, 1, 0, 4], [0, 0, 0, 0]], np.int32)
    np.testing.assert_array_equal(find_regions(labels, 4), [1, 2, 1, 2])


def test_pixels_are_counted_source_by_source():
    labels = np.array([[3, 0, 1], [3, 3, 0]], np.int32)
    np.testing.assert_array_equal(count_pixels(labels, 4), [1, 0, 3, 0])


@pytest.mark.parametrize("shape", [(30, 40), (1, 40), (40, 1)])
def test_the_kernels_agree_with_their_twins(rng, shape):
    for _ in range(10):
        labels = _labels(rng, shape)
        for fast, slow, dtype, start in (
            (_count_pixels, twin.count_pixels, np.int64, np.zeros(13)),
            (_mark_touching, twin.mark_touching, np.bool_, np.zeros(13)),
            (_join_neighbours, twin.join_neighbours, np.int32, np.arange(13)),
        ):
            found, expected = start.astype(dtype), start.astype(dtype)
            fast(labels, found)
            slow(labels, expected)
            np.testing.assert_array_equal(found, expected)
        number = rng.permutation(13).astype(np.int32)
        number[0] = 0
        valid = rng.random(shape) > 0.3
        for fast, slow, how in (
            (renumber, twin.renumber, number),
            (clear_pixels, twin.clear_pixels, valid),
        ):
            one, other = labels.copy(), labels.copy()
            fast(one, how)
            slow(other, how)
            np.testing.assert_array_equal(one, other)


def test_roots_are_joined_as_by_the_twin(rng):
    found = np.arange(9)
    slow = found.copy()
    for one, other in rng.integers(0, 9, (6, 2)):
        join_roots(found, one, other)
        twin.join_roots(slow, one, other)
        np.testing.assert_array_equal(found, slow)
