import pytest

from rampline.errors import ParameterError
from rampline.program.simulate import load_scene
from rampline.simulation.scene import SceneParams
from rampline.simulation.scene_check import check_scene
from rampline.simulation.simulate import simulate

TWICE = {"activity": "03", "detectors": ["NRCB1"]}


@pytest.mark.parametrize(
    ("content", "entry", "words"),
    [
        ({"field": {"ra": 1000.0}}, "field.ra", "1000.0"),
        ({"field": {"dec": -100.0}}, "field.dec", "-100.0"),
        (
            {"field": {"sources": [{"ra": 1, "dec": 91, "magnitude": 20}]}},
            "field.sources.0.dec",
            "91.0",
        ),
        (
            {"field": {"stars": {"brightest": 25, "faintest": 20}}},
            "field.stars.faintest",
            "20.0 is not fainter",
        ),
        ({"field": {"catalog": "none.ecsv"}}, "field.catalog", "none.ecsv"),
        ({"visit": {"points": 5}}, "visit.points", "4-POINT has 4"),
        ({"visit": {"points": 0}}, "visit.points", "0"),
        ({"visit": {"aperture": "NRCB9_FULL"}}, "visit.aperture", "NRCB9_FULL"),
        ({"activities": []}, "activities", "none"),
        ({"activities": [{"detectors": []}]}, "activities.0.detectors", "none"),
        (
            {"activities": [{"detectors": ["NRCB1", "NRCB1"]}]},
            "activities.0.detectors",
            "twice",
        ),
        ({"activities": [{"detectors": ["B1"]}]}, "activities.0.detectors", "'B1'"),
        ({"activities": [{"short": "F277W"}]}, "activities.0.short", "NRCB1"),
        ({"activities": [{"long": "F999W"}]}, "activities.0.long", "F999W"),
        ({"activities": [{"subarray": "SUB17"}]}, "activities.0.subarray", "SUB17"),
        ({"activities": [{"pattern": "SLOW"}]}, "activities.0.pattern", "SLOW"),
        ({"activities": [TWICE, TWICE]}, "activities.1.activity", "activities.0"),
        (
            {"activities": [{"groups": 100_000}]},
            "activities.0.groups",
            "838.9 GB of samples",
        ),
        (
            {"activities": [{"long": "F444W+GRISMX"}]},
            "activities.0.long",
            "'GRISMX' is not one of GRISMR",
        ),
        ({"activities": [{"long": "F444W+"}]}, "activities.0.long", "grism ''"),
        (
            {"activities": [{"long": "F444W+F405N"}]},
            "activities.0.long",
            "a filter in the pupil wheel is named alone: F405N",
        ),
        (
            {"activities": [{"short": "F150W2+F162M"}]},
            "activities.0.short",
            "named alone: F162M",
        ),
        (
            {"activities": [{"long": "F322W2+F323N"}]},
            "activities.0.long",
            "'F323N' is not simulated",
        ),
        (
            {"activities": [{"long": "F405N+GRISMR"}]},
            "activities.0.long",
            "pupil wheel",
        ),
        (
            {"activities": [{"short": "F200W+GRISMR"}]},
            "activities.0.short",
            "long-wavelength",
        ),
        (
            {"activities": [{"long": "F444W+GRISMR", "subarray": "SUB640"}]},
            "activities.0.subarray",
            "FULL",
        ),
        (
            {"light": {"pictures": [{"file": "a.fits", "filter": "F999W"}]}},
            "light.pictures.0.filter",
            "F999W",
        ),
        ({"only": {"detectors": ["B1"]}}, "only.detectors", "'B1'"),
        ({"only": {"filters": ["F999W"]}}, "only.filters", "F999W"),
        ({"further_visits": [{}]}, "further_visits.0.visit", "001001"),
        (
            {"further_visits": [{"visit": "002", "points": 5}]},
            "further_visits.0.points",
            "4-POINT has 4",
        ),
        (
            {"pointing_error": {"roll_deg": [0.07, 0.01]}},
            "pointing_error.roll_deg",
            "0.07",
        ),
    ],
)
def test_a_wrong_entry_is_named_in_one_line(content, entry, words):
    with pytest.raises(ParameterError) as caught:
        check_scene(SceneParams.model_validate(content))
    line = str(caught.value)
    assert line.startswith(f"{entry}: ")
    assert words in line
    assert "\n" not in line


def test_nothing_is_written_for_a_wrong_scene(tmp_path):
    scene = SceneParams.model_validate({"pointing_error": {"roll_deg": [0.2, 0.1]}})
    with pytest.raises(ParameterError, match="roll_deg"):
        simulate(scene, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["demo", "demo-full", "benchmark", "smacs0723"])
def test_the_scenes_that_rampline_brings_have_no_fault(name):
    check_scene(load_scene(name))


def test_the_command_names_file_and_entry(tmp_path):
    path = tmp_path / "scene.toml"
    path.write_text("[[activities]]\npattern = 'SLOW'\n")
    with pytest.raises(ParameterError, match=r"scene\.toml: activities\.0\.pattern: "):
        load_scene(str(path))


def test_a_file_that_is_no_text_is_no_scene(tmp_path):
    path = tmp_path / "scene.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ParameterError, match=r"scene\.toml: not a TOML file"):
        load_scene(str(path))


def test_two_activities_may_share_a_name_on_different_detectors():
    pair = [TWICE, {"activity": "03", "detectors": ["NRCBLONG"]}]
    check_scene(SceneParams.model_validate({"activities": pair}))
