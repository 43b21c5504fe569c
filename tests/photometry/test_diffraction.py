import numpy as np
import pytest

from rampline.photometry.diffraction import (
    Cores,
    DiffractionParams,
    envelope,
    find_features,
)

from .scenes import gaussian_stars

LAMBDA_D = 2.0
SIZE = 241
MIDDLE = 120
DEFAULT = DiffractionParams()


def _scene(specks, star=1e5, angle0=20.0):
    """A star and specks of (radius, angle number of 60 degrees, flux)."""
    rows, cols, fluxes = [MIDDLE], [MIDDLE], [star]
    for radius, turn, flux in specks:
        angle = np.radians(angle0 + 60 * turn)
        rows.append(MIDDLE + radius * np.sin(angle))
        cols.append(MIDDLE + radius * np.cos(angle))
        fluxes.append(flux)
    sky = gaussian_stars((SIZE, SIZE), rows, cols, fluxes, sigma=1.2)
    return sky, (np.rint(rows).astype(int), np.rint(cols).astype(int))


def _find(sky, peaks, holes=None, params=DEFAULT):
    rows, cols = (place.astype(float) for place in peaks)
    radius = np.zeros(len(rows)) if holes is None else holes
    return find_features(sky, peaks, Cores(rows, cols, radius), LAMBDA_D, params)


def test_a_speck_on_all_six_sides_is_the_stars():
    sky, peaks = _scene([(30, turn, 50.0) for turn in range(6)])
    np.testing.assert_array_equal(_find(sky, peaks), [-1, 0, 0, 0, 0, 0, 0])


def test_a_spike_of_two_sides_is_the_stars():
    sky, peaks = _scene([(30, 0, 50.0), (30, 3, 60.0)])
    np.testing.assert_array_equal(_find(sky, peaks), [-1, 0, 0])


def test_a_neighbour_on_one_side_is_a_source():
    sky, peaks = _scene([(30, 0, 50.0)])
    np.testing.assert_array_equal(_find(sky, peaks), [-1, -1])


def test_a_neighbour_brighter_than_its_echo_is_a_source():
    sky, peaks = _scene([(30, 0, 150.0), *((30, turn, 50.0) for turn in range(1, 6))])
    found = _find(sky, peaks)
    assert found[1] == -1
    assert (found[2:] == 0).all()


def test_two_bright_stars_opposite_each_other_are_too_bright_to_be_features():
    sky, peaks = _scene([(30, 0, 3000.0), (30, 3, 3000.0)])
    np.testing.assert_array_equal(_find(sky, peaks), [-1, -1, -1])


def test_a_saturated_star_owns_what_its_hole_hides():
    specks = [(30, turn, 60.0) for turn in range(6)]
    sky, peaks = _scene(specks, star=2000.0)
    assert (_find(sky, peaks) == -1).all()
    holes = np.array([6.0, *np.zeros(6)])
    assert (_find(sky, peaks, holes)[1:] == 0).all()


def test_it_can_be_left_out():
    sky, peaks = _scene([(30, turn, 50.0) for turn in range(6)])
    assert (_find(sky, peaks, params=DiffractionParams(enabled=False)) == -1).all()


def test_the_envelope_falls_and_bounds_a_diffraction_image():
    n = np.geomspace(0.3, 300, 200)
    bound = envelope(n)
    assert bound.max() <= 1.0
    assert (np.diff(bound) <= 0).all()
    # the mean of an Airy image's wings, Born & Wolf 8.5.2
    assert (bound > 8 / (np.pi**4 * np.maximum(n, 0.7) ** 3)).all()
    assert envelope(np.array([10.0]))[0] == pytest.approx(3.2e-3, rel=0.05)
