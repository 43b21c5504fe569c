"""Fixtures of the simulator's tests: PSFs are computed once, in a cache of their own."""

import os

import pytest

from rampline.simulation.instrument import DETECTORS, passband
from rampline.simulation.optics import point_spread
from rampline.simulation.scene import (
    ActivityParams,
    FieldParams,
    GalaxyParams,
    SceneParams,
    StarParams,
    VisitParams,
)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    kept = os.environ.get("RAMPLINE_CACHE")
    os.environ["RAMPLINE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if kept is None:
        del os.environ["RAMPLINE_CACHE"]
    else:
        os.environ["RAMPLINE_CACHE"] = kept


@pytest.fixture(scope="session")
def narrow():
    """The PSF of a narrow filter: one wavelength, so it is made in a second."""
    return point_spread(passband("F187N"), DETECTORS["NRCB1"])


@pytest.fixture
def small_scene():
    """Two dithers of one detector in the smallest subarray, in narrow filters."""
    return SceneParams(
        field=FieldParams(
            half_width_arcsec=4.0,
            stars=StarParams(number=12, brightest=18.0, faintest=23.0),
            galaxies=GalaxyParams(number=4, brightest=19.0, faintest=22.0),
        ),
        visit=VisitParams(aperture="NRCB1_SUB160", points=2),
        activities=(
            ActivityParams(
                short="F187N", detectors=("NRCB1",), subarray="SUB160", groups=4
            ),
        ),
    )
