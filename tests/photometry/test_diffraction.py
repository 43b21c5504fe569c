import numpy as np
import pytest

from rampline.photometry.diffraction import (
    Cores,
    DiffractionParams,
    Stars,
    _echo,
    _local_maximum,
    _mark_features,
    _subtract_means,
    envelope,
    find_features,
    show_detail,
)

from ..twins import photometry as twin
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
    order = np.lexsort(peaks[::-1])
    places = tuple(place[order] for place in peaks)
    cores = Cores(rows[order], cols[order], radius[order])
    detail = show_detail(sky, LAMBDA_D, out=np.empty_like(sky))
    star = find_features(detail, places, cores, LAMBDA_D, params)
    # back in the order of the scene
    found = np.empty_like(star)
    found[order] = np.where(star >= 0, order[star], -1)
    return found


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


@pytest.mark.parametrize(("shape", "half"), [((30, 41), 3), ((5, 40), 6), ((1, 1), 2)])
def test_means_of_squares_agree_with_the_twin(rng, shape, half):
    image = rng.normal(5, 2, shape).astype(np.float32)
    found, slow = np.empty((2, *shape), np.float32)
    _subtract_means(image, half, found)
    twin.subtract_means(image, half, slow)
    np.testing.assert_allclose(found, slow, atol=1e-5)


def test_echoes_agree_with_the_twin(rng):
    image = rng.normal(0, 1, (90, 80)).astype(np.float32)
    for centre, step in rng.uniform(-60, 140, (40, 2, 2)):
        here, there = tuple(map(float, centre)), tuple(map(float, step))
        assert _echo(image, here, there) == twin.echo(image, here, there)
        row, col = np.rint(centre).astype(int)
        expected = twin.local_maximum(image, row, col, 4)
        assert _local_maximum(image, row, col, 4) == expected


def test_features_agree_with_the_twin(rng):
    image = rng.exponential(1, (120, 120)).astype(np.float32)
    rows, cols = np.divmod(np.sort(rng.choice(120 * 120, 80, replace=False)), 120)
    height = image[rows, cols].astype(float)
    core = np.where(rng.random(80) < 0.1, 300 * height, height)
    stars = Stars(rows + 0.3, cols - 0.2, rng.uniform(5, 60, 80), core, height)
    order = np.argsort(-core, kind="stable")
    found, slow = np.full((2, 80), -1)
    _mark_features(image, (rows, cols), stars, order, (2.0, 2.0), found)
    twin.mark_features(image, (rows, cols), stars, order, (2.0, 2.0), slow)
    np.testing.assert_array_equal(found, slow)
    assert (found >= 0).any()
