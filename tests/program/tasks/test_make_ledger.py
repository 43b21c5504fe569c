"""Afterglow simulated with its truth, through the ledger and the path."""

import numpy as np
import pytest
from astropy.io import fits

from rampline.detector.trapped_charge import TrapAmplitudes
from rampline.errors import InputError
from rampline.pipeline.ramp_to_slope import RampToSlope
from rampline.program.input.inputs import collect_inputs
from rampline.program.input.options import ReduceOptions
from rampline.program.reduce import reduce_files
from rampline.program.tasks.make_ledger import ledger_requests, make_ledger, read_state
from rampline.simulation.persistence import PersistenceParams
from rampline.simulation.scene import (
    ActivityParams,
    EventParams,
    FieldParams,
    SceneParams,
    StarParams,
    VisitParams,
)
from rampline.simulation.simulate import simulate


@pytest.fixture(scope="module")
def glowing(tmp_path_factory):
    """Four dithers of many saturated stars, whose light stays in traps."""
    scene = SceneParams(
        field=FieldParams(
            half_width_arcsec=12.0,
            stars=StarParams(number=60, brightest=15.5, faintest=17.0, slope=0.05),
        ),
        visit=VisitParams(aperture="NRCB5_SUB320", dither="4-POINT", points=4),
        activities=(
            ActivityParams(subarray="SUB320", groups=9, detectors=("NRCBLONG",)),
        ),
        events=EventParams(persistence=PersistenceParams(enabled=True)),
    )
    return simulate(scene, tmp_path_factory.mktemp("glowing"))


def _reduce(glowing, out, **settings):
    words = ("persistence.enabled=true", *(f"{k}={v}" for k, v in settings.items()))
    options = ReduceOptions(
        references=str(glowing.references),
        until="rate",
        engine="serial",
        settings=words,
    )
    assert reduce_files(glowing.raw, out, options, progress=False) == 0


def _true_glow(truth, seconds, gain):
    with fits.open(truth) as hdus:
        events = hdus["EVENTS"].data
        glow = np.zeros(hdus["SKY"].shape)
    own = events["kind"] == 3
    np.add.at(glow, (events["row"][own], events["col"][own]), events["electrons"][own])
    return glow / gain / seconds


def test_the_afterglow_is_taken_off_and_the_next_run_makes_nothing_anew(
    glowing, tmp_path, capsys
):
    out = tmp_path / "out"
    _reduce(glowing, out)
    gain = np.nanmedian(fits.getdata(min(glowing.references.glob("*_gain_*.fits"))))
    for raw, truth in zip(glowing.raw[1:], glowing.truth[1:], strict=True):
        rate = out / "exposures" / raw.name.replace("uncal", "rate")
        with fits.open(rate) as hdus:
            removed, err = hdus["PERSIST"].data, hdus["ERR"].data
            flags, seconds = hdus["DQ"].data, hdus[0].header["EFFEXPTM"]
        glow = _true_glow(truth, seconds, gain)
        seen = (glow * seconds * gain > 20) & np.isfinite(err)
        assert seen.sum() > 100
        before = np.median(glow[seen] / err[seen])
        after = np.median((glow - removed)[seen] / err[seen])
        assert abs(after) < min(0.2 * before, 0.3)
        assert before > 1.0
        assert (flags[seen] & 32 != 0).mean() > 0.9
    capsys.readouterr()
    _reduce(glowing, out)
    said = capsys.readouterr().out
    assert "done ledger" not in said
    assert said.count("reused") == 5


def test_the_state_is_taken_up_by_the_next_run(glowing, tmp_path):
    sources = collect_inputs(glowing.raw, (), mixed=False).sources
    params = RampToSlope.model_validate({"persistence": {"enabled": True}})

    def ledger(folder, some, params=params):
        (request,) = ledger_requests(some, folder, str(glowing.references), params)
        result = make_ledger(request)
        return result, read_state(folder / "nrcblong_ledger.npz")

    _, (whole, _) = ledger(tmp_path / "whole", sources)
    ledger(tmp_path / "first", sources[:3])
    later = RampToSlope.model_validate(
        {"persistence": {"enabled": True, "take_up": str(tmp_path / "first")}}
    )
    result, (state, amplitudes) = ledger(tmp_path / "second", sources[3:], later)
    assert amplitudes is not None
    assert list(result.held) == [sources[3].header.root]
    assert state.mjd == whole.mjd
    assert abs(state.row.size / whole.row.size - 1) < 0.05
    assert not ledger_requests(sources[3:], tmp_path, "", params)
    elsewhere = {"persistence": {"enabled": True, "take_up": str(tmp_path)}}
    later = RampToSlope.model_validate(elsewhere)
    alone, (_, nothing) = ledger(tmp_path / "alone", sources[3:], later)
    assert not alone.held
    assert nothing is None


def test_a_file_that_is_no_ledger_is_one_line(tmp_path):
    path = tmp_path / "nrcb1_ledger.npz"
    path.write_text("no")
    with pytest.raises(InputError, match="no persistence ledger"):
        read_state(path)


def test_a_ledger_of_other_kinds_of_traps_is_one_line(tmp_path):
    path = tmp_path / "nrcb1_ledger.npz"
    none, nothing = np.zeros(0, np.int32), np.zeros(0)
    columns = dict.fromkeys(TrapAmplitudes._fields, nothing)
    filling = np.zeros((3, 0), np.float32)
    np.savez(path, mjd=0.0, row=none, col=none, filling=filling, **columns)
    with pytest.raises(InputError, match="another version"):
        read_state(path)
