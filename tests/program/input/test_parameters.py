import tomllib
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from rampline.errors import ParameterError
from rampline.params import Params, Sigma, StepParams, Unit, walk_params
from rampline.program.input.parameter_tree import Parameters, parameter_lines
from rampline.program.input.parameters import read_parameters, toml_lines


class Cut(StepParams):
    level: Sigma = 3.0
    """Where to cut."""
    kind: str = "soft"
    """How to cut."""
    span: tuple[float, float] = (1.0, 2.0)
    """From where to where."""


class Blur(Params):
    width: Annotated[float, Field(gt=0), Unit("pixel")] = 2.0
    """How much to blur."""


class Stage(Params):
    cut: Cut = Cut()
    """The cut."""
    blur: Blur = Blur()
    """The blur."""


class Tree(Params):
    first: Stage = Stage()
    """The only stage."""


def test_the_command_line_wins_over_the_file(tmp_path):
    config = tmp_path / "p.toml"
    config.write_text("[first.cut]\nlevel = 4.0\nkind = 'hard'\n")
    tree = read_parameters(Tree, config, ["cut.level=5"])
    assert (tree.first.cut.level, tree.first.cut.kind) == (5.0, "hard")
    assert tree.first.blur.width == 2.0


def test_words_and_switches_need_no_quotes():
    tree = read_parameters(Tree, None, ["cut.kind=hard", "cut.enabled=false"])
    assert tree.first.cut.kind == "hard"
    assert not tree.first.cut.enabled


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("cut.level=-1", ["cut.level = -1", "greater than 0"]),
        ("cut.levl=3", ["no parameter cut.levl", "level"]),
        ("slice.level=3", ["no parameter slice.level", "cut, blur"]),
        ("cut.level", ["step.parameter=value"]),
        ("cut.level=wide", ["cut.level = 'wide'", "number"]),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(setting, words):
    with pytest.raises(ParameterError) as caught:
        read_parameters(Tree, None, [setting])
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in [f"--set {setting}", *words])


def test_a_wrong_file_is_named(tmp_path):
    config = tmp_path / "p.toml"
    for text, word in [("[first.cut]\nlevl = 4", "levl"), ("= 3", "TOML")]:
        config.write_text(text)
        with pytest.raises(ParameterError, match=word) as caught:
            read_parameters(Tree, config, [])
        assert str(config) in str(caught.value)
    with pytest.raises(ParameterError, match="cannot be read"):
        read_parameters(Tree, tmp_path / "absent.toml", [])


def test_the_printed_file_reads_back_as_the_same_tree(tmp_path):
    config = tmp_path / "p.toml"
    tree = read_parameters(Tree, None, ["blur.width=0.5", "cut.span=[3.0, 4.0]"])
    lines = list(toml_lines(tree))
    config.write_text("\n".join(lines))
    assert read_parameters(Tree, config, []) == tree
    assert "# How much to blur. [pixel]" in lines
    only = tomllib.loads("\n".join(toml_lines(tree, "blur")))
    assert list(toml_lines(tree, "first.blur")) == list(toml_lines(tree, "blur"))
    assert only == {"first": {"blur": {"width": 0.5}}}


def test_every_parameter_is_listed_with_its_unit_and_meaning():
    rows = {row.name: row for row in walk_params(Tree())}
    assert rows["first.cut.level"].unit == "sigma"
    assert rows["first.blur.width"].meaning == "How much to blur."


def test_what_the_command_prints_is_a_file_to_start_from(tmp_path):
    config = tmp_path / "all.toml"
    config.write_text("\n".join(parameter_lines()))
    assert read_parameters(Parameters, config, []) == Parameters()
    with pytest.raises(ParameterError, match="no step nothing; the steps are"):
        list(parameter_lines("nothing"))


def test_the_parity_file_of_the_docs_is_valid():
    config = Path(__file__).resolve().parents[3] / "docs" / "parity.toml"
    tree = read_parameters(Parameters, config, [])
    assert tree.ramp_to_slope.slopes.algorithm == "jwst"
