import ast
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from importlib import metadata, util
from pathlib import Path

import pytest

from rampline.exposure.header import Card
from rampline.reference.crds_rules import crds_parameters

from .crds_cache import build_cache, reference_name
from .exposures import header_of, make_header

SCRIPT = """
import json, sys
from tests.reference.exposures import make_header
from rampline.errors import MissingReferenceError
from rampline.reference.select import open_source

source = open_source(sys.argv[1])
answers = []
for changes in json.loads(sys.argv[2]):
    kinds = changes.pop("kinds")
    try:
        files = source.select(make_header(**changes), kinds)
        paths = {kind: str(path) for kind, path in files.paths.items()}
        answers.append([paths, [list(used) for used in files.used], files.context])
    except MissingReferenceError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def ask(cache, asked, source="crds", **environment):
    """Ask a fresh process, whose server is a port at which nothing listens."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CRDS")}
    dead = {
        "CRDS_PATH": str(cache),
        "CRDS_SERVER_URL": "https://localhost:1",
        "CRDS_READONLY_CACHE": "1",
    }
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, source, json.dumps(asked)],
        env=clean | dead | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("layout", ["flat", "instrument"])
def test_the_best_references_come_from_a_read_only_cache_without_network(
    tmp_path, layout
):
    cache = build_cache(tmp_path / "crds", layout=layout)
    kinds = ["gain", "flat", "superbias", "area"]
    answers = ask(
        cache,
        [
            {"kinds": kinds},
            {"kinds": ["flat"], "filter": "F150W2", "pupil": "F162M"},
            {"kinds": ["gain"], "start_mjd": 59000.0},
        ],
    )
    paths, used, context = answers[0]
    assert context == "jwst_0001.pmap"
    expected = {"gain": "new", "flat": "f200w", "superbias": "sub8"}
    names = {kind: reference_name(kind, word) for kind, word in expected.items()}
    assert {kind: path.rsplit("/", 1)[1] for kind, path in paths.items()} == names
    sha1 = hashlib.sha1(b"gain new").hexdigest()  # noqa: S324
    assert used[0] == ["gain", names["gain"], sha1]
    assert answers[1][0]["flat"].endswith(reference_name("flat", "f150w"))
    assert answers[2][0]["gain"].endswith(reference_name("gain", "old"))


def test_what_crds_does_not_have_is_one_line(tmp_path):
    cache = build_cache(tmp_path / "crds", without=["new"])
    started = time.monotonic()
    absent, no_rule, no_type = ask(
        cache,
        [
            {"kinds": ["flat", "gain"]},
            {"kinds": ["flat"], "detector": "NRCB2"},
            {"kinds": ["gain", "dark"], "start_mjd": 59000.0},
        ],
        source="jwst_0001.pmap",
    )
    assert time.monotonic() - started < 30.0
    assert "no gain reference file in CRDS" in absent
    assert "no flat reference file in CRDS" in no_rule
    assert "for NRCB2 F200W CLEAR" in no_rule
    assert "no dark reference file in CRDS" in no_type
    for line in (absent, no_rule, no_type):
        assert line.startswith("jw02736001001_02103_00001_nrcb1: ")
        assert "\n" not in line


def test_neither_cache_nor_server_is_one_line(tmp_path):
    answer, unknown = (
        ask(tmp_path / "empty", [{"kinds": ["gain"]}], **environment)[0]
        for environment in ({}, {"CRDS_CONTEXT": "jwst_0009.pmap"})
    )
    for line in (answer, unknown):
        assert "no gain reference file in CRDS" in line
        assert "\n" not in line
    assert "neither a cache nor the server https://localhost:1" in answer


def test_a_variable_that_is_empty_is_one_that_is_not_set(tmp_path):
    cache = build_cache(tmp_path / "crds_cache")
    empty = {"CRDS_PATH": "", "CRDS_CONTEXT": "", "CRDS_CLIENT_TIMEOUT_SECONDS": " "}
    (found,) = ask(cache, [{"kinds": ["gain"]}], HOME=str(tmp_path), **empty)
    assert found[0]["gain"].startswith(str(cache))


def test_a_server_that_never_answers_is_waited_for_once(tmp_path):
    cache = build_cache(tmp_path / "crds")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        patience = {"CRDS_SERVER_URL": url, "CRDS_CLIENT_TIMEOUT_SECONDS": "1"}
        begin = time.monotonic()
        found = ask(cache, [{"kinds": ["gain"]}] * 8, **patience)
        absent = ask(tmp_path / "empty", [{"kinds": ["gain"]}] * 8, **patience)
    # the packages of two processes are imported in this time, too
    assert time.monotonic() - begin < 30
    assert all(paths["gain"] for paths, _, _ in found)
    assert all(f"the server {url} is there" in line for line in absent)


def test_a_file_is_compared_with_the_sha1_on_record(tmp_path):
    good = hashlib.sha1(b"flat f200w").hexdigest()  # noqa: S324
    recorded = {
        reference_name("flat", "f200w"): good,
        reference_name("superbias", "sub8"): "none",
        reference_name("gain", "new"): "0" * 40,
    }
    cache = build_cache(tmp_path / "crds", recorded=recorded)
    whole, damaged = ask(cache, [{"kinds": ["flat", "superbias"]}, {"kinds": ["gain"]}])
    assert whole[1][0] == ["flat", reference_name("flat", "f200w"), good]
    assert "damaged" in damaged
    assert reference_name("gain", "new") in damaged


def test_the_users_context_is_the_one_recorded(tmp_path):
    cache = build_cache(tmp_path / "crds")
    pmap = cache / "mappings" / "jwst" / "jwst_0001.pmap"
    (pmap.parent / "jwst_0002.pmap").write_text(pmap.read_text())
    asked = [{"kinds": ["gain"]}]
    chosen = ask(cache, asked, CRDS_CONTEXT="jwst_0002.pmap")
    assert chosen[0][2] == "jwst_0002.pmap"
    assert ask(cache, asked, source="jwst_0002.pmap")[0][2] == "jwst_0002.pmap"


def test_parameters_have_the_names_and_values_of_the_header():
    cards = (
        Card("DATE-OBS", "2022-06-07"),
        Card("TIME-OBS", "09:36:00.000"),
        Card("NOUTPUTS", 4),
        Card("TSOVISIT", value=False),
        Card("CORONMSK", None),
    )
    found = crds_parameters(make_header(primary=cards))
    assert found["META.INSTRUMENT.NAME"] == "NIRCAM"
    assert found["META.INSTRUMENT.DETECTOR"] == "NRCB1"
    assert found["META.SUBARRAY.NAME"] == "SUB8"
    assert found["META.EXPOSURE.NOUTPUTS"] == 4
    assert found["META.VISIT.TSOVISIT"] is False
    assert found["META.OBSERVATION.DATE"] == "2022-06-07"
    assert found["META.OBSERVATION.TIME"] == "09:36:00.000"
    assert "META.INSTRUMENT.CORONAGRAPH" not in found


@pytest.mark.parity
@pytest.mark.shared
def test_parameters_are_those_that_jwst_hands_to_crds(shared):
    from stdatamodels.jwst.datamodels import Level1bModel

    raw = shared / "sample/raw/jw02736001001_02103_00001_nrcb1_uncal.fits"
    with Level1bModel(raw) as model:
        theirs = {
            key.upper(): value for key, value in model.get_crds_parameters().items()
        }
    for name, value in crds_parameters(header_of(raw)).items():
        assert theirs[name] == value, name


@pytest.mark.shared
def test_parameters_cover_the_selection_keys_of_every_type(shared):
    from rampline.reference.selection import KINDS

    specs = json.loads((shared / "crds_specs" / "combined_specs.json").read_text())
    raw = shared / "sample/raw/jw02736001001_02103_00001_nrcb1_uncal.fits"
    known = set(crds_parameters(header_of(raw)))
    for kind in KINDS:
        keys = {key for group in specs["nircam"][kind]["parkey"] for key in group}
        # the specification of darks misspells META.EXPOSURE.NOUTPUTS
        assert keys - {"META.EXPOSUIRE.NOUTPUTS"} <= known


def _installed_with(wanted):
    """Return the distributions that come with some requirements, extras left out."""
    found = set()
    while wanted:
        requirement = wanted.pop()
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        name = re.sub(r"[-_.]+", "-", name).lower()
        if name in found or "extra ==" in requirement:
            continue
        try:
            wanted += metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another system or Python
        found.add(name)
    return found


def test_all_that_the_client_imports_for_jwst_comes_with_rampline():
    project = Path(__file__).parents[2] / "pyproject.toml"
    content = tomllib.loads(project.read_text())["project"]
    ours = _installed_with(list(content["dependencies"]))
    rules = Path(util.find_spec("crds").origin).parent / "jwst" / "locate.py"
    imported = set()
    for statement in ast.parse(rules.read_text()).body:
        if isinstance(statement, ast.Import):
            imported |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            imported.add(statement.module)
    modules = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    owners = metadata.packages_distributions()
    for module in modules:
        names = {re.sub(r"[-_.]+", "-", name).lower() for name in owners[module]}
        assert names & ours, f"{module} is imported by crds and not required"
