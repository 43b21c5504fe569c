import numpy as np

from rampline.simulation.snowballs import SnowballParams, charge_profile, snowballs
from rampline.simulation.streams import stream
from tests.simulation.test_photons import readout


def _many(rate_s=2.0, seed=1):
    how = readout("MEDIUM8", groups=9, rows=1024, cols=1024, frame_s=10.0)
    return snowballs(how, SnowballParams(rate_s=rate_s), stream(seed, "snowballs"))


def test_none_come_where_there_are_none():
    assert _many(rate_s=0.0).row.size == 0


def test_their_number_is_rate_times_time_times_the_share_of_the_detector():
    found = np.unique(_many().group).size
    expected = 2.0 / 4 * 88 * 10
    assert abs(found - expected) < 5 * np.sqrt(expected)


def test_the_charge_falls_from_a_full_core_to_the_edge():
    radius = 20.0
    distance = np.array([0.0, 7.0, 13.5, 20.0, 32.0, 70.0])
    charge = charge_profile(distance, radius)
    assert charge[0] == charge[1] == 2.0e5
    assert np.isclose(charge[3], 60.0)
    assert np.isclose(charge[2], np.sqrt(2.0e5 * 60.0))
    assert np.isclose(charge[4], 60.0 * np.exp(-1))
    assert charge[5] == 0.0


def test_small_ones_have_no_full_core():
    assert charge_profile(np.array([0.0]), 4.0)[0] < 1.05e5


def test_large_ones_are_rare_as_the_cube():
    """Radii fall as the inverse cube: of those above 6 px a quarter is above 12."""
    found = _many(rate_s=5.0)
    area = np.bincount(found.group, found.electrons > 60)[1:]
    radius = np.sqrt(area / np.pi)
    ratio = (radius > 12).sum() / (radius > 6).sum()
    assert 0.18 < ratio < 0.32


def test_a_snowball_is_one_round_patch_in_one_read():
    found = _many(rate_s=0.05)
    for number in np.unique(found.group):
        mine = found.group == number
        assert np.unique(found.frame[mine]).size == 1
        place = np.stack([found.row[mine], found.col[mine]])
        assert np.ptp(place, axis=1).max() < 320
