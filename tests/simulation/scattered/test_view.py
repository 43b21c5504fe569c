import numpy as np
import pytest

from rampline.simulation.geometry import attitude_from
from rampline.simulation.scattered.view import see_stars, smooth, whole, window
from tests.simulation.scattered.views import ATTITUDE, sources, stars, view


def test_stars_ten_degrees_off_are_placed_in_the_focal_plane():
    """Numbers of pysiaf's attitude matrices: NRCALL at RA 150.1, Dec 2.2, V3PA 20."""
    pointed = attitude_from((-0.3200, -492.5913), (150.1, 2.2), 20.0)
    seen = view(attitude=pointed)
    far = sources(0.0, 0.0, 3.0)
    far.ra_deg[:], far.dec_deg[:] = 152.42414, 12.39813
    star = see_stars(seen, far, np.ones(1), 1)
    assert star.v2[0] / 3600 == pytest.approx(-1.36, abs=0.01)
    assert star.v3[0] / 3600 == pytest.approx(10.23, abs=0.01)
    assert np.isnan(star.row[0])


def test_near_stars_have_a_place_in_the_whole_detectors_frame():
    seen = view("NRCB1", subarray="SUB160")
    full = seen.camera.full
    star = stars(seen, full.v2_ref_arcsec, full.v3_ref_arcsec, 15.0)
    assert star.row[0] == pytest.approx(full.y_ref - 1, abs=1e-3)
    assert star.col[0] == pytest.approx(full.x_ref - 1, abs=1e-3)


def test_columns_grow_against_v2_and_rows_with_v3():
    seen = view("NRCB4")
    star = stars(seen, [-50.0, -60.0], [-520.0, -510.0], [15.0, 15.0])
    assert star.col[1] > star.col[0]
    assert star.row[1] > star.row[0]


def test_vega_magnitudes_of_a_star_with_a_flat_spectrum():
    star = stars(view(), 0.0, 36000.0, 4.85, colour=0.0)
    assert star.vega_magnitude("K")[0] == pytest.approx(3.0, abs=0.01)
    assert star.vega_magnitude("J")[0] == pytest.approx(4.85 - 0.91, abs=0.01)


def test_a_window_is_cut_to_what_is_read_out():
    seen = view("NRCB1", subarray="SUB160")
    top, left = seen.start
    found = window(seen, (top - 10.0, top + 4.2), (left + 100.0, 3000.0))
    assert found.place == (slice(0, 6), slice(100, 160))
    assert found.row[0, 0] == top
    assert found.col[0, -1] == left + 159
    assert window(seen, (-20.0, -1.0), (0.0, 100.0)) is None


def test_smooth_functions_are_evaluated_at_the_pixels():
    seen = view("NRCB2", subarray="SUB320")

    def light(v2, v3):
        return np.sin(v2 / 3.0) + 0.1 * v3

    grid = np.meshgrid(np.arange(320.0), np.arange(320.0), indexing="ij")
    exact = light(*seen.camera.pixel_to_focal(*grid))
    assert smooth(seen, whole(seen), 8.0, light) == pytest.approx(exact, abs=1e-4)


def test_names_of_stars_are_their_places():
    first = stars(view(), [1.0, 5.0], [2.0, 6.0], [10.0, 11.0])
    again = stars(view("NRCA1"), [5.0], [6.0], [3.0])
    assert first.label(1) == again.label(0) != first.label(0)
    assert ATTITUDE.matrix.shape == (3, 3)
