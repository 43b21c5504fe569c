"""Drizzle: identity, conservation, order, windows, twin, and the drizzle package."""

import numpy as np
import pytest

from rampline.mosaic import drizzle_kernel as kernels
from rampline.mosaic.drizzle import add_exposure, finish_sums, reach, start_sums
from rampline.mosaic.window import Window, lattice_of, split_grid
from rampline.numerics.nodes import interpolate_frame

from ..twins import mosaic as twins
from .scenery import affine_map, exposure, turned_map


def drizzle(exposures, shape, pixfrac=1.0, window=None):
    window = window or Window(0, shape[0], 0, shape[1])
    pad = max(reach(one.pixel_map) for one in exposures)
    sums = start_sums(window, pad, len(exposures))
    for number, one in enumerate(exposures):
        add_exposure(sums, one, number, pixfrac)
    return finish_sums(sums)


def dithers(rng, n=3, shape=(40, 36), grid=(64, 64), angle=35.0, scale=1.05):
    found = []
    for _ in range(n):
        pixel_map = turned_map(shape, angle, scale, grid, rng.uniform(-2, 2, 2), 0.3)
        weight = rng.uniform(1, 2, shape) * (rng.random(shape) > 0.1)
        found.append(exposure(rng.normal(5, 1, shape), pixel_map, weight))
    return found


def test_a_shift_by_whole_pixels_is_the_identity(rng):
    sky = rng.normal(size=(5, 6))
    planes = drizzle([exposure(sky, affine_map((5, 6), shift=(2, 1)), 3.0)], (9, 9))
    assert np.array_equal(planes.sky[2:7, 1:7], sky.astype(np.float32))
    assert np.all(planes.weight[2:7, 1:7] == 3.0)
    assert np.isnan(planes.sky).sum() == 81 - 30
    assert planes.exposure_s.sum() == 30 * 100.0


def test_a_shift_by_half_a_pixel_averages_neighbours():
    sky = np.array([[1.0, 3.0]])
    planes = drizzle([exposure(sky, affine_map((1, 2), shift=(0, 0.5)))], (1, 4))
    assert planes.sky[0, :3] == pytest.approx([1.0, 2.0, 3.0])
    assert planes.weight[0, :3] == pytest.approx([0.5, 1.0, 0.5])
    # two halves of independent pixels: half the variance
    assert planes.var_poisson[0, :3] == pytest.approx([0.04, 0.02, 0.04])


def test_a_small_drop_stays_in_its_pixel():
    sky = np.array([[1.0, 3.0]])
    one = exposure(sky, affine_map((1, 2), shift=(0, 0.2)))
    planes = drizzle([one], (1, 4), pixfrac=0.5)
    assert planes.sky[0, :2] == pytest.approx([1.0, 3.0])


def test_flux_and_weight_are_conserved(rng):
    for pixfrac in (1.0, 0.6):
        exposures = dithers(rng)
        planes = drizzle(exposures, (64, 64), pixfrac)
        total = sum((e.weight.astype(float) * e.sky).sum() for e in exposures)
        weight = sum(e.weight.astype(float).sum() for e in exposures)
        seen = planes.weight > 0
        flux = (planes.sky[seen].astype(float) * planes.weight[seen]).sum()
        assert flux == pytest.approx(total, rel=1e-6)
        assert planes.weight.astype(float).sum() == pytest.approx(weight, rel=1e-6)


def test_the_variance_falls_with_the_number_of_dithers():
    same = exposure(np.ones((8, 8)), affine_map((8, 8)))
    one, four = drizzle([same], (8, 8)), drizzle([same] * 4, (8, 8))
    assert four.var_read == pytest.approx(one.var_read / 4)
    assert four.err == pytest.approx(one.err / 2)
    assert np.all(four.exposure_s == 400.0)


def test_the_level_is_taken_off(rng):
    sky = rng.normal(size=(6, 6))
    planes = drizzle([exposure(sky, affine_map((6, 6)), level=2.0)], (6, 6))
    assert planes.sky == pytest.approx(sky - 2.0, abs=1e-6)


def test_pixels_without_weight_leave_no_trace():
    sky = np.array([[np.nan, 1.0]])
    one = exposure(sky, affine_map((1, 2)), [[0.0, 1.0]])
    planes = drizzle([one], (1, 2))
    assert np.isnan(planes.sky[0, 0])
    assert planes.context[0, 0].tolist() == [0, 1]
    assert planes.exposure_s[0].tolist() == [0.0, 100.0]


def test_forty_exposures_set_forty_context_bits():
    same = exposure(np.ones((2, 2)), affine_map((2, 2)))
    planes = drizzle([same] * 40, (2, 2))
    assert planes.context.shape == (2, 2, 2)
    assert np.all(planes.context[0] == -1)
    assert np.all(planes.context[1] == 2**8 - 1)


def test_the_order_of_exposures_does_not_matter(rng):
    exposures = dithers(rng)
    forth, back = drizzle(exposures, (64, 64)), drizzle(exposures[::-1], (64, 64))
    assert np.allclose(forth.sky, back.sky, rtol=1e-6, equal_nan=True)
    assert np.allclose(forth.err, back.err, rtol=1e-6, equal_nan=True)


def test_windows_make_the_same_mosaic_bit_by_bit(rng):
    exposures = dithers(rng)
    whole = drizzle(exposures, (64, 64))
    for window in split_grid((64, 64), 23, 17):
        part = drizzle(exposures, (64, 64), window=window)
        for name in ("sky", "err", "weight", "exposure_s"):
            ours = getattr(whole, name)[window.slices]
            assert np.array_equal(getattr(part, name), ours, equal_nan=True)
        assert np.array_equal(part.context[0], whole.context[0][window.slices])


def test_an_exposure_off_the_grid_leaves_it_empty():
    one = exposure(np.ones((4, 4)), affine_map((4, 4), shift=(100, 0)))
    planes = drizzle([one], (8, 8))
    assert np.isnan(planes.sky).all()


def laid(pixel_map, pad, half=0.5, place=(7, 3), module=kernels):
    lines = np.zeros(18 * kernels.PITCH)
    scratch = kernels.Scratch(lines, np.zeros((pad, pad, kernels.PITCH)))
    module.lay_pixels(lattice_of(pixel_map), place, half, scratch)
    return scratch


@pytest.mark.parametrize("angle", [0, 3, 35, 90, 133, 180, 256])
@pytest.mark.parametrize("scale", [0.4, 1.0, 2.3])
def test_pixels_cover_what_cutting_polygons_and_counting_points_say(angle, scale):
    pixel_map = turned_map((20, 20), angle, scale, (50, 50), bend=2.0)
    pad = reach(pixel_map)
    fast, slow = laid(pixel_map, pad), laid(pixel_map, pad, module=twins)
    n = 9
    lines = [s.lines.reshape(18, -1)[:, :n] for s in (fast, slow)]
    assert np.allclose(lines[0][:8], lines[1][:8], atol=1e-9)
    assert np.array_equal(lines[0][16:], lines[1][16:])
    assert np.allclose(fast.cover[..., :n], slow.cover[..., :n], atol=1e-9)
    for i in range(n):
        area = kernels.area_of(fast.lines, i)
        assert area == pytest.approx(twins.area_of(fast.lines, i))
        assert fast.cover[..., i].sum() == pytest.approx(area, rel=1e-12)
    quad = np.stack([lines[0][:4, 4], lines[0][4:8, 4]], -1)
    for r, c in np.ndindex(pad, pad):
        counted = twins.count_overlap(quad, r + 0.5, c + 0.5)
        assert abs(fast.cover[r, c, 4]) == pytest.approx(counted, abs=4e-3)


def test_an_exposure_along_the_grid_touches_three_cells_a_turned_one_no_more():
    for angle, cells in ((0, 3), (0.5, 3), (45, 3)):
        assert reach(turned_map((40, 40), angle, 1.03, (60, 60))) == cells
    assert reach(turned_map((40, 40), 30, 0.5, (60, 60))) == 2
    assert reach(turned_map((40, 40), 45, 2.0, (60, 60))) == 4


def test_a_mirrored_exposure_is_drizzled_as_well(rng):
    sky = rng.normal(size=(5, 6))
    mirrored = affine_map((5, 6), ((1, 0), (0, -1)), (1, 7))
    planes = drizzle([exposure(sky, mirrored)], (8, 9))
    assert planes.sky[1:6, 2:8] == pytest.approx(sky[:, ::-1], abs=1e-6)


@pytest.mark.parametrize(("angle", "scale", "pixfrac"), [(0, 1, 1), (40, 2.1, 0.7)])
def test_the_kernel_does_as_its_twin(rng, angle, scale, pixfrac, monkeypatch):
    one = dithers(rng, 1, (18, 15), (50, 50), angle, scale)[0]
    one.sky[3, 4] = np.nan
    one.weight[3, 4] = 0
    one.noise.var_flat[5, 5] = np.nan
    window = Window(7, 40, 3, 33)
    pad = reach(one.pixel_map)
    fast, slow = start_sums(window, pad, 1), start_sums(window, pad, 1)
    add_exposure(fast, one, 0, pixfrac)
    for name in ("drizzle_pixels", "stamp_exposure"):
        monkeypatch.setattr(f"rampline.mosaic.drizzle.{name}", getattr(twins, name))
    add_exposure(slow, one, 0, pixfrac)
    assert np.allclose(fast.inner, slow.inner, rtol=1e-9, atol=1e-9)
    assert np.array_equal(fast.exposure_s, slow.exposure_s)
    assert np.array_equal(fast.context, slow.context)
    assert fast.context.any()


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
    lines = np.zeros((2, 18 * kernels.PITCH))
    for k, module in enumerate((kernels, twins)):
        module.corners_of_row(lattice, (3, 5), 0.4, lines[k])
        module.shift_to_cells(lines[k])
        module.measure_edges(lines[k])
    ours, theirs = lines.reshape(2, 18, -1)[:, :, :15]
    assert np.allclose(ours, theirs, rtol=1e-7, atol=1e-9)
    areas = np.zeros((2, 2, kernels.PITCH))
    for k, module in enumerate((kernels, twins)):
        module.area_below_left(lines[0], 1.0, 2.0, areas[k, 0])
        module.area_below_left(lines[0], 1.0, 1.0, areas[k, 1])
        module.take_off(areas[k, 0], areas[k, 1])
    assert np.allclose(areas[0, :, :15], areas[1, :, :15], atol=1e-9)
    ends = np.empty((2, 2, 12))
    cubic, steps = (3.0, 2.0, -0.3, 0.2), (0.5, 0.03, 0.01)
    for k, module in enumerate((kernels, twins)):
        module.ends_of_pixels(cubic, steps, *ends[k])
    assert np.allclose(ends[0], ends[1], rtol=1e-14)


def test_columns_that_touch_a_window_are_all_found(rng):
    pixel_map = turned_map((90, 300), 25, 1.1, (400, 400), bend=1.0)
    lattice = lattice_of(pixel_map)
    planes = np.zeros((1, 1, 2))
    for _ in range(40):
        top, left = rng.integers(0, 380, 2)
        window = Window(top, top + 20, left, left + 60)
        target = kernels.Target(planes, 3, window, 0.0)
        row = int(rng.integers(90))
        found = kernels.columns_that_touch(lattice, row, (0, 300), target)
        wanted = twins.columns_that_touch(lattice, row, (0, 300), target)
        if wanted[1] > wanted[0]:
            assert found[0] <= wanted[0]
            assert found[1] >= wanted[1]
        assert found[1] - found[0] <= wanted[1] - wanted[0] + 16


def test_pixels_are_spread_as_by_the_twins(rng):
    one = dithers(rng, 1)[0]
    pad = reach(one.pixel_map)
    scratch = laid(one.pixel_map, pad)
    lattice = lattice_of(one.pixel_map)
    row, col = scratch.lines.reshape(18, -1)[16:, :9].min(axis=1).astype(int)
    window = Window(row + 2, row + 22, col + 1, col + 21)
    values = np.zeros((2, 20 + 2 * pad, 20 + 2 * pad, 5))
    planes = kernels.DrizzlePlanes(one.sky, one.weight, *one.noise)
    for k, module in enumerate((kernels, twins)):
        target = kernels.Target(values[k], pad, window, 0.5)
        module.spread_pixels(planes, (7, 3, 9), scratch, target)
        share = 1 / kernels.area_of(scratch.lines, 2)
        terms = (2.0, 2.0, (2.0, 1.0, 3.0))
        module.spread_pixel(scratch.cover, (2, 0, 1), share, terms, values[k])
    assert np.allclose(values[0], values[1], atol=1e-12)
    assert (values[0][..., 1] > 0).sum() > 12
    for a in range(lattice.nodes.shape[0] - 1):
        found = kernels.cells_that_touch(lattice.nodes, a, target)
        assert found == twins.cells_that_touch(lattice.nodes, a, target)
    for variance in (0.5, np.nan, np.inf):
        assert kernels.known(np.float32(variance)) == twins.known(np.float32(variance))


def test_sums_are_averaged_as_by_the_twin(rng):
    values = rng.uniform(0.1, 2, (6, 7, 5))
    values[2, 3] = 0.0
    ours, theirs = (tuple(np.empty((6, 6, 7), np.float32)) for _ in range(2))
    kernels.average_sums(values, ours)
    twins.average_sums(values, theirs)
    for mine, yours in zip(ours, theirs, strict=True):
        assert np.allclose(mine, yours, rtol=1e-6, equal_nan=True)
        assert np.isfinite(mine).sum() >= 41


def test_the_error_is_the_scatter_of_many_mosaics(rng):
    chi = []
    for _ in range(200):
        exposures = []
        for shift in ((0.3, 0.2), (-0.4, 0.1), (0.1, -0.3)):
            sigma = rng.uniform(0.5, 1.5, (20, 20))
            pixel_map = turned_map((20, 20), 30, 1.0, (30, 30), shift)
            one = exposure(rng.normal(0, sigma), pixel_map, 1 / sigma**2)
            for k in range(3):
                one.noise[k][:] = sigma**2 / 3
            exposures.append(one)
        planes = drizzle(exposures, (30, 30))
        chi.append((planes.sky / planes.err)[10:20:4, 10:20:4])
    assert np.std(chi) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("pixfrac", [1.0, 0.6])
@pytest.mark.parametrize(("angle", "scale"), [(0.0, 1.0), (35.0, 1.04), (115.0, 2.1)])
def test_the_drizzle_package_makes_the_same_mosaic(rng, angle, scale, pixfrac):
    resample = pytest.importorskip("drizzle.resample")
    grid = (int(170 * scale), int(170 * scale))
    theirs = resample.Drizzle(kernel="square", fillval=np.nan, out_shape=grid)
    exposures = dithers(rng, 3, (90, 100), grid, angle, scale)
    for one in exposures:
        m = one.pixel_map
        # the distortion of a real detector bends by 1e-7 pixels within a pixel
        m.nodes[:] = turned_map((90, 100), angle, scale, grid, rng.normal(size=2)).nodes
        places = interpolate_frame(m.nodes, m.step, m.origin, m.shape)
        theirs.add_image(
            one.sky,
            exptime=1.0,
            pixmap=places[..., ::-1],
            weight_map=one.weight,
            pixfrac=pixfrac,
        )
    ours = drizzle(exposures, grid, pixfrac)
    both = (ours.weight > 1e-4) & (theirs.out_wht > 1e-4)
    assert both.sum() > 8000 * scale
    sky = np.abs(ours.sky[both] / theirs.out_img[both] - 1)
    weight = np.abs(ours.weight[both] / theirs.out_wht[both] - 1)
    assert np.mean(sky > 1e-6) < 2e-3  # float32 sums there, float64 here
    assert sky.max() < 1e-4
    assert np.mean(weight > 1e-6) < 0.05
    assert weight.max() < 1e-3
    assert np.array_equal(ours.context[0] != 0, theirs.out_ctx[0] != 0)
