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
    for of_both, known in zip(
        zip(fast, slow, strict=True), (10, 17, None), strict=True
    ):
        ours, theirs = (a.reshape(-1, kernels.PITCH)[:known, :n] for a in of_both)
        assert np.allclose(ours, theirs, rtol=1e-6, atol=3e-6)
    cover = fast.cover.reshape(pad + 1, pad + 1, -1)
    for i in range(n):
        area = fast.edges[kernels.SHARE + i] * twins.area_of(fast.edges, i)
        assert area == pytest.approx(1.0, rel=1e-6)
        assert cover[..., i].sum() == pytest.approx(1.0, rel=3e-6)
    quad = twins.quadrilateral(fast.edges, 4)
    share = float(abs(fast.edges[kernels.SHARE + 4]))
    for r, c in np.ndindex(pad, pad):
        counted = twins.count_overlap(quad, r + 0.5, c + 0.5)
        assert cover[r + 1, c + 1, 4] == pytest.approx(
            counted * share, abs=4e-3 * share
        )


def test_lines_of_pixels_are_measured_as_by_the_twins():
    lattice = lattice_of(turned_map((20, 20), 20, 1.2, (50, 50), bend=2.0))
    found = []
    for module in (kernels, twins):
        scratch, n = module.make_scratch(3), 15
        module.corners_of_row(lattice, (3, 5, n), 0.4, scratch.corners)
        module.shift_to_cells(scratch.corners, scratch.edges, n)
        module.measure_edges(scratch.edges, n)
        module.cut_edges(scratch.edges, np.float32(1.0), n)
        lines = scratch.cover.reshape(-1, kernels.PITCH)
        module.areas_left(scratch.edges, np.float32(1.0), lines[1], n)
        module.areas_left(scratch.edges, np.float32(2.0), lines[2], n)
        module.areas_below(scratch.edges, lines[3], n)
        whole = lines[:2].reshape(-1), lines[2:4].reshape(-1)
        module.take_part(scratch.edges, whole[1], whole[0], n)
        found.append(scratch)
    for ours, theirs in zip(*found, strict=True):
        assert np.allclose(ours, theirs, rtol=3e-6, atol=3e-6)
    assert (found[0].cover > 0.01).sum() > 20
    assert kernels.count_cells(scratch.cover) == twins.count_cells(scratch.cover) == 3


def test_ends_of_pixels_are_those_of_the_twin():
    ends = np.zeros((2, 4 * kernels.PITCH))
    cubics = (3.0, 2.0, -0.3, 0.2), (2.0, 1.5, 0.3, 0.1)
    for k, module in enumerate((kernels, twins)):
        module.ends_of_pixels(cubics, (0.5, 0.03, 0.01), 12, ends[k])
    assert np.allclose(*ends, rtol=1e-14)
    assert np.count_nonzero(ends[0]) == 48


def test_an_edge_is_cut_and_measured_as_by_the_twin(rng):
    for _ in range(60):
        y0, y1, x0, x1 = rng.uniform(-1, 3, 4).astype(np.float32)
        row, col = rng.uniform(-1, 3, 2).astype(np.float32)
        areas = []
        for module in (kernels, twins):
            edges = kernels.make_scratch(3).edges
            edges[kernels.COL] = x0
            module.measure_edge(edges, 0, y1 - y0, x1 - x0)
            module.cut_edge(edges, 0, (y0, y1), row)
            areas.append(module.area_left_of_edge(edges, 0, col))
        assert areas[0] == pytest.approx(areas[1], abs=1e-5)
    edges = np.ones(kernels.EDGES * kernels.PITCH, np.float32)
    kernels.measure_edge(edges, 0, np.float32(0), np.float32(0))
    assert edges[kernels.RUN] == edges[kernels.RISE] == 0.0
    corners = rng.uniform(3, 9, 4)
    assert kernels.first_cell(*corners) == twins.first_cell(*corners)
