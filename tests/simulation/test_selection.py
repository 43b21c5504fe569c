"""Parts of a scene, several visits, and scenes laid over a preset."""

import numpy as np
import pytest
from astropy.io import fits

from rampline.errors import ParameterError, RamplineError
from rampline.files.read import read_ramp
from rampline.program.simulate import load_scene, restricted
from rampline.simulation.pointing import plan_exposures, pointing_errors
from rampline.simulation.presets import smacs_scene
from rampline.simulation.scene import SceneParams, SelectionParams
from rampline.simulation.simulate import select, simulate
from tests.simulation.scenes import small

PLAN = plan_exposures(smacs_scene())


def _changed(scene, **changes):
    content = {**scene.model_dump(), "references": {"write": False}, **changes}
    return SceneParams.model_validate(content)


def _hashes(paths):
    return {path.name: fits.getval(path, "CONTHASH") for path in paths}


def test_detectors_filters_and_dithers_are_chosen_together():
    only = SelectionParams(
        detectors=("NRCB1", "NRCBLONG"), filters=("F200W", "F444W"), dithers=(2, 9)
    )
    chosen = [exposure.root.partition("_")[2] for exposure in select(PLAN, only)]
    assert chosen == [
        "02105_00002_nrcb1",
        "02105_00002_nrcblong",
        "02105_00009_nrcb1",
        "02105_00009_nrcblong",
    ]


def test_nothing_named_is_everything():
    assert select(PLAN, SelectionParams()) == PLAN


def test_a_selection_that_leaves_nothing_is_named():
    with pytest.raises(ParameterError, match=r"^only\.filters: .*F115W"):
        select(PLAN, SelectionParams(filters=("F115W",)))


def test_the_command_line_understands_lists_and_ranges():
    scene = restricted(
        smacs_scene(),
        {"detectors": "nrcb1, NRCB2", "filters": "", "dithers": "1,4-6"},
    )
    assert scene.only == SelectionParams(
        detectors=("NRCB1", "NRCB2"), dithers=(1, 4, 5, 6)
    )


@pytest.mark.parametrize("words", ["a", "0", "3-1", "-2", "1,,2"])
def test_dithers_that_are_no_numbers_are_refused_in_one_line(words):
    with pytest.raises(ParameterError, match="--dithers"):
        restricted(smacs_scene(), {"dithers": words})


def test_a_part_is_the_same_as_in_the_whole(tmp_path):
    """With persistence too, for which the exposures before it are needed."""
    scene = _changed(small(), events={"persistence": {"enabled": True}})
    whole = simulate(scene, tmp_path / "whole")
    part = simulate(_changed(scene, only={"dithers": [2]}), tmp_path / "part")
    assert [path.name for path in part.raw] == [whole.raw[1].name]
    assert _hashes(part.raw) == _hashes(whole.raw[1:])
    assert _hashes(part.truth) == _hashes(whole.truth[1:])


def test_a_file_may_change_some_entries_of_a_preset(tmp_path):
    path = tmp_path / "scene.toml"
    path.write_text(
        'preset = "smacs0723"\n[field.stars]\nnumber = 7\n[only]\ndithers = [1]\n'
    )
    scene = load_scene(str(path))
    whole = smacs_scene()
    assert scene.field.stars.number == 7
    assert scene.field.stars.slope == whole.field.stars.slope
    assert scene.activities == whole.activities
    assert scene.only.dithers == (1,)


def test_an_unknown_preset_is_named(tmp_path):
    path = tmp_path / "scene.toml"
    path.write_text('preset = "m31"\n')
    with pytest.raises(ParameterError, match=r"scene\.toml: preset: 'm31' is not one"):
        load_scene(str(path))


def _two_visits(**changes):
    later = {
        "aperture": "NRCB1_SUB160",
        "observation": "002",
        "start_mjd": 59737.402,
        "points": 2,
    }
    return _changed(small(), further_visits=[later], **changes)


def test_visits_follow_in_time_each_with_its_own_error():
    scene = _two_visits()
    plan = plan_exposures(scene)
    assert [exposure.root.partition("_")[0] for exposure in plan] == [
        *["jw02736001001"] * 2,
        *["jw02736002001"] * 2,
    ]
    assert (np.diff([exposure.start_mjd for exposure in plan]) > 0).all()
    first, _, third, _ = plan
    here = pointing_errors(scene, 0, 0, first.visit)
    there = pointing_errors(scene, 0, 0, third.visit)
    assert abs(here[2] - there[2]) > 1e-4
    assert len({exposure.key for exposure in plan}) == 4


def test_a_visit_does_not_move_the_numbers_of_another():
    alone, both = plan_exposures(small()), plan_exposures(_two_visits())
    assert [exposure.key for exposure in both[:2]] == [e.key for e in alone]
    assert [exposure.root for exposure in both[:2]] == [e.root for e in alone]


def test_visits_that_overlap_are_refused():
    scene = _two_visits()
    content = scene.model_dump()
    content["further_visits"][0]["start_mjd"] = scene.visit.start_mjd + 1e-4
    with pytest.raises(ParameterError, match="further_visits: 002001 starts"):
        plan_exposures(SceneParams.model_validate(content))


def test_persistence_goes_on_from_visit_to_visit(tmp_path):
    """Without coupling, what glows in the later visit was full in the earlier one."""
    made = simulate(
        _two_visits(
            field={"half_width_arcsec": 4.0, "sources": [_star()]},
            events={
                "persistence": {"enabled": True, "share": 0.02},
                "cosmic_rays": {"enabled": False},
                "snowballs": {"enabled": False},
            },
            electronics={"coupling": False},
        ),
        tmp_path,
    )
    with fits.open(made.truth[2]) as truth:
        glow, events = truth["PERSISTENCE"].data, truth["EVENTS"].data
        exposure_s = read_ramp(made.raw[2]).header.exposure_s
    assert glow.max() > 0
    assert (events["kind"] == 3).all()
    held = np.zeros(glow.shape)
    np.add.at(held, (events["row"], events["col"]), events["electrons"])
    lit = held > 0
    assert np.array_equal(lit, glow > 0)
    # one gain per output, and one output is read
    ratio = held[lit] / glow[lit] / exposure_s
    assert np.allclose(ratio, 2.0, rtol=0.05)
    assert np.ptp(ratio) < 1e-4


def _star():
    return {"ra": 110.83, "dec": -73.45, "magnitude": 9.0}


def test_without_persistence_there_is_no_plane_of_it(tmp_path):
    made = simulate(_changed(small(), visit={"aperture": "NRCB1_SUB160", "points": 1}),
                    tmp_path)  # fmt: skip
    with fits.open(made.truth[0]) as truth:
        assert "PERSISTENCE" not in truth
        assert truth["SOURCES"].header["CTYPE1"] == "RA---TAN-SIP"


@pytest.mark.parametrize("place", ["file", "file/deeper"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(RamplineError, match="file"):
        simulate(small(), tmp_path / place)


def test_nobody_at_work_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="workers: 0"):
        simulate(small(), tmp_path, workers=0)
