import numpy as np
import pytest

from rampline.simulation.scattered.claws import (
    ClawParams,
    claw_rates,
    claws,
    intensity,
)
from tests.simulation.scattered.views import stars, view

ON = ClawParams(enabled=True)
PLACE_A, PLACE_B = (-1.355 * 3600, 10.230 * 3600), (1.435 * 3600, 9.912 * 3600)


def _star(seen, place, k_mag=3.0):
    """A star with the same Vega magnitude in J, H and K, about."""
    return stars(seen, *place, k_mag + 1.85, colour=0.0)


@pytest.mark.parametrize(
    ("module", "place", "peak"), [("A", PLACE_A, 38.2), ("B", PLACE_B, 27.4)]
)
def test_the_intensity_peaks_where_the_map_does(module, place, peak):
    v2, v3 = (np.array([x / 3600]) for x in place)
    assert intensity(module, v2, v3)[0] == pytest.approx(peak, abs=1.1)


def test_each_module_is_fed_from_the_other_side():
    v2, v3 = np.array([-2.0, 2.2]), np.array([10.2, 10.0])
    assert (intensity("A", v2, v3) > 0).tolist() == [True, False]
    assert (intensity("B", v2, v3) > 0).tolist() == [False, True]


def test_nothing_comes_from_outside_the_polygons():
    v2, v3 = np.meshgrid(np.linspace(-4, 4, 81), np.linspace(5, 9.2, 40))
    assert not intensity("A", v2, v3).any()
    assert intensity("B", v2, v3).sum() < 60


@pytest.mark.parametrize(
    ("module", "band", "dn_ks"),
    [
        ("NRCA1", "F200W", 8.2),
        ("NRCB1", "F200W", 17.5),
        ("NRCA1", "F210M", 2.6),
        ("NRCB1", "F210M", 5.2),
    ],
)
def test_a_star_of_k_3_gives_the_published_rate(module, band, dn_ks):
    seen = view(module, band)
    star = _star(seen, PLACE_A if module == "NRCA1" else PLACE_B)
    assert 1000 * claw_rates(seen, star)[0] == pytest.approx(dn_ks, rel=0.08)


@pytest.mark.parametrize("detector", ["NRCA2", "NRCA4", "NRCB3", "NRCBLONG"])
def test_other_detectors_have_none(detector):
    seen = view(detector, "F356W" if detector == "NRCBLONG" else "F200W")
    assert claws(seen, ON, _star(seen, PLACE_B)) == (None, [])


def test_claws_cover_a_few_hundredths_of_the_detector():
    for detector, place in [
        ("NRCA1", PLACE_A),
        ("NRCA3", PLACE_A),
        ("NRCB1", PLACE_B),
        ("NRCB2", PLACE_B),
        ("NRCB4", PLACE_B),
    ]:
        seen = view(detector)
        image, causes = claws(
            seen, ON, _star(seen, PLACE_B if "B" in detector else place)
        )
        share = (image > 0.1 * image.max()).mean()
        assert 0.005 < share < 0.08, detector
        assert causes[0].kind == "CLAWS"
        assert causes[0].rate == pytest.approx(image.sum())


def test_arcs_hardly_move_when_the_star_does():
    """Twelve arcsec of dither are 390 pixels; the arcs drift by at most 2 % of that."""
    seen = view("NRCB1")
    first, _ = claws(seen, ON, _star(seen, PLACE_B))
    moved, _ = claws(seen, ON, _star(seen, (PLACE_B[0] + 12.0, PLACE_B[1])))
    shifts = range(-12, 13)
    likeness = [np.vdot(np.roll(first, s, axis=1), moved) for s in shifts]
    assert abs(shifts[int(np.argmax(likeness))]) <= 8
    assert np.corrcoef(first.ravel(), moved.ravel())[0, 1] > 0.6


def test_brightness_is_that_of_the_star():
    seen = view("NRCB1")
    faint, _ = claws(seen, ON, _star(seen, PLACE_B, 3.0))
    bright, _ = claws(seen, ON, _star(seen, PLACE_B, 0.5))
    assert bright.sum() / faint.sum() == pytest.approx(10.0)
    half, _ = claws(seen, ClawParams(strength=0.5), _star(seen, PLACE_B, 3.0))
    assert half.sum() / faint.sum() == pytest.approx(0.5)
