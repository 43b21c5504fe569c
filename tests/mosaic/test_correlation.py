import numpy as np
import pytest

from rampline.mosaic.correlation import noise_autocorrelation


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
