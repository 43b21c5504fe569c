"""The cache as files: what the client makes of it stands in tests/parity and below."""

import ast
import hashlib
import os
import stat
import subprocess
import sys

import pytest

from rampline.errors import ParameterError, RamplineError
from rampline.simulation.crds_cache import (
    CONTEXT,
    crds_environment,
    write_crds_cache,
)
from rampline.simulation.references import Reference
from rampline.simulation.simulate import simulate
from tests.simulation.scenes import small

FACTS = {
    "DETECTOR": "NRCB1",
    "CHANNEL": "SHORT",
    "MODULE": "B",
    "FILTER": "F200W",
    "PUPIL": "CLEAR",
    "SUBARRAY": "FULL",
    "READPATT": "MEDIUM8",
    "NOUTPUTS": "4",
}
SCRIPT = """
import ast, sys
import crds

for header, kinds in ast.literal_eval(sys.argv[1]):
    found = crds.getreferences(header, reftypes=kinds, observatory="jwst")
    print([path.rsplit("/", 1)[-1] for path in found.values()])
"""


def _reference(folder, kind, word, **facts):
    path = folder / f"jwst_nircam_{kind}_{word}.fits"
    path.write_bytes(f"{kind} {word}".encode())
    return Reference(kind=kind, path=path, facts={**FACTS, **facts})


@pytest.fixture
def cache(tmp_path):
    """Two detectors in two filters, subarrays and readout patterns."""
    files = [
        _reference(tmp_path, "dark", "b1_full_medium8"),
        _reference(tmp_path, "dark", "b1_full_deep8", READPATT="DEEP8"),
        _reference(tmp_path, "dark", "b1_sub160", SUBARRAY="SUB160", NOUTPUTS="1"),
        _reference(tmp_path, "flat", "b1_f200w"),
        _reference(tmp_path, "flat", "b1_f150w", FILTER="F150W"),
        _reference(tmp_path, "gain", "b1"),
        _reference(tmp_path, "gain", "b2", DETECTOR="NRCB2"),
        _reference(tmp_path, "apcorr", "b1_f200w"),
        _reference(tmp_path, "apcorr", "b2_f200w", DETECTOR="NRCB2"),
    ]
    write_crds_cache(tmp_path / "crds", files)
    return tmp_path / "crds"


def _ask(cache, *questions):
    """Ask the real client in a process of its own, without network or write access."""
    header = {
        "META.INSTRUMENT.NAME": "NIRCAM",
        "META.INSTRUMENT.DETECTOR": "NRCB1",
        "META.INSTRUMENT.FILTER": "F200W",
        "META.INSTRUMENT.PUPIL": "CLEAR",
        "META.EXPOSURE.READPATT": "MEDIUM8",
        "META.EXPOSURE.NOUTPUTS": 4,
        "META.SUBARRAY.NAME": "FULL",
        "META.OBSERVATION.DATE": "2022-06-07",
        "META.OBSERVATION.TIME": "09:36:00.000",
        "META.EXPOSURE.TYPE": "NRC_IMAGE",
    }
    asked = [(header | changes, kinds) for changes, kinds in questions]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CRDS")}
    places = [cache, *cache.rglob("*")]
    for path in places:
        path.chmod(path.stat().st_mode & ~stat.S_IWUSR)
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, repr(asked)],
        env=clean | crds_environment(cache),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for path in places:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    assert run.returncode == 0, run.stderr
    return [ast.literal_eval(line) for line in run.stdout.splitlines()[-len(asked) :]]


def test_the_client_chooses_by_the_header_without_network(cache):
    subarray = {"META.SUBARRAY.NAME": "SUB160", "META.EXPOSURE.NOUTPUTS": 1}
    other = {"META.INSTRUMENT.FILTER": "F150W", "META.EXPOSURE.READPATT": "DEEP8"}
    many = {"META.INSTRUMENT.DETECTOR": "MULTIPLE"}
    answers = _ask(
        cache,
        ({}, ["dark", "flat", "gain"]),
        (other, ["dark", "flat", "gain"]),
        (subarray, ["dark"]),
        (many, ["apcorr"]),
        ({}, ["bkg", "pars-jumpstep"]),
    )
    words = [
        ["dark_b1_full_medium8", "flat_b1_f200w", "gain_b1"],
        ["dark_b1_full_deep8", "flat_b1_f150w", "gain_b1"],
        ["dark_b1_sub160"],
        ["apcorr_b1_f200w"],
    ]
    names = [[f"jwst_nircam_{word}.fits" for word in some] for some in words]
    assert answers[:4] == names
    assert answers[4] == ["a", "a"]  # of "NOT FOUND n/a"


def test_every_mapping_has_a_true_checksum(cache):
    mappings = sorted((cache / "mappings" / "jwst").iterdir())
    assert CONTEXT in {path.name for path in mappings}
    for path in mappings:
        lines = path.read_text().splitlines(keepends=True)
        counted = "".join(line for line in lines if "sha1sum" not in line)
        digest = hashlib.sha1(counted.encode()).hexdigest()  # noqa: S324
        assert f"'sha1sum' : '{digest}'" in path.read_text()


def test_files_are_linked_and_replaced(tmp_path, cache):
    file = _reference(tmp_path, "gain", "b1")
    inside = cache / "references" / "jwst" / "nircam" / file.path.name
    file.path.unlink()
    file.path.write_bytes(b"another")
    write_crds_cache(cache, [file])
    assert inside.read_bytes() == b"another"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(RamplineError, match="no CRDS cache written") as caught:
        write_crds_cache(tmp_path / "file", [])
    assert "\n" not in str(caught.value)


def test_a_cache_without_reference_files_is_refused(tmp_path):
    scene = small()
    none = scene.references.model_copy(update={"write": False})
    scene = scene.model_copy(update={"references": none})
    with pytest.raises(ParameterError, match=r"references\.write"):
        simulate(scene, tmp_path / "out", crds_cache=tmp_path / "crds")
    assert not (tmp_path / "out").exists()
