import numpy as np
import pytest

from rampline.simulation.scattered.wisps import WispParams, amplitudes, wisps
from tests.simulation.scattered.views import view

ON = WispParams(enabled=True)
STEADY = WispParams(enabled=True, scatter=0.0, shape=0.0)


@pytest.mark.parametrize("detector", ["NRCA1", "NRCA2", "NRCB1", "NRCB2"])
def test_four_detectors_have_none(detector):
    assert wisps(view(detector), ON) is None


def test_f070w_has_none():
    assert wisps(view("NRCB4", "F070W"), ON) is None


@pytest.mark.parametrize(
    ("detector", "rows", "cols"),
    [
        ("NRCA3", (1000, 2048), (50, 1400)),
        ("NRCA4", (0, 900), (200, 1450)),
        ("NRCB3", (0, 1000), (350, 1650)),
        ("NRCB4", (760, 2048), (400, 1800)),
    ],
)
def test_they_lie_where_they_were_mapped(detector, rows, cols):
    image = wisps(view(detector), STEADY)
    inside = np.zeros(image.shape, bool)
    inside[slice(*rows), slice(*cols)] = True
    assert image.min() >= 0
    assert image[inside].any()
    assert not image[~inside].any()


def test_b4_is_the_strongest_at_five_hundredths_of_a_mjy_sr():
    peaks = {
        name: wisps(view(name), STEADY).max()
        for name in ("NRCA3", "NRCA4", "NRCB3", "NRCB4")
    }
    assert sorted(peaks, key=peaks.get)[::-1] == ["NRCB4", "NRCA3", "NRCA4", "NRCB3"]
    assert peaks["NRCB4"] == pytest.approx(0.05, rel=0.15)


def test_they_cross_the_gap_between_two_detectors():
    upper = wisps(view("NRCB3"), STEADY)[5]
    lower = wisps(view("NRCB4"), STEADY)[2042]
    # Both rows ends of the 4 arcsec gap; columns grow alike, 20 pixels apart.
    middle = [np.average(np.arange(2048), weights=row) for row in (upper, lower)]
    assert abs(middle[0] - middle[1]) < 150
    assert upper.max() == pytest.approx(lower.max(), rel=0.5)


def test_strength_varies_from_exposure_to_exposure_and_not_the_place():
    first = wisps(view("NRCB4", key=1), STEADY.model_copy(update={"scatter": 0.2}))
    second = wisps(view("NRCB4", key=2), STEADY.model_copy(update={"scatter": 0.2}))
    bright = first > 0.005
    ratio = second[bright] / first[bright]
    assert np.ptp(ratio) < 1e-6
    assert abs(ratio.mean() - 1.0) > 0.01


def test_both_detectors_of_a_module_share_the_amplitudes():
    assert amplitudes(view("NRCB3"), ON) == amplitudes(view("NRCB4"), ON)
    assert amplitudes(view("NRCA3"), ON) != amplitudes(view("NRCB4"), ON)


def test_the_scatter_of_many_exposures_is_the_one_asked_for():
    strengths = [amplitudes(view("NRCB4", key=k), ON)[0] for k in range(400)]
    assert np.std(strengths) == pytest.approx(0.15, rel=4 / np.sqrt(800))


def test_shapes_change_from_filter_to_filter():
    blue, red = (wisps(view("NRCB4", band), STEADY) for band in ("F115W", "F200W"))
    assert np.corrcoef(blue.ravel(), red.ravel())[0, 1] < 0.999


def test_a_subarray_sees_its_part():
    whole = wisps(view("NRCB4"), ON)
    seen = view("NRCB4", subarray="SUB640")
    part = wisps(seen, ON)
    top, left = seen.start
    cut = whole[top : top + 640, left : left + 640]
    assert part is None or part == pytest.approx(cut, abs=2e-3 * whole.max())
