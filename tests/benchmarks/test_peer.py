import json
import sys

import pytest

from benchmarks import peer
from benchmarks.peer import PeerOptions, psf_fwhm_px, stage_steps
from tests.reference.exposures import make_header

# everything on, so that each option shows
ALL = PeerOptions(
    snowballs=True,
    likelihood=True,
    clean_flicker_noise="median",
    one_group=True,
    ipc=True,
    resample_each=False,
    abs_refcat="gaia.ecsv",
    pixmap_stepsize=10.0,
    overrides={"resample": {"pixfrac": 0.8}},
)


@pytest.mark.parity
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_every_parameter_is_one_that_jwst_has(stage):
    from jwst import pipeline

    name = ("Detector1Pipeline", "Image2Pipeline", "Image3Pipeline")[stage - 1]
    known = getattr(pipeline, name).step_defs
    # what any step has, beyond its own specification
    common = {"skip"}
    overrides = ALL.overrides if stage == 3 else {}
    options = PeerOptions(**(vars(ALL) | {"overrides": overrides}))
    steps = stage_steps(stage, options, make_header())
    assert steps
    for step, parameters in steps.items():
        words = set(known[step].spec.split()) | common
        parents = known[step].__mro__
        for parent in parents:
            words |= set(getattr(parent, "spec", "").split())
        assert set(parameters) <= words, step


@pytest.mark.parametrize(
    ("filter_name", "channel", "measured"),
    [("F090W", "SHORT", 1.10), ("F200W", "SHORT", 2.14), ("F444W", "LONG", 2.30)],
)
def test_a_star_is_as_wide_as_measured(filter_name, channel, measured):
    header = make_header(filter=filter_name, channel=channel)
    assert psf_fwhm_px(header) == pytest.approx(measured, rel=0.1)


def test_options_come_from_json_then_from_the_command_line(monkeypatch):
    given = {"snowballs": True, "product": "a", "overrides": {"jump": {"x": 1}}}
    line = ["peer.py", "--stage", "1", "--references", "refs", "--out", "out"]
    line += ["--options", json.dumps(given), "--product", "b", "--no-in-memory"]
    line += ["--set", "jump.y=2", "resample.z=3", "--one-group", "raw.fits"]
    monkeypatch.setattr(sys, "argv", line)
    options = peer._options(peer._arguments())
    overrides = {"jump": {"x": 1, "y": "2"}, "resample": {"z": "3"}}
    assert options == PeerOptions(
        snowballs=True,
        product="b",
        in_memory=False,
        one_group=True,
        overrides=overrides,
    )
