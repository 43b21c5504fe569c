import numpy as np
import pytest

from rampline.artifacts.shells import ShellParams, find_shells

SHAPE = (768, 768)
NOISE = 0.03


def ring(row, col, radius, bright):
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(y - row, x - col)
    return bright * np.exp(-0.5 * ((distance - radius) / 14.0) ** 2)


def spectra(rng, n=25):
    """With wings that fall with the second power of the distance."""
    image = np.zeros(SHAPE)
    col = np.arange(SHAPE[1])
    for _ in range(n):
        first = rng.integers(-400, 700)
        away = col - rng.uniform(0, SHAPE[1])
        profile = np.exp(-0.5 * away**2 / 1.5) + 0.02 / (1.0 + (away / 3.0) ** 2)
        image[max(0, first) : first + 800] += 10 ** rng.uniform(-2, 0.5) * profile
    return image


def search(image, rng):
    noisy = (image + rng.normal(0.0, NOISE, SHAPE)).astype(np.float32)
    return find_shells(noisy, np.zeros(SHAPE, np.bool_), 0, ShellParams())


@pytest.mark.parametrize("n_spectra", [0, 25])
def test_a_ring_fainter_than_the_noise_of_a_pixel_is_found(rng, n_spectra):
    light = ring(400.0, 380.0, 100.0, 0.02)
    found = search(light + spectra(rng, n_spectra), rng)
    assert found[light > 0.015].mean() > (0.95 if n_spectra == 0 else 0.6)
    assert found[light < 0.001].mean() < 0.01


def test_spectra_are_no_shells(rng):
    assert search(spectra(rng), rng).mean() < 1e-3


def test_noise_is_no_shell(rng):
    assert not search(np.zeros(SHAPE), rng).any()


def test_dispersion_along_rows_is_the_same_turned(rng):
    image = (spectra(rng) + ring(300.0, 400.0, 90.0, 0.05)).astype(np.float32)
    image += rng.normal(0.0, NOISE, SHAPE).astype(np.float32)
    ghost = np.zeros(SHAPE, np.bool_)
    ghost[100:150, 200:210] = True
    upright = find_shells(image, ghost, 0, ShellParams())
    turned = find_shells(image.T, ghost.T, 1, ShellParams())
    assert upright.any()
    assert np.array_equal(upright, turned.T)


def test_an_image_without_a_known_pixel_has_none():
    nothing = np.full(SHAPE, np.nan, np.float32)
    ghost = np.zeros(SHAPE, np.bool_)
    assert not find_shells(nothing, ghost, 0, ShellParams()).any()
