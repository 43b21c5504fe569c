import numpy as np
import pytest

from rampline.artifacts.claws import (
    BandMagnitudes,
    ClawParams,
    claw_rate,
    claw_transmission,
    expect_claws,
)

PEAK = {"A": (-1.355, 10.230, 38.2), "B": (1.435, 9.912, 27.4)}


def star(v2, v3, mag=3.0):
    return BandMagnitudes(
        ("it",), np.array([v2]), np.array([v3]), *[np.array([mag])] * 3
    )


@pytest.mark.parametrize("module", ["A", "B"])
def test_the_map_peaks_where_the_rogue_path_tool_has_it(module):
    v2, v3, height = PEAK[module]
    found = claw_transmission(module, np.array([v2]), np.array([v3]))[0]
    assert found == pytest.approx(height, rel=0.01)
    far = claw_transmission(module, np.array([0.0]), np.array([5.0]))[0]
    assert far < 1e-6


@pytest.mark.parametrize(
    ("filter_name", "a", "b"),
    [
        ("F115W", 2.2, 2.5),
        ("F150W", 5.0, 15.0),
        ("F200W", 8.2, 17.5),
        ("F210M", 2.6, 5.2),
    ],
)
def test_a_star_of_magnitude_three_gives_the_published_rates(filter_name, a, b):
    # DN per pixel in 1000 s
    for module, rate in (("A", a), ("B", b)):
        found = claw_rate(star(*PEAK[module][:2]), module, filter_name).total
        assert 1000.0 * found == pytest.approx(rate, rel=0.04)


def test_the_star_that_gives_most_is_named():
    v2, v3, _ = PEAK["B"]
    mags = np.array([3.0, 1.0])
    stars = BandMagnitudes(
        ("faint", "bright"), np.full(2, v2), np.full(2, v3), *[mags] * 3
    )
    found = claw_rate(stars, "B", "F200W")
    assert found.leading == "bright"
    assert found.share == pytest.approx(1 / (1 + 10 ** (-0.8)))


def test_only_detectors_on_the_path_and_strong_claws_are_listed():
    stars = star(*PEAK["B"][:2])
    assert expect_claws(stars, "NRCB4", "F200W", ClawParams())
    assert not expect_claws(stars, "NRCB3", "F200W", ClawParams())
    assert not expect_claws(stars, "NRCBLONG", "F444W", ClawParams())
    assert not expect_claws(stars, "NRCB4", "F200W", ClawParams(least_rate=0.02))


def test_unknown_magnitudes_give_no_light():
    assert claw_rate(star(*PEAK["B"][:2], np.nan), "B", "F200W").total == 0.0
