"""Drizzle: identity, conservation, order, windows, twin, and the drizzle package."""

import numpy as np
import pytest

from rampline.mosaic import drizzle_kernel as kernels
from rampline.mosaic.drizzle import add_exposure, finish_sums, reach, start_sums
from rampline.mosaic.pixel_areas import PITCH, lay_pixels
from rampline.mosaic.window import Window, lattice_of, split_grid
from rampline.numerics.nodes import interpolate_nodes

from ..twins import mosaic as twins
from .scenery import affine_map, exposure, laid, turned_map


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
        total = sum(np.nansum(e.weight.astype(float) * e.sky) for e in exposures)
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
    assert np.allclose(fast.inner, slow.inner, rtol=1e-5, atol=1e-5)
    assert np.array_equal(fast.exposure_s, slow.exposure_s)
    assert np.array_equal(fast.context, slow.context)
    assert fast.context.any()


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
    scratch = laid(one.pixel_map, pad, lay_pixels)
    lattice = lattice_of(one.pixel_map)
    row, col = scratch.corners.reshape(-1, PITCH)[8:10, :9].min(axis=1).astype(int)
    window = Window(row + 2, row + 22, col + 1, col + 21)
    values = np.zeros((2, 20 + 2 * pad, 20 + 2 * pad, 5))
    planes = kernels.DrizzlePlanes(one.sky, one.weight, *one.noise)
    for k, module in enumerate((kernels, twins)):
        target = kernels.Target(values[k], pad, window, 0.5)
        module.spread_pixels(planes, (7, 3, 9), scratch, target)
        lines = scratch.cover, values[k].reshape(-1)
        place = np.array([2, 5 * values.shape[2], values.shape[2]], np.uintp)
        terms = (4.0, 2.0, 8.0, 4.0, 12.0)
        module.add_pixel(lines, tuple(place), pad, terms)
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
        places = interpolate_nodes(m.nodes, m.step, m.origin, *np.indices(m.shape))
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
    assert weight[ours.weight[both] > 1e-2].max() < 3e-4
    apart = (ours.context[0] != 0) != (theirs.out_ctx[0] != 0)
    assert np.all(theirs.out_wht[apart] < 1e-5)  # overlaps taken for rounding errors
