from rampline.exposure.planes import UsedFile
from rampline.params import Params
from rampline.program.tasks import task_key
from rampline.program.tasks.task_key import make_key, source_hash


class One(Params):
    level: float = 1.0
    """A level."""


def test_everything_that_determines_a_result_changes_the_key():
    used = (UsedFile("flat", "f.fits", "12ab"),)
    key = make_key("flags", ["hash"], One(), used)
    assert key == make_key("flags", ["hash"], One(), used)
    others = [
        make_key("units", ["hash"], One(), used),
        make_key("flags", ["other"], One(), used),
        make_key("flags", ["hash"], One(level=2.0), used),
        make_key("flags", ["hash"], One(), (UsedFile("flat", "f.fits", "12ac"),)),
    ]
    assert len({key, *others}) == 5


def test_the_order_of_reference_files_does_not_matter():
    one, two = UsedFile("a", "a.fits", "1"), UsedFile("b", "b.fits", "2")
    assert make_key("flags", [], One(), [one, two]) == make_key(
        "flags", [], One(), [two, one]
    )


def test_the_source_hash_covers_what_a_module_imports(tmp_path, monkeypatch):
    (tmp_path / "top.py").write_text(
        "def f():\n    from .below import g\n    return g\n"
    )
    (tmp_path / "below.py").write_text("g = 1\n")
    monkeypatch.setattr(task_key, "PACKAGE", tmp_path)
    before = source_hash.__wrapped__("top")
    (tmp_path / "below.py").write_text("g = 2\n")
    # a process reads every source once
    assert source_hash.__wrapped__("top") == before
    task_key._source.cache_clear()
    assert source_hash.__wrapped__("top") != before


def test_a_product_does_not_hang_on_the_code_of_other_stages():
    covered = {
        path.relative_to(task_key.PACKAGE).as_posix()
        for path in task_key._closure(
            task_key._module_file("program.tasks.make_survey")
        )
    }
    assert "astrometry/sources.py" in covered
    assert not covered & {"program/reduce.py", "detector/jumps.py", "report/page.py"}
