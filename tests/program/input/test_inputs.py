import gzip
import json
import shutil
from dataclasses import replace

import pytest
from astropy.io import fits

from rampline.errors import InputError, ParameterError
from rampline.exposure.header import Card
from rampline.files.catalogs import read_association
from rampline.program.input.inputs import Inputs, collect_inputs, field_name
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


def test_a_compressed_file_beside_others_is_not_passed_over(raw):
    first = min(raw.iterdir())
    first.with_suffix(".fits.gz").write_bytes(gzip.compress(first.read_bytes(), 1))
    assert not collect_inputs([raw], (), mixed=False).refused
    first.unlink()
    (error,) = collect_inputs([raw], (), mixed=False).refused
    assert "gunzip" in str(error)


def test_a_download_of_the_archive_is_read_with_its_subfolders(raw, tmp_path):
    names = sorted(path.name for path in raw.iterdir())
    for name in names:
        folder = tmp_path / "mastDownload" / "JWST" / name.removesuffix("_uncal.fits")
        folder.mkdir(parents=True)
        shutil.copy(raw / name, folder)
    run = tmp_path / "mastDownload" / "reduced"
    (run / "exposures").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    shutil.copy(raw / names[0], run / "exposures" / "jw1_2_3_nrcb1_uncal.fits")
    found = collect_inputs([tmp_path / "mastDownload"], (), mixed=False)
    assert sorted(source.path.name for source in found.sources) == names


def test_what_is_no_image_of_the_sky_is_left_out_of_a_folder_and_refused_by_name(raw):
    first, *others = sorted(raw.iterdir())
    with fits.open(first, mode="update") as hdus:
        hdus[0].header["EXP_TYPE"] = "NRC_DARK"
    found = collect_inputs([raw], (), mixed=False)
    assert len(found.sources) == len(others)
    assert not found.refused
    (line,) = notices(found, ReduceOptions(), ())
    assert line.startswith(f"left out: {first.name}: a calibration exposure (NRC_DARK)")
    named = collect_inputs([raw, first], (), mixed=False)
    assert len(named.refused) == 1
    assert not named.foreign


def test_observations_of_one_field_share_the_name_of_the_first(raw):
    first, second = collect_inputs([raw], (), mixed=False).sources
    later = replace(second, header=replace(second.header, observation="002"))
    both = Inputs((later, first))
    assert field_name(both, "") == f"o{first.header.observation}"
    assert field_name(both, "mine") == "mine"
    apart = InputError(str(first.path), "far away")
    assert field_name(replace(both, distant=(apart,)), "") == "o002"
    (line,) = notices(both, ReduceOptions(), ())
    assert line.startswith("2 observations in one field")
    assert not list(notices(both, ReduceOptions(name="mine"), ()))


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (Card("ENGQLPTG", "PLANNED"), "pointing as planned"),
        (Card("PCS_MODE", "COARSE"), "guided coarsely"),
        (Card("DATAPROB", value=True), "a problem"),
    ],
)
def test_what_headers_say_against_their_exposures_is_said(card, words, raw):
    found = collect_inputs([raw], (), mixed=False)
    sources = [
        replace(s, header=replace(s.header, primary=(*s.header.primary, card)))
        for s in found.sources
    ]
    (line,) = notices(Inputs(tuple(sources)), ReduceOptions(), ())
    assert line.startswith(f"{sources[0].header.root} and 1 more: {words}")


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
