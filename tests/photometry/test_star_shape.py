import numpy as np
import pytest

from rampline.photometry.star_shape import find_neighbours, measure_star_shapes

from .scenes import FWHM_PX, gaussian_stars


def _shape(sky, row=20, col=20):
    return measure_star_shapes(sky, np.array([[row, col]], float), FWHM_PX)


def test_stars_are_round_and_moderately_sharp():
    found = _shape(gaussian_stars((41, 41), [20], [20], [100]))
    assert found.roundness[0] == pytest.approx(0, abs=1e-6)
    assert 0.2 < found.sharpness[0] < 1.0


def test_hot_pixels_are_sharper_than_stars_and_galaxies_blunter():
    hot = np.zeros((41, 41), np.float32)
    hot[20, 20] = 50
    star = gaussian_stars((41, 41), [20], [20], [100])
    galaxy = gaussian_stars((41, 41), [20], [20], [100], sigma=4.0)
    values = [_shape(sky).sharpness[0] for sky in (galaxy, star, hot)]
    assert values == sorted(values)


def test_streaks_are_not_round_and_turn_the_sign():
    streak = np.zeros((41, 41), np.float32)
    streak[20, 15:26] = 10
    along, across = _shape(streak).roundness[0], _shape(streak.T.copy()).roundness[0]
    assert abs(along) > 0.5
    assert along == pytest.approx(-across, rel=1e-5)


def test_the_nearest_neighbour_is_found():
    found = find_neighbours(np.array([[0.0, 0.0], [0.0, 3.0], [10.0, 0.0]]))
    np.testing.assert_array_equal(found.nearest, [1, 0, 0])
    np.testing.assert_allclose(found.distance_px, [3, 3, 10])


def test_a_lonely_source_has_no_neighbour():
    found = find_neighbours(np.array([[5.0, 5.0]]))
    assert found.nearest[0] == -1
    assert np.isnan(found.distance_px[0])
