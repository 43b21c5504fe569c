import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rampline.reference import cache
from rampline.reference.cache import cache_dir, entry_name, recall, settle


def built(rng, size=1000):
    return {
        "plane": rng.normal(size=(10, size)).astype(np.float32),
        "flags.mask": rng.integers(0, 9, size, dtype=np.uint32),
        "gain_factor": np.array([2.0]),
    }


def forget():
    settle()
    cache.forget()


def refuse():
    raise AssertionError("built again")


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array)
        assert found[key].dtype == array.dtype
        assert found[key].flags.c_contiguous


def entries():
    settle()
    return sorted(path.name for path in (cache_dir() / "planes").iterdir())


def test_an_entry_is_named_by_all_that_went_into_it():
    names = {entry_name("a", (0, 1)), entry_name("a", (0, 2)), entry_name("b", (0, 1))}
    assert len(names) == 3
    assert entry_name("a", (0, 1)) in names


def test_the_second_call_and_the_second_process_have_it_at_once(rng):
    expected = built(rng)
    assert_same(recall("one", lambda: expected), expected)
    assert_same(recall("one", refuse), expected)
    forget()
    assert_same(recall("one", refuse), expected)


def test_the_same_arrays_are_handed_to_everyone(rng):
    first = recall("one", lambda: built(rng))
    assert recall("one", refuse)["plane"] is first["plane"]


def test_a_write_does_not_reach_the_disk(rng):
    expected = built(rng)
    recall("one", lambda: expected)
    forget()
    recall("one", refuse)["plane"][:] = 0.0
    forget()
    assert_same(recall("one", refuse), expected)


def test_arrays_are_plain_and_writable_so_that_kernels_take_them_as_such(rng):
    recall("one", lambda: built(rng))
    forget()
    found = recall("one", refuse)["plane"]
    assert type(found) is np.ndarray
    assert found.flags.writeable


def test_what_is_not_for_the_disk_stays_in_memory(rng):
    recall("one", lambda: built(rng), on_disk=False)
    recall("one", refuse, on_disk=False)
    assert not (cache_dir() / "planes").exists()


def test_memory_holds_only_the_last_entries(rng):
    for index in range(cache.KEPT_IN_PROCESS + 1):
        recall(str(index), lambda: built(rng), on_disk=False)
    assert len(cache._recent) == cache.KEPT_IN_PROCESS
    assert "0" not in cache._recent


def test_the_disk_holds_the_entries_used_last(rng, monkeypatch):
    size = sum(array.nbytes + 128 for array in built(rng).values())
    monkeypatch.setenv("RAMPLINE_CACHE_GB", str(2.5 * size / 1e9))
    for age, name in enumerate("abc"):
        recall(name, lambda: built(rng))
        settle()
        os.utime(cache_dir() / "planes" / name, (age, age))
    assert entries() == ["b", "c"]
    forget()
    recall("b", refuse)
    recall("d", lambda: built(rng))
    assert entries() == ["b", "d"]


def test_an_entry_above_the_limit_is_not_kept(rng, monkeypatch):
    monkeypatch.setenv("RAMPLINE_CACHE_GB", "0")
    expected = built(rng)
    assert_same(recall("one", lambda: expected), expected)
    settle()
    assert not (cache_dir() / "planes").exists()


def test_what_a_killed_process_left_is_swept_away(rng):
    for name, age in (("part-1", 0.0), ("part-2", None)):
        (cache_dir() / "planes" / name).mkdir(parents=True)
        if age is not None:
            os.utime(cache_dir() / "planes" / name, (age, age))
    recall("one", lambda: built(rng))
    assert entries() == ["one", "part-2"]


def test_a_damaged_entry_is_built_again(rng):
    expected = built(rng)
    recall("one", lambda: expected)
    forget()
    (cache_dir() / "planes" / "one" / "plane.npy").write_bytes(b"\x93NUMPY")
    assert_same(recall("one", lambda: expected), expected)
    forget()
    assert_same(recall("one", refuse), expected)


def test_a_folder_that_cannot_be_written_is_no_error(rng, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RAMPLINE_CACHE", str(tmp_path / "file"))
    expected = built(rng)
    assert_same(recall("one", lambda: expected), expected)


def test_nothing_half_written_is_left_when_the_disk_is_full(rng, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    expected = built(rng)
    assert_same(recall("one", lambda: expected), expected)
    assert entries() == []


def test_several_processes_may_build_the_same_entry(tmp_path):
    code = (
        "import numpy as np\n"
        "from rampline.reference.cache import recall\n"
        "a = recall('one', lambda: {'x': np.arange(200000.0)})\n"
        "print(a['x'].sum())\n"
    )
    environment = os.environ | {"RAMPLINE_CACHE": str(tmp_path)}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    sums = [run.communicate()[0].decode().strip() for run in runs]
    assert sums == [str(np.arange(200000.0).sum())] * 3
    assert [path.name for path in (tmp_path / "planes").iterdir()] == ["one"]


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", Path("~/.cache/rampline")),
        ("darwin", Path("~/Library/Caches/rampline")),
    ],
)
def test_the_folder_is_the_platforms_own(monkeypatch, platform, expected):
    monkeypatch.delenv("RAMPLINE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache.sys, "platform", platform)
    assert cache_dir() == expected.expanduser()
