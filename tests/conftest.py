"""Fixtures of all tests.

``RAMPLINE_REQUIRE=shared,parity`` turns the skips for absent data or peers into failures.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

REQUIRED = set(filter(None, os.environ.get("RAMPLINE_REQUIRE", "").split(",")))
SHARED = Path(
    os.environ.get(
        "RAMPLINE_SHARED", Path(__file__).resolve().parents[2] / "shared" / "data"
    )
)


def _absent(kind: str, what: str) -> None:
    if kind in REQUIRED:
        pytest.fail(f"{what} is absent and RAMPLINE_REQUIRE asks for it")
    pytest.skip(f"{what} is absent")


@pytest.fixture
def rng():
    return np.random.default_rng(20221107)


@pytest.fixture(scope="session")
def shared():
    """The developers' shared test data; never copied into the project."""
    if not SHARED.is_dir():
        _absent("shared", "the shared test data")
    return SHARED


@pytest.fixture(autouse=True)
def _peer_or_skip(request):
    if request.node.get_closest_marker("parity"):
        for name in ("jwst", "stcal"):
            if importlib.util.find_spec(name) is None:
                _absent("parity", name)
