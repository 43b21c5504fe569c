import numpy as np
import pytest

from rampline.simulation.scattered.breath import (
    Breath1Params,
    Breath2Params,
    breath_1,
    breath_2,
    edge_weight,
    knife_weight,
)
from tests.simulation.scattered.views import stars, view

FIRST, SECOND = Breath1Params(enabled=True), Breath2Params(enabled=True)
RATE = 1.0e6


def _beside_lower_edge(seen, arcsec, col=1023.5):
    """A star so far below the detector's first row."""
    row = -0.5 - arcsec / seen.camera.full.y_scale_arcsec
    v2, v3 = seen.camera.pixel_to_focal(np.array(row), np.array(col))
    return stars(seen, v2, v3, 13.0, RATE)


@pytest.mark.parametrize(
    ("arcsec", "low", "high"),
    [(1.9, 0.98, 1.0), (1.2, 0.5, 0.7), (-1.0, 0.0, 0.0), (6.0, 0.0, 0.0)],
)
def test_the_mask_is_lit_best_from_two_arcsec_outside(arcsec, low, high):
    seen = view("NRCBLONG", "F356W")
    weight = edge_weight(seen, _beside_lower_edge(seen, arcsec))[0]
    assert low <= weight <= high


@pytest.mark.parametrize(
    ("detector", "band", "share", "depth"),
    [("NRCBLONG", "F356W", 0.015, 250), ("NRCB2", "F200W", 0.004, 500)],
)
def test_the_plume_has_its_share_of_the_light_and_its_depth(
    detector, band, share, depth
):
    seen = view(detector, band)
    image, causes = breath_1(seen, FIRST, _beside_lower_edge(seen, 1.9))
    assert image.sum() == pytest.approx(share * RATE, rel=0.05)
    assert causes[0].rate == pytest.approx(image.sum())
    assert image[depth:].sum() < 0.01 * image.sum()
    assert np.argmax(image.sum(axis=1)) < 50
    # It enters beside the star.
    col = np.average(np.arange(2048), weights=image.sum(axis=0))
    assert col == pytest.approx(1023.5, abs=depth / 3)


def test_a_star_in_the_gap_breathes_into_both_neighbours():
    for detector in ("NRCB1", "NRCB3"):
        seen = view(detector)
        star = stars(seen, -88.6, -455.0, 12.0, RATE)
        assert edge_weight(seen, star)[0] > 0.5


def test_faint_stars_are_left_out():
    seen = view("NRCBLONG", "F356W")
    star = _beside_lower_edge(seen, 1.9)
    faint = stars(seen, star.v2, star.v3, 25.0, rate=1e-3)
    assert breath_1(seen, FIRST, faint) == (None, [])


def test_a_subarray_has_its_part_of_the_plume():
    seen, part = view("NRCB1"), view("NRCB1", subarray="SUB640")
    top, left = part.start
    v2, v3 = seen.camera.pixel_to_focal(
        np.array(2047.5 + 1.9 / 0.0308), np.array(left + 100.0)
    )
    whole, _ = breath_1(seen, FIRST, stars(seen, v2, v3, 13.0, RATE))
    cut, _ = breath_1(part, FIRST, stars(part, v2, v3, 13.0, RATE))
    expected = whole[top : top + 640, left : left + 640]
    got = np.zeros_like(expected) if cut is None else cut
    assert got == pytest.approx(expected, abs=1e-9 * RATE)


def _strips(v2, v3, detectors):
    found = {}
    for name in detectors:
        seen = view(name)
        image, _ = breath_2(seen, SECOND, stars(seen, v2, v3, 12.0, RATE))
        found[name] = np.zeros(seen.shape) if image is None else image
    return found


@pytest.fixture(scope="module")
def strip_b():
    return _strips(-166.0, -455.0, ("NRCB1", "NRCB3", "NRCB2", "NRCB4"))


def test_the_strip_has_two_hundredths_of_the_light(strip_b):
    total = strip_b["NRCB1"].sum() + strip_b["NRCB3"].sum()
    # Less the shadow, and a streak of its own.
    assert 0.015 * RATE < total < 0.024 * RATE
    assert strip_b["NRCB3"].sum() > strip_b["NRCB1"].sum()
    assert not strip_b["NRCB2"].any()
    assert not strip_b["NRCB4"].any()


def test_the_strip_is_turned_by_three_degrees(strip_b):
    light = strip_b["NRCB3"]
    cols = [c for c in range(1000, 2040) if light[:, c].max() > 0.2 * light.max()]
    rows = [np.average(np.arange(2048), weights=light[:, c]) for c in cols]
    slope = np.polyfit(cols, rows, 1)[0]
    # Columns grow against V2; the strip rises inward, towards +V2; the detector is
    # turned by half a degree itself.
    assert np.degrees(np.arctan(-slope)) == pytest.approx(3.0, abs=0.6)


def test_the_shadow_of_the_mask_cuts_the_glint(strip_b):
    along = strip_b["NRCB3"].sum(axis=0)
    shadow = along[1800:1870].min()
    assert shadow < 0.02 * along.max()
    assert along[2000] > 0.3 * along.max()


def test_module_a_is_lit_from_the_other_side():
    strips = _strips(163.0, -455.0, ("NRCA2", "NRCA4"))
    assert strips["NRCA4"].sum() > strips["NRCA2"].sum() > 0
    # Its outer end is at low columns, the star beyond it.
    assert strips["NRCA4"][:, :700].sum() > strips["NRCA4"][:, 1400:].sum()


@pytest.mark.parametrize(("beyond", "lit"), [(12.0, True), (5.0, False), (20.0, False)])
def test_only_stars_about_twelve_arcsec_beyond_count(beyond, lit):
    star = stars(view("NRCB1"), -154.0 - beyond, -455.0, 12.0)
    assert (knife_weight("NRCB1", star)[0] > 0.5) == lit


def test_long_wavelengths_have_no_type_two():
    seen = view("NRCBLONG", "F356W")
    assert breath_2(seen, SECOND, stars(seen, -166.0, -455.0, 10.0)) == (None, [])
