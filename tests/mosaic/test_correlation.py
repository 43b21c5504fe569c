import numpy as np
import pytest

from rampline.mosaic.correlation import (
    correlated_noise_factor,
    noise_autocorrelation,
)
from rampline.mosaic.drizzle import add_exposure, finish_sums, start_sums
from rampline.mosaic.window import Window

from .scenery import exposure, turned_map


def test_on_its_own_grid_a_random_phase_shares_a_pixel_with_its_neighbour():
    # two triangles: overlap 2/3 at distance 0, 1/6 at distance 1
    np.testing.assert_allclose(noise_autocorrelation(1.0, 1.0)[1], [0.25, 1.0, 0.25])


def test_points_are_not_correlated():
    np.testing.assert_allclose(noise_autocorrelation(1e-4, 1.0).sum(), 1.0, rtol=1e-3)


@pytest.mark.parametrize(("pixfrac", "scale"), [(1.0, 0.5), (1.0, 0.3), (0.8, 1.0)])
def test_a_large_area_has_the_factor_of_casertano(pixfrac, scale):
    drop = pixfrac / scale
    expected = drop / (1 - 1 / (3 * drop)) if drop >= 1 else 1 / (1 - drop / 3)
    total = noise_autocorrelation(pixfrac, scale).sum()
    np.testing.assert_allclose(np.sqrt(total), expected, rtol=1e-12)


def test_it_equals_a_simulation_of_shared_noise(rng):
    drop, fine, n_pixels = 2, 8, 4096
    shared = []
    for _ in range(300):
        phase = rng.integers(0, fine * drop)
        noise = np.repeat(rng.normal(size=n_pixels // drop + 2), fine * drop)
        cut = (
            noise[phase : phase + n_pixels * fine].reshape(n_pixels, fine).mean(axis=1)
        )
        shared.append([np.mean(cut[k:] * cut[: n_pixels - k]) for k in range(3)])
    measured = np.mean(shared, axis=0)
    line = noise_autocorrelation(1.0, 0.5)[2, 2:]
    np.testing.assert_allclose(measured / measured[0], line, atol=0.01)


def test_a_size_of_zero_is_refused():
    with pytest.raises(ValueError, match="positive"):
        noise_autocorrelation(1.0, 0.0)


def test_the_factor_is_as_published():
    # Fruchter & Hook (2002) quote 1.662 for a drop of 0.6 on pixels of 0.5
    assert correlated_noise_factor(0.6, 0.5) == pytest.approx(1.662, abs=1e-3)
    assert correlated_noise_factor(1.0, 1.0) == pytest.approx(1.5)


def test_small_drops_are_hardly_correlated():
    assert correlated_noise_factor(0.01, 1.0) == pytest.approx(1 / (1 - 0.01 / 3))


def test_both_forms_meet_where_drop_and_pixel_are_equal():
    below, above = correlated_noise_factor(0.999999, 1), correlated_noise_factor(1, 1)
    assert below == pytest.approx(above, rel=1e-5)


def test_blocks_of_drizzled_noise_scatter_as_predicted(rng):
    blocks, errors = [], []
    for _ in range(12):
        window = Window(0, 130, 0, 130)
        sums = start_sums(window, 4, 16)
        for number in range(16):
            shift = rng.uniform(-0.5, 0.5, 2)
            pixel_map = turned_map((130, 130), 0.0, 1.0, (130, 130), shift)
            one = exposure(rng.normal(size=(130, 130)), pixel_map, 1.0)
            for plane in one.noise:
                plane[:] = 1 / 3
            add_exposure(sums, one, number, 1.0)
        planes = finish_sums(sums)
        inner = planes.sky[3:127, 3:127].reshape(4, 31, 4, 31).mean(axis=(1, 3))
        blocks.append(inner.ravel())
        errors.append(planes.err[3:127, 3:127].mean() / 31)
    measured = np.std(blocks) / np.mean(errors)
    assert measured == pytest.approx(correlated_noise_factor(1.0, 1.0), rel=0.12)
