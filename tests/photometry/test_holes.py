import numpy as np

from rampline.photometry.holes import fill_holes, find_holes, locate_cores


def _valid():
    valid = np.ones((30, 40), bool)
    valid[10:13, 10:13] = False
    valid[20:22, 30] = False
    valid[:, :3] = False
    valid[5:25, 20:35][:, :1] = False
    return valid


def test_small_gaps_among_the_data_are_holes():
    holes = find_holes(_valid(), 5.0)
    assert holes.max() == 2
    assert holes[11, 11] == 1
    assert holes[20, 30] == 2
    assert not holes[:, :3].any()
    assert not holes[:, 20].any()


def test_a_hole_takes_the_highest_value_of_its_rim():
    holes = find_holes(_valid(), 5.0)
    plane = np.zeros(holes.shape, np.float32)
    plane[9, 12], plane[7, 11], plane[11, 11] = 5.0, 9.0, 77.0
    fill_holes(holes, (plane,))
    assert (plane[10:13, 10:13] == 5.0).all()
    assert plane[7, 11] == 9.0
    assert not plane[20:22, 30].any()


def test_a_core_is_the_middle_of_its_hole_else_the_peak():
    holes = find_holes(_valid(), 5.0)
    labels = np.zeros(holes.shape, np.int32)
    labels[8:15, 8:15], labels[26, 36] = 1, 2
    peaks = (np.array([9, 26]), np.array([12, 36]))
    cores = locate_cores(labels, peaks, holes)
    np.testing.assert_allclose(cores.row, [11, 26])
    np.testing.assert_allclose(cores.col, [11, 36])
    np.testing.assert_allclose(cores.radius, [np.sqrt(9 / np.pi), 0])
