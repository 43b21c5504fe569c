import pytest

from rampline.errors import ParameterError
from rampline.params import walk_params
from rampline.simulation.pointing import plan_exposures
from rampline.simulation.presets import benchmark_scene, demo_scene, smacs_scene
from rampline.simulation.scene import SceneParams, read_scene


def _read(tmp_path, text):
    path = tmp_path / "scene.toml"
    path.write_text(text)
    return read_scene(path)


def test_a_toml_file_is_a_scene(tmp_path):
    scene = _read(
        tmp_path,
        """
        seed = 7
        [field]
        ra = 10.0
        [field.stars]
        number = 30
        [[field.sources]]
        ra = 10.001
        dec = -73.45
        magnitude = 21.0
        [[activities]]
        short = "F090W"
        """,
    )
    assert (scene.seed, scene.field.ra, scene.field.stars.number) == (7, 10.0, 30)
    assert scene.field.sources[0].magnitude == 21.0
    assert scene.activities[0].short == "F090W"


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("[field.stars]\nnumbr = 3", "field.stars.numbr"),
        ("[field.stars]\nnumber = -3", "field.stars.number"),
        ("[visit]\nprogram = 'abc'", "visit.program"),
        ("[[activities]]\ngroups = 0", "activities.0.groups"),
        ("[[field.sources]]\nra = 1.0\nmagnitude = 2.0", "field.sources.0.dec"),
        ("[light]\nsky = 'bright'", "light.sky"),
        ("seed = [", "not a TOML file"),
    ],
)
def test_a_bad_entry_is_named_in_one_line(tmp_path, text, entry):
    with pytest.raises(ParameterError, match=entry.replace(".", r"\.")) as caught:
        _read(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert "scene.toml" in str(caught.value)


def test_an_absent_file_is_one_line(tmp_path):
    with pytest.raises(ParameterError, match="No such file"):
        read_scene(tmp_path / "none.toml")


def test_every_parameter_has_a_meaning_and_every_number_a_unit():
    for row in walk_params(SceneParams()):
        assert row.meaning, row.name
    for row in walk_params(SceneParams()):
        try:
            float(row.value)
        except ValueError:
            continue
        if not row.name.startswith("visit."):
            assert row.unit, row.name


@pytest.mark.parametrize("make", [demo_scene, benchmark_scene, smacs_scene])
def test_presets_are_scenes(make):
    assert SceneParams.model_validate(make().model_dump()) == make()


def test_the_full_demo_has_five_detectors():
    assert len(demo_scene(full=True).activities[0].detectors) == 5


def test_the_early_release_programme_has_270_exposures():
    exposures = plan_exposures(smacs_scene())
    assert len(exposures) == 270
    assert len({exposure.root for exposure in exposures}) == 270
