import numpy as np
import pytest
from scipy.special import gammaincinv

from rampline.simulation import galaxies
from rampline.simulation.galaxies import Profiles, paint_galaxies, sersic_transform
from tests.simulation.test_optics import gaussian
from tests.twins import simulation as twins

WAVE = np.expm1(0.004 * np.arange(2048))


def _one(index=1.0, half_light=4.0, ratio=1.0, angle=0.0, position=(60.0, 60.0)):
    c, s = np.cos(angle), np.sin(angle)
    axes = half_light * np.array([[c, -s * ratio], [s, c * ratio]])
    return Profiles(
        positions=np.array([position]),
        rates=np.array([100.0]),
        index=np.array([index]),
        half_light_px=np.array([half_light]),
        shape=axes[None],
    )


def _painted(galaxy, shape=(121, 121)):
    image = np.zeros(shape)
    paint_galaxies(image, gaussian(), galaxy)
    return image


def test_the_transform_of_a_gaussian_is_a_gaussian():
    expected = np.exp(-(WAVE**2) / (4 * np.log(2)))
    assert np.abs(sersic_transform(0.5) - expected).max() < 1e-6


def test_the_transform_of_an_exponential_is_known():
    b = gammaincinv(2, 0.5)
    expected = (1 + (WAVE / b) ** 2) ** -1.5
    assert np.abs(sersic_transform(1.0) - expected).max() < 1e-6


@pytest.mark.parametrize("index", [0.3, 1.0, 2.5, 4.0, 6.0])
def test_the_transform_begins_at_one_and_falls(index):
    table = sersic_transform(index)
    assert table[0] == 1.0
    assert (np.diff(table[:300]) < 0).all()
    assert np.abs(table).max() == 1.0


@pytest.mark.parametrize("index", [0.5, 1.0])
def test_flux_and_place_are_kept(index):
    galaxy = _one(index=index, position=(60.3, 59.6))
    image = _painted(galaxy)
    rows, cols = np.indices(image.shape)
    assert np.isclose(image.sum(), 100.0, rtol=1e-4)
    assert np.isclose((rows * image).sum() / image.sum(), 60.3, atol=1e-3)
    assert np.isclose((cols * image).sum() / image.sum(), 59.6, atol=1e-3)


def test_half_of_the_light_lies_within_the_half_light_radius():
    image = _painted(_one(index=1.0, half_light=12.0))
    rows, cols = np.indices(image.shape)
    inside = np.hypot(rows - 60, cols - 60) < 12.0
    # The PSF carries a little of it out.
    assert 47.5 < image[inside].sum() < 50.0


def test_a_gaussian_galaxy_is_wider_by_the_psf_along_its_axes():
    galaxy = _one(index=0.5, half_light=6.0, ratio=0.5, angle=np.pi / 2)
    image = _painted(galaxy)
    rows, cols = np.indices(image.shape)
    # Half-light radius of a Gaussian is 1.1774 sigma; the major axis stands upright.
    sigma = 6.0 / np.sqrt(2 * np.log(2))
    var_row = ((rows - 60) ** 2 * image).sum() / image.sum()
    var_col = ((cols - 60) ** 2 * image).sum() / image.sum()
    assert np.isclose(var_row, sigma**2 + 1.5**2, rtol=0.01)
    assert np.isclose(var_col, (sigma / 2) ** 2 + 1.5**2, rtol=0.01)


def test_a_cusp_is_sampled_without_loss():
    """Whatever the sub-pixel place of a steep galaxy, its light is all there."""
    totals = [
        _painted(_one(index=4.0, half_light=1.0, position=(60 + d, 60 - d))).sum()
        for d in (0.0, 0.13, 0.37, 0.5)
    ]
    # A little of its wide wings lies outside of the picture.
    assert np.ptp(totals) < 0.01
    assert 97.0 < totals[0] < 100.01


def test_a_galaxy_at_the_border_is_cut_not_wrapped():
    image = _painted(_one(position=(0.0, 60.0)))
    assert np.isclose(image.sum(), 50.0 + image[0].sum() / 2, rtol=1e-3)
    assert image[-1].max() < 1e-3 * image[0].max()


def test_the_kernel_is_its_twin(rng):
    optics = rng.random((21, 11)) + 1j * rng.random((21, 11))
    table = sersic_transform(1.3)
    shape = np.array([[3.0, 0.4], [-1.0, 2.0]])
    fast = np.zeros((16, 16), complex)
    slow = np.zeros((16, 16), complex)
    galaxies._fold(optics, table, shape, (3.3, 4.9), fast)
    twins.fold(optics, table, shape, (3.3, 4.9), slow)
    assert np.allclose(fast, slow)
