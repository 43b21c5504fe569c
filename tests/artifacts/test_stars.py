import numpy as np
import pytest

from rampline.artifacts.bright_stars import LIMIT_K, brightest_stars
from rampline.artifacts.stars import (
    StarTable,
    ab_magnitude,
    filter_wavelength_um,
    join_stars,
)


def one(j, h, k):
    place = np.array([10.0])
    return StarTable(("it",), place, place, *(np.array([m]) for m in (j, h, k)))


def test_the_band_magnitudes_come_back_at_their_wavelengths():
    star = one(10.0, 9.5, 9.2)
    assert ab_magnitude(star, 1.662)[0] == pytest.approx(9.5 + 1.39)
    assert ab_magnitude(star, 2.159)[0] == pytest.approx(9.2 + 1.85)
    assert ab_magnitude(star, 0.7)[0] == pytest.approx(10.0 + 0.91)


def test_a_hot_star_stays_at_the_same_vega_magnitude_at_long_wavelengths():
    # AB minus Vega of F444W is 3.24
    assert ab_magnitude(one(9, 9, 9), 4.4)[0] == pytest.approx(9 + 3.24, abs=0.25)


def test_missing_bands_are_taken_from_k():
    assert ab_magnitude(one(np.nan, np.nan, 9.0), 1.5)[0] == pytest.approx(9 + 1.85)


def test_the_filters_name_is_its_wavelength():
    assert filter_wavelength_um("F322W2") == 3.22
    assert filter_wavelength_um("F090W") == 0.9


def test_the_table_of_the_brightest_stars_is_sound():
    stars = brightest_stars()
    assert len(stars.name) == len(set(zip(stars.ra_deg, stars.dec_deg, strict=True)))
    assert (np.abs(stars.dec_deg) < 90).all()
    assert (stars.k_mag < LIMIT_K).all()
    # facts: 67 stars of the sky are brighter than K = -1 in 2MASS
    assert (stars.k_mag <= -1.0).sum() == pytest.approx(67, abs=2)


def test_stars_can_be_chosen_and_joined():
    both = join_stars([one(1, 1, 1), one(5, 5, 5)])
    assert both.take(np.array([0])).k_mag.tolist() == [1.0]
    assert both.name == ("it", "it")
