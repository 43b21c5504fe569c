import hashlib
import os

import pytest

from rampline.errors import MissingReferenceError
from rampline.reference import checksum
from rampline.reference.checksum import verified_sha1


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "jwst_nircam_gain_0001.fits"
    path.write_bytes(b"gain")
    return path


def forbid_hashing(monkeypatch):
    def refuse(*_):
        raise AssertionError("hashed again")

    monkeypatch.setattr(checksum.hashlib, "file_digest", refuse)


def test_sha1_is_that_of_the_content(reference):
    assert verified_sha1(reference) == hashlib.sha1(b"gain").hexdigest()  # noqa: S324


def test_a_file_is_hashed_once_for_all_processes(reference, monkeypatch):
    first = verified_sha1(reference)
    forbid_hashing(monkeypatch)
    assert verified_sha1(reference) == first
    checksum._known.clear()
    assert verified_sha1(reference) == first


def test_a_file_that_changed_is_hashed_again(reference):
    first = verified_sha1(reference)
    reference.write_bytes(b"GAIN")
    os.utime(reference, ns=(1, 1))
    assert verified_sha1(reference) != first


def test_a_file_unlike_its_record_is_refused_each_time(reference):
    for _ in range(2):
        with pytest.raises(MissingReferenceError, match=r"damaged.*0001 on record"):
            verified_sha1(reference, lambda name: name[-9:-5])


def test_a_file_like_its_record_is_good(reference):
    record = {reference.name: hashlib.sha1(b"gain").hexdigest()}  # noqa: S324
    assert verified_sha1(reference, record.get) == record[reference.name]


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(MissingReferenceError, match="No such file"):
        verified_sha1(tmp_path / "absent.fits")


def test_without_a_writable_cache_the_sha1_is_still_right(reference, monkeypatch):
    monkeypatch.setenv("RAMPLINE_CACHE", str(reference))
    assert verified_sha1(reference) == hashlib.sha1(b"gain").hexdigest()  # noqa: S324


def test_a_damaged_note_is_not_believed(reference):
    first = verified_sha1(reference)
    checksum._note(checksum._stamp(reference)).write_text("[")
    checksum._known.clear()
    assert verified_sha1(reference) == first
