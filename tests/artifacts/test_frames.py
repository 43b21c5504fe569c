import numpy as np
import pytest

from rampline.artifacts.frames import (
    SIDE,
    is_long,
    pixel_arcsec,
    pixel_to_telescope,
    telescope_to_pixel,
)

DETECTORS = [f"NRC{m}{n}" for m in "AB" for n in ("1", "2", "3", "4", "LONG")]


def test_the_corners_are_those_of_the_siaf():
    # facts: NRCB4_FULL and NRCA5_FULL, sci (1,1), (2048,1), (2048,2048), (1,2048)
    b4 = [(-21.92, -557.93), (-86.36, -557.86), (-86.30, -493.68), (-22.75, -493.41)]
    a5 = [(151.21, -557.98), (20.74, -558.80), (22.14, -428.78), (149.53, -428.92)]
    last = SIDE - 1
    for detector, corners, bound in (("NRCB4", b4, 0.02), ("NRCALONG", a5, 0.15)):
        found = pixel_to_telescope(detector, [0, last, last, 0], [0, 0, last, last])
        assert np.abs(np.column_stack(found) - corners).max() < bound


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_place_comes_back_also_beyond_the_edges(rng, detector):
    x, y = rng.uniform(-480, SIDE + 480, (2, 500))
    back = telescope_to_pixel(detector, *pixel_to_telescope(detector, x, y))
    assert np.abs(back.x - x).max() < 1e-6
    assert np.abs(back.y - y).max() < 1e-6


@pytest.mark.parametrize("detector", DETECTORS)
def test_x_runs_against_v2_and_y_along_v3(detector):
    v2, v3 = pixel_to_telescope(detector, [0, SIDE, 0], [0, 0, SIDE])
    assert v2[1] < v2[0]
    assert v3[2] > v3[0]
    width = 0.063 if is_long(detector) else 0.031
    assert pixel_arcsec(detector) == pytest.approx(width, abs=0.0005)


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_frames_are_those_of_pysiaf(detector):
    from rampline.simulation.siaf import load_apertures

    name = detector.replace("LONG", "5") + "_FULL"
    aperture = load_apertures()[name]
    x, y = np.meshgrid(np.linspace(0, SIDE - 1, 9), np.linspace(0, SIDE - 1, 9))
    v2, v3 = aperture.sci_to_tel(x + 1.0, y + 1.0)
    found = pixel_to_telescope(detector, x, y)
    bound = 0.14 if is_long(detector) else 0.02
    assert np.abs(found.v2 - v2).max() < bound
    assert np.abs(found.v3 - v3).max() < bound
