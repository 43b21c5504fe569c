from rampline.files import source_code
from rampline.files.source_code import source_hash


def test_the_source_hash_covers_what_a_module_imports(tmp_path, monkeypatch):
    (tmp_path / "top.py").write_text(
        "def f():\n    from .below import g\n    return g\n"
    )
    (tmp_path / "below.py").write_text("g = 1\n")
    monkeypatch.setattr(source_code, "PACKAGE", tmp_path)
    before = source_hash.__wrapped__("top")
    (tmp_path / "below.py").write_text("g = 2\n")
    # a process reads every source once
    assert source_hash.__wrapped__("top") == before
    source_code._source.cache_clear()
    assert source_hash.__wrapped__("top") != before


def test_a_product_does_not_hang_on_the_code_of_other_stages():
    covered = {
        path.relative_to(source_code.PACKAGE).as_posix()
        for path in source_code._closure(
            source_code._module_file("program.tasks.make_survey")
        )
    }
    assert "astrometry/sources.py" in covered
    assert not covered & {"program/reduce.py", "detector/jumps.py", "report/page.py"}
