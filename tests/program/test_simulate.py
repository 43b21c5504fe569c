"""``rampline simulate``: a run that was stopped goes on."""

import pytest

from rampline.program.simulate import run_simulation

SCENE = """
seed = {seed}
[field]
half_width_arcsec = 5.0
[visit]
aperture = "NRCB5_SUB64P"
points = 2
[[activities]]
subarray = "SUB64P"
groups = 2
detectors = ["NRCBLONG"]
"""


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.toml"
    path.write_text(SCENE.format(seed=1))
    return path


def test_exposures_that_are_there_are_kept_and_those_of_another_scene_are_not(
    scene, tmp_path, capsys
):
    out = tmp_path / "out"
    assert run_simulation(str(scene), out, 1) == 0
    first, second = sorted((out / "truth").glob("*.fits"))
    raws = sorted((out / "raw").glob("*.fits"))
    before = [path.stat().st_mtime_ns for path in raws]
    # as if stopped while the second was written
    second.unlink()
    capsys.readouterr()
    assert run_simulation(str(scene), out, 1) == 0
    said = capsys.readouterr().out
    assert said.count("is there") == 1
    assert second.is_file()
    after = [path.stat().st_mtime_ns for path in raws]
    assert after[0] == before[0]
    assert after[1] != before[1]
    # a part of the same scene is the same
    assert run_simulation(str(scene), out, 1, None, {"dithers": "1"}) == 0
    assert "is there" in capsys.readouterr().out
    scene.write_text(SCENE.format(seed=2))
    assert run_simulation(str(scene), out, 1) == 0
    assert "is there" not in capsys.readouterr().out
    assert raws[0].stat().st_mtime_ns != before[0]
    assert first.is_file()
