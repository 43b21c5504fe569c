import numpy as np
import pytest

from rampline.simulation import paint
from rampline.simulation.paint import paint_stars
from tests.simulation.test_optics import gaussian
from tests.twins import simulation as twins


def _painted(position, rate=1000.0, shape=(61, 61), faintest=1e-9):
    image = np.zeros(shape)
    paint_stars(image, gaussian(), np.array([position]), np.array([rate]), faintest)
    return image


@pytest.mark.parametrize("position", [(30.0, 30.0), (30.3, 29.7), (30.5, 30.49)])
def test_a_star_has_its_flux_and_its_place(position):
    image = _painted(position)
    rows, cols = np.indices(image.shape)
    assert np.isclose(image.sum(), 1000.0, rtol=1e-5)
    assert np.isclose((rows * image).sum() / image.sum(), position[0], atol=1e-4)
    assert np.isclose((cols * image).sum() / image.sum(), position[1], atol=1e-4)


def test_a_pixel_gets_the_psf_at_its_distance():
    image = _painted((30.25, 30.6))
    expected = 1000 * np.exp(-0.5 * (0.25**2 + 0.4**2) / 1.5**2) / (2 * np.pi * 1.5**2)
    assert np.isclose(image[30, 31], expected, rtol=1e-5)


def test_stars_add_up_and_double():
    both = np.zeros((61, 61))
    places = np.array([[20.2, 20.1], [40.0, 41.7]])
    paint_stars(both, gaussian(), places, np.array([5.0, 10.0]), 1e-9)
    one = _painted(places[0], 5.0) + 2 * _painted(places[1], 5.0)
    assert np.allclose(both, one)


def test_faint_stars_get_small_stamps():
    image = _painted((30.0, 30.0), rate=1.0, faintest=1e-2)
    assert image[30, 30 + 12] >= 0
    assert (image[:, :10] == 0).all()


def test_what_is_cut_off_is_fainter_than_asked_for():
    whole, cut = _painted((30.0, 30.0)), _painted((30.0, 30.0), faintest=1e-3)
    assert np.abs(whole - cut).max() < 1e-3


def test_a_star_outside_shines_in():
    image = _painted((-1.0, 30.0))
    assert image[0, 30] > 0
    assert np.isfinite(image).all()
    assert _painted((-200.0, 30.0)).sum() == 0


def test_positions_that_are_not_known_are_left_out():
    assert _painted((np.nan, 30.0)).sum() == 0


def test_the_kernel_is_its_twin(rng):
    knots = rng.random((161, 161))
    for star in [(30.3, 29.7, 2.0), (-2.2, 15.5, 1.0), (59.9, 60.2, 3.0)]:
        fast, slow = np.zeros((61, 61)), np.zeros((61, 61))
        paint._add_star(fast, knots, 4, star, 12)
        twins.add_star(slow, knots, 4, star, 12)
        assert np.allclose(fast, slow)


@pytest.mark.parametrize("t", [0.0, 0.25, 0.999])
def test_spline_weights_are_their_twin(t):
    fast, slow = np.zeros(4), np.zeros(4)
    paint._spline_weights(t, fast)
    twins.spline_weights(t, slow)
    assert np.allclose(fast, slow)
    assert np.isclose(fast.sum(), 1.0)
