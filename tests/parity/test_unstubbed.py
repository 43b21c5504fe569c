"""`jwst` as it is installed, and rampline, on the CRDS cache that the simulator writes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from rampline.simulation.crds_cache import CONTEXT, crds_environment

pytestmark = [pytest.mark.parity, pytest.mark.slow]

PARITY = Path(__file__).resolve().parents[2] / "docs" / "parity.toml"
PEER = """
import sys
from jwst.pipeline import Detector1Pipeline, Image2Pipeline

raw, out = sys.argv[1:]
rate = Detector1Pipeline.call(raw, output_dir=out, save_results=True)
Image2Pipeline.call(
    rate, output_dir=out, save_results=True, steps={"resample": {"skip": True}}
)
"""


def _run(field, *words):
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("CRDS", "STPIPE"))
    }
    subprocess.run(
        [sys.executable, *map(str, words)],
        env=clean | crds_environment(field.crds_cache),
        check=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def images(field, tmp_path_factory):
    """The calibrated images of one exposure: ours and theirs."""
    raw = next(path for path in field.raw if "nrcblong" in path.name)
    ours, theirs = (tmp_path_factory.mktemp(name) for name in ("ours", "theirs"))
    options = ["--config", PARITY, "--set", "ramp_to_slope.ipc.enabled=true"]
    options += ["--references", "crds", "--until", "cal", "--engine", "serial"]
    reduce = ["-m", "rampline", "reduce", raw, "--out", ours, "--no-progress"]
    _run(field, *reduce, *options)
    _run(field, "-c", PEER, raw, theirs)
    name = raw.name.replace("_uncal", "_cal")
    return ours / "exposures" / name, theirs / name


def test_both_choose_the_same_reference_files(images):
    mine, peer = (fits.getheader(path) for path in images)
    assert mine["CRDS_CTX"] == peer["CRDS_CTX"] == CONTEXT
    chosen = {
        key: value
        for key, value in peer.items()
        if key.startswith("R_") and value != "N/A"
    }
    assert len(chosen) == 13
    assert {key: mine[key] for key in chosen} == chosen


def test_both_calibrate_to_the_same_image(images):
    with fits.open(images[0]) as mine, fits.open(images[1]) as peer:
        sigma = peer["ERR"].data
        for name in ("SCI", "ERR"):
            one, other = mine[name].data, peer[name].data
            near = np.isclose(one, other, rtol=1e-5, atol=0, equal_nan=True)
            # the ipc step works on raw counts, whose rounding is 1e-3 DN in float32
            near |= np.abs(one - other) < 3e-3 * sigma
            assert np.mean(~near) < 1e-4, name
