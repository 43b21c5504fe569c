import numpy as np
from scipy import ndimage

from rampline.photometry.holes import (
    _count_runs,
    _find_runs,
    fill_holes,
    find_holes,
    locate_cores,
)

from ..twins import photometry as twin


def _valid():
    valid = np.ones((30, 40), bool)
    valid[10:13, 10:13] = False
    valid[20:22, 30] = False
    valid[:, :3] = False
    valid[5:25, 20:35][:, :1] = False
    return valid


def _map(holes, shape):
    labels = np.zeros(shape, np.int32)
    for number, hole in enumerate(holes, 1):
        labels[hole] = number
    return labels


def test_small_gaps_among_the_data_are_holes():
    holes = find_holes(_valid(), 5.0)
    assert len(holes) == 2
    np.testing.assert_array_equal(holes[0].rows, np.repeat([10, 11, 12], 3))
    np.testing.assert_array_equal(holes[0].cols, np.tile([10, 11, 12], 3))
    np.testing.assert_array_equal(holes[1].rows, [20, 21])
    np.testing.assert_array_equal(holes[1].cols, [30, 30])


def test_holes_are_those_that_a_general_labelling_finds(rng):
    for share in (0.01, 0.2, 0.5):
        valid = rng.random((70, 90)) > share
        valid[:, 40:44] |= rng.random((70, 4)) > 0.1
        regions, count = ndimage.label(~valid, np.ones((3, 3)))
        expected = np.zeros(valid.shape, np.int32)
        for k, box in enumerate(ndimage.find_objects(regions), 1):
            inner = all(
                side.start > 0 and side.stop < size and side.stop - side.start <= 12
                for side, size in zip(box, valid.shape, strict=True)
            )
            if inner:
                expected[regions == k] = expected.max() + 1
        found = _map(find_holes(valid, 12.0), valid.shape)
        np.testing.assert_array_equal(found, expected)
        assert count > 5


def test_runs_agree_with_the_twin(rng):
    for share in (0.0, 0.1, 0.6, 1.0):
        valid = rng.random((20, 31)) >= share
        expected, regions = twin.find_runs(valid)
        assert _count_runs(valid) == twin.count_runs(valid) == len(expected)
        runs, parent = np.empty((len(expected), 3), np.int64), np.arange(len(expected))
        _find_runs(valid, runs, parent)
        np.testing.assert_array_equal(runs, np.reshape(expected, (-1, 3)))
        np.testing.assert_array_equal(parent, regions)


def test_a_hole_takes_the_highest_value_of_its_rim():
    holes = find_holes(_valid(), 5.0)
    plane = np.zeros((30, 40), np.float32)
    plane[9, 12], plane[7, 11], plane[11, 11] = 5.0, 9.0, 77.0
    fill_holes(holes, (plane,))
    assert (plane[10:13, 10:13] == 5.0).all()
    assert plane[7, 11] == 9.0
    assert not plane[20:22, 30].any()


def test_a_core_is_the_middle_of_its_hole_else_the_peak():
    holes = find_holes(_valid(), 5.0)
    labels = np.zeros((30, 40), np.int32)
    labels[8:15, 8:15], labels[26, 36] = 1, 2
    peaks = (np.array([9, 26]), np.array([12, 36]))
    cores = locate_cores(labels, peaks, holes)
    np.testing.assert_allclose(cores.row, [11, 26])
    np.testing.assert_allclose(cores.col, [11, 36])
    np.testing.assert_allclose(cores.radius, [np.sqrt(9 / np.pi), 0])
