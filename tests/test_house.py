"""The house keeps its own laws."""

import importlib
import importlib.util
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rampline
from rampline import flags
from rampline.numerics import jit
from rampline.params import Params, read_meanings, walk_params
from rampline.program.input.parameter_tree import Parameters

ROOT = Path(__file__).resolve().parents[1]
ROOMS = sorted(
    path.name for path in (ROOT / "src" / "rampline").iterdir() if path.is_dir()
)


def _modules():
    found = pkgutil.walk_packages(rampline.__path__, "rampline.")
    return [importlib.import_module(info.name) for info in found]


def _kernels():
    for module in _modules():
        for name, value in vars(module).items():
            own = getattr(value, "__module__", "") == module.__name__
            # what is never compiled computes nothing
            if own and hasattr(value, "py_func") and value is not jit._anchor:
                yield module.__name__.split(".")[1], name


def _parameter_classes(tree):
    yield tree
    for info in tree.model_fields.values():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Params):
            yield from _parameter_classes(info.annotation)


def test_every_kernel_has_a_twin():
    kernels = list(_kernels())
    assert kernels
    missing = []
    for room, name in kernels:
        plain, twins = name.lstrip("_"), ROOT / "tests" / "twins"
        places = [twins / f"{room}.py", *(twins / room).glob("*.py")]
        text = "".join(place.read_text() for place in places if place.exists())
        if not re.search(rf"^def {plain}\(", text, re.MULTILINE):
            missing.append(f"{room}: {plain}")
    assert not missing, missing


@pytest.mark.parametrize("params", list(_parameter_classes(Parameters)))
def test_every_parameter_says_what_it_is_and_in_which_unit(params):
    for name, info in params.model_fields.items():
        assert read_meanings(params).get(name), (
            f"{params.__name__}.{name}: no docstring"
        )
        if info.annotation in (int, float):
            units = [item for item in info.metadata if type(item).__name__ == "Unit"]
            assert units, f"{params.__name__}.{name}: a number without a unit"


@pytest.mark.parametrize("stage", list(Parameters.model_fields))
def test_step_names_are_unique_over_all_stages(stage):
    fields = Parameters.model_fields
    own = set(fields[stage].annotation.model_fields)
    for other in set(fields) - {stage}:
        assert not own & set(fields[other].annotation.model_fields)


def test_every_flag_has_a_name_and_a_meaning():
    bits = {v for k, v in vars(flags).items() if k.isupper() and isinstance(v, int)}
    single = {bit for bit in bits if bit & (bit - 1) == 0}
    assert single == set(flags.NAME) == set(flags.MEANING)


def test_rooms_are_those_of_the_plan():
    plan = (ROOT / "ARCHITECTURE.md").read_text()
    absent = [
        room for room in ROOMS if room != "__pycache__" and f"{room}/" not in plan
    ]
    assert not absent


def test_the_road_to_slopes_imports_nothing_heavy():
    heavy = (
        "photutils gwcs pysiaf stdatamodels jwst crds astroquery matplotlib poppy asdf "
        "astropy scipy.ndimage scipy.sparse scipy.spatial scipy.special scipy.linalg"
    )
    code = (
        "import sys, rampline.program.reduce, rampline.program.tasks.make_rate\n"
        f"print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_fits_on_one_screen():
    done = subprocess.run(
        [sys.executable, "-m", "rampline", "reduce", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("\n") < 60
    assert "--references" in done.stdout


def test_generated_pages_are_those_of_the_code():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for page, text in generate.PAGES.items():
        stored = (ROOT / "docs" / page).read_text(encoding="utf-8")
        assert stored == text(), f"docs/{page}: run docs/generate.py"


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_name_sources_and_parameters_that_are_there(page):
    text = page.read_text(encoding="utf-8")
    folders = ("src", "tests", "benchmarks", "docs")
    sources = [f"/{path}" for name in folders for path in (ROOT / name).rglob("*.py")]
    named = re.findall(r"`(?:python )?([\w/]+\.py)\b", text)
    absent = [n for n in named if not any(s.endswith(f"/{n}") for s in sources)]
    known = [".step.parameter"]
    known += [f".{row.name}" for row in walk_params(Parameters())]
    asked = re.findall(r"--set \"?([a-z_0-9.]+)=", text)
    absent += [n for n in asked if not any(k.endswith(f".{n}") for k in known)]
    assert not absent, absent
