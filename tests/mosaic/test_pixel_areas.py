"""Areas of pixels on the grid: polygons, counted points, twins."""

import numpy as np
import pytest

from rampline.mosaic import pixel_areas as kernels
from rampline.mosaic.drizzle import reach
from rampline.mosaic.window import lattice_of

from ..twins import mosaic as twins
from .scenery import laid, turned_map


@pytest.mark.parametrize("angle", [0, 3, 35, 90, 133, 180, 256])
@pytest.mark.parametrize("scale", [0.4, 1.0, 2.3])
def test_pixels_cover_what_cutting_polygons_and_counting_points_say(angle, scale):
    pixel_map = turned_map((20, 20), angle, scale, (50, 50), bend=2.0)
    pad = reach(pixel_map)
    fast, slow = (laid(pixel_map, pad, m.lay_pixels) for m in (kernels, twins))
    n = 9
    lines = [s.lines.reshape(kernels.LINES, -1)[:, :n] for s in (fast, slow)]
    assert np.allclose(lines[0][:8], lines[1][:8], atol=1e-9)
    assert np.array_equal(lines[0][16:18], lines[1][16:18])
    assert np.allclose(fast.cover[..., :n], slow.cover[..., :n], atol=1e-9)
    for i in range(n):
        area = lines[0][18, i] * twins.area_of(fast.lines, i)
        assert area == pytest.approx(1.0, rel=1e-12)
        assert fast.cover[..., i].sum() == pytest.approx(1.0, rel=1e-12)
    quad = np.stack([lines[0][:4, 4], lines[0][4:8, 4]], -1)
    for r, c in np.ndindex(pad, pad):
        counted = twins.count_overlap(quad, r + 0.5, c + 0.5)
        assert fast.cover[r, c, 4] == pytest.approx(
            counted * abs(lines[0][18, 4]), abs=4e-3 * abs(lines[0][18, 4])
        )


def test_areas_left_of_edges_are_those_of_the_twins(rng):
    for _ in range(60):
        y0, x0, y1, x1 = rng.uniform(-1, 3, 4)
        slopes = kernels.edge_slopes(y1 - y0, x1 - x0)
        assert slopes == pytest.approx(twins.edge_slopes(y1 - y0, x1 - x0))
        for row, col in rng.uniform(-1, 3, (3, 2)):
            ours = kernels.area_left_of_edge((y0, x0, y1), slopes, row, col)
            theirs = twins.area_left_of_edge((y0, x0, y1), slopes, row, col)
            assert ours == pytest.approx(theirs, abs=1e-7)
    assert kernels.edge_slopes(0.0, 0.0) == twins.edge_slopes(0.0, 0.0) == (0.0, 0.0)
    corners = rng.uniform(3, 9, 4)
    assert kernels.first_cell(*corners) == twins.first_cell(*corners)


def test_lines_of_pixels_are_measured_as_by_the_twins():
    pixel_map = turned_map((20, 20), 20, 1.2, (50, 50), bend=2.0)
    lattice = lattice_of(pixel_map)
    lines = np.zeros((2, kernels.LINES * kernels.PITCH))
    for k, module in enumerate((kernels, twins)):
        module.corners_of_row(lattice, (3, 5), 0.4, lines[k])
        module.shift_to_cells(lines[k])
        module.measure_edges(lines[k])
    ours, theirs = lines.reshape(2, kernels.LINES, -1)[:, :, :15]
    assert np.allclose(ours, theirs, rtol=1e-7, atol=1e-9)
    areas = np.zeros((2, 2, kernels.PITCH))
    for k, module in enumerate((kernels, twins)):
        module.area_below_left(lines[0], 1.0, 2.0, areas[k, 0])
        module.area_below_left(lines[0], 1.0, 1.0, areas[k, 1])
        module.take_off(areas[k, 0], areas[k, 1])
        module.take_part(lines[0], areas[k, 0])
    assert np.allclose(areas[0, :, :15], areas[1, :, :15], atol=1e-9)
    ends = np.empty((2, 2, 12))
    cubic, steps = (3.0, 2.0, -0.3, 0.2), (0.5, 0.03, 0.01)
    for k, module in enumerate((kernels, twins)):
        module.ends_of_pixels(cubic, steps, *ends[k])
    assert np.allclose(ends[0], ends[1], rtol=1e-14)
