"""Windows: a grid is covered once, boxes hold their exposures."""

import numpy as np

from rampline.mosaic.window import Window, box_of, overlapping, split_grid

from .scenery import affine_map


def test_windows_cover_a_grid_once():
    seen = np.zeros((50, 70), int)
    for window in split_grid(seen.shape, 16, 30):
        assert seen[window.slices].shape == window.shape
        seen[window.slices] += 1
    assert np.all(seen == 1)


def test_a_window_lies_within_a_wider_one():
    plane = np.arange(50 * 70).reshape(50, 70)
    for window in split_grid(plane.shape, 16, 30):
        wide = window.grown(2, plane.shape)
        part = plane[wide.slices]
        assert np.array_equal(part[window.within(wide)], plane[window.slices])
        assert wide.shape[0] - window.shape[0] in (2, 4)


def test_a_box_holds_the_exposure_and_stays_on_the_grid():
    box = box_of(affine_map((10, 10), shift=(20, -4)), (60, 60))
    assert box.row_start <= 19
    assert box.row_stop >= 31
    assert box.col_start == 0
    assert box_of(affine_map((10, 10), shift=(900, 0)), (60, 60)).shape[0] == 0


def test_only_boxes_that_share_a_pixel_overlap():
    boxes = [Window(0, 5, 0, 5), Window(5, 9, 0, 5), Window(4, 9, 4, 9)]
    assert overlapping(boxes, Window(0, 5, 0, 5)) == [0, 2]
    assert overlapping([Window(2, 2, 0, 9)], Window(0, 5, 0, 5)) == []
