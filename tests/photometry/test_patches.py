import numpy as np

from rampline.photometry.patches import cut_patches


def test_patches_are_centred_and_zero_beyond_the_edge():
    image = np.arange(20, dtype=np.float32).reshape(4, 5)
    found = cut_patches(image, np.array([1, 0]), np.array([2, 4]), 1)
    np.testing.assert_array_equal(found[0], image[0:3, 1:4])
    np.testing.assert_array_equal(found[1], [[0, 0, 0], [3, 4, 0], [8, 9, 0]])


def test_missing_pixels_are_zero_and_labels_stay_whole_numbers():
    image = np.array([[1.0, np.nan, np.inf]], np.float32)
    found = cut_patches(image, np.array([0]), np.array([1]), 1)
    np.testing.assert_array_equal(found[0, 1], [1, 0, 0])
    labels = np.array([[16777217]], np.int32)
    assert cut_patches(labels, np.array([0]), np.array([0]), 0)[0, 0, 0] == 16777217


def test_places_far_outside_give_zeros():
    image = np.ones((3, 3), np.float32)
    assert not cut_patches(image, np.array([50]), np.array([-90]), 2).any()
