import gzip
import json
from dataclasses import replace

import pytest

from rampline.errors import InputError, ParameterError
from rampline.files.catalogs import read_association
from rampline.program.input.inputs import Inputs, collect_inputs
from rampline.program.input.options import ReduceOptions
from rampline.program.notices import notices


def _association(folder, *names):
    members = [{"expname": name, "exptype": "science"} for name in names]
    path = folder / "x_asn.json"
    path.write_text(json.dumps({"products": [{"name": "x", "members": members}]}))
    return path


def test_an_association_stands_for_its_members(raw):
    names = sorted(path.name for path in raw.iterdir())
    path = _association(raw, *names, "jw02736001001_02103_00009_nrcb1_cal.fits")
    found = collect_inputs([path], (), mixed=False)
    assert [source.path.name for source in found.sources] == names
    (error,) = found.refused
    assert "not there, though an association" in str(error)


def test_a_text_that_is_no_association_is_refused(tmp_path):
    path = tmp_path / "notes.json"
    path.write_text("{}")
    with pytest.raises(InputError, match="no association"):
        collect_inputs([path], (), mixed=False)


def test_nothing_given_is_wrong_use():
    with pytest.raises(ParameterError, match="no files"):
        collect_inputs([], (), mixed=False)


def test_a_path_that_does_not_exist_is_wrong_use(raw, tmp_path):
    with pytest.raises(ParameterError, match="no such file"):
        collect_inputs([raw, tmp_path / "absent.fits"], (), mixed=False)


def test_a_folder_of_compressed_files_says_what_to_do(raw):
    for path in sorted(raw.iterdir()):
        path.with_suffix(".fits.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    found = collect_inputs([raw], (), mixed=False)
    assert not found.sources
    assert len(found.refused) == 2
    assert all("gunzip" in str(error) for error in found.refused)


def test_an_exclude_that_excludes_nothing_is_said(raw):
    found = collect_inputs([raw], ("_00001_", "nrcb2"), mixed=False)
    assert len(found.sources) < 2
    (line,) = notices(found, ReduceOptions(), ())
    assert line.startswith("--exclude nrcb2")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"until": "rate"},
            "--until rate: nothing to do for 2 exposures given as _cal",
        ),
        ({"until": "cal"}, "--until cal: nothing to do for 2 exposures given as _cal"),
        ({"rounds": 2}, "--rounds 2: 2 exposures given as _cal will enter"),
        ({"until": "cal", "keep": ("crf",)}, "--keep crf: there are none without"),
    ],
)
def test_what_will_not_happen_is_said(given, words, raw):
    found = collect_inputs([raw], (), mixed=False)
    cals = Inputs(tuple(replace(source, suffix="cal") for source in found.sources))
    assert any(
        line.startswith(words) for line in notices(cals, ReduceOptions(**given), ())
    )


def test_too_little_memory_for_one_exposure_is_said(raw):
    found = collect_inputs([raw], (), mixed=False)
    (line,) = notices(found, ReduceOptions(max_memory_bytes=10**6), ())
    assert "takes about 0.4 GB; they are reduced one at a time" in line


def test_raw_exposures_need_no_words(raw):
    found = collect_inputs([raw], (), mixed=False)
    assert not list(notices(found, ReduceOptions(rounds=2), ()))


def test_the_association_of_a_mosaic_names_files_that_are_there(reduced):
    for path in (reduced / "mosaics").glob("*_asn.json"):
        members = read_association(path)
        assert len(members) == 4
        assert all(member.is_file() for member in members)
