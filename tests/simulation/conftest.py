"""Fixtures of the simulator's tests: PSFs are computed once, in a cache of their own."""

import os

import pytest

from rampline.simulation.instrument import DETECTORS, passband
from rampline.simulation.optics import point_spread


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
