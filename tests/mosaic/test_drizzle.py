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


def test_a_quadrilateral_covers_what_counting_points_says(rng):
    for _ in range(20):
        a = rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
        corners = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.5, -0.5]])
        corners = corners @ turn * rng.uniform(0.3, 2) + rng.uniform(3, 6, 2)
        corners += rng.uniform(-0.05, 0.05, (4, 2))
        patch = np.zeros((6, 7))
        row, col = np.floor(corners.min(axis=0) + 0.5)
        area = kernels.cover_quadrilateral(
            patch, corners[:, :, None] + 0.5, 0, (row, col)
        )
        share = np.cumsum(patch, axis=1) * np.sign(area)
        assert share.sum() == pytest.approx(abs(area), rel=1e-12)
        assert np.abs(share[4:]).max() < 1e-12
        for i, j in np.ndindex(4, 4):
            counted = twins.count_overlap(corners, row + i, col + j)
            assert share[i, j] == pytest.approx(counted, abs=4e-3)
            exact = twins.overlap(corners, row + i, col + j)
            assert share[i, j] == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize(("angle", "scale", "pixfrac"), [(0, 1, 1), (40, 2.1, 0.7)])
def test_the_kernel_does_as_its_twin(rng, angle, scale, pixfrac, monkeypatch):
    one = dithers(rng, 1, (18, 15), (50, 50), angle, scale)[0]
    one.sky[3, 4] = np.nan
    one.weight[3, 4] = 0
    one.noise.var_flat[5, 5] = np.nan
    window = Window(7, 40, 3, 33)
    fast, slow = start_sums(window, 5, 1), start_sums(window, 5, 1)
    add_exposure(fast, one, 0, pixfrac)
    for name in ("drizzle_pixels", "stamp_exposure"):
        monkeypatch.setattr(f"rampline.mosaic.drizzle.{name}", getattr(twins, name))
    add_exposure(slow, one, 0, pixfrac)
    assert np.allclose(fast.inner, slow.inner, rtol=1e-9, atol=1e-9)
    assert np.array_equal(fast.exposure_s, slow.exposure_s)
    assert np.array_equal(fast.context, slow.context)
    assert fast.context.any()


def test_an_edge_leaves_the_area_to_its_right_as_its_twin(rng):
    ends = rng.uniform(0, 5, (200, 4))
    ends[:40] = np.round(ends[:40])
    for x0, y0, x1, y1 in ends:
        fast, slow = np.zeros((2, 6, 8))
        kernels.add_edge(fast, x0, y0, x1, y1)
        twins.add_edge(slow, x0, y0, x1, y1)
        assert np.allclose(np.cumsum(fast, axis=1), np.cumsum(slow, axis=1), atol=1e-12)


def test_a_pixel_is_laid_and_spread_as_by_its_twins(rng):
    middles = np.array([[1, 1], [1, 4], [4, 4], [4, 1]])
    corners = middles[:, :, None] + rng.uniform(0, 1, (4, 2, 1))
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        turned = np.ascontiguousarray(corners[order])
        assert kernels.reach_of(turned, 1, 0) == twins.reach_of(turned, 1, 0)
        fast, slow = np.zeros((2, 6, 7))
        sums = np.zeros((2, 12, 12, 6))
        for mine, kernel, values in ((fast, kernels, sums[0]), (slow, twins, sums[1])):
            area = kernel.cover_quadrilateral(mine, turned, 0, (1.0, 1.0))
            scale, terms = (1 / area, 2.0, 7), (1.0, 0.1, 0.2, 0.3)
            kernel.spread_pixel(mine, (2, 3, 4, 4), scale, terms, values)
            assert not mine[:4].any()
        assert np.allclose(sums[0], sums[1], atol=1e-12)
        assert sums[0, ..., 1].sum() == pytest.approx(2.0)


def test_the_other_parts_do_as_their_twins(rng):
    one = dithers(rng, 1)[0]
    lattice = lattice_of(one.pixel_map)
    fast, slow = np.empty((2, 4, 2, 20))
    kernels.corners_of_row(lattice, (3, 5), 0.4, fast)
    twins.corners_of_row(lattice, (3, 5), 0.4, slow)
    assert np.allclose(fast, slow, atol=1e-10)
    values = np.zeros((2, 30, 30, 6))
    planes = kernels.DrizzlePlanes(one.sky, one.weight, *one.noise)
    row, col = (int(x) for x in fast.min(axis=(0, 2)))
    window = Window(row + 2, row + 22, col + 1, col + 21)
    patch = np.zeros((6, 7))
    for k, module in enumerate((kernels, twins)):
        target = kernels.Target(values[k], 5, window, 3, 0.5)
        module.drizzle_stretch(planes, (3, 5), fast, patch, target)
        nodes = lattice.nodes
        cells = np.ndindex(nodes.shape[0] - 1, nodes.shape[1] - 1)
        found = [bool(module.cell_misses(nodes, a, b, target)) for a, b in cells]
        assert found == [
            bool(kernels.cell_misses(nodes, a, b, target))
            for a, b in np.ndindex(nodes.shape[0] - 1, nodes.shape[1] - 1)
        ]
    inner = (slice(None), slice(5, 25), slice(5, 25))
    assert np.allclose(values[0][inner[1:]], values[1][inner[1:]], atol=1e-9)
    assert values[0].any()
    for variance in (0.5, np.nan, np.inf):
        assert kernels.known(np.float32(variance)) == twins.known(np.float32(variance))


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
