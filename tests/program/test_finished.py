from rampline.program.input.options import ReduceOptions
from rampline.program.reduce import reduce_files


def _reduce(raw, out, field, **others):
    options = ReduceOptions(
        references=str(field.references),
        align_to="none",
        engine="serial",
        until="mosaic",
        keep=(),
        **others,
    )
    return reduce_files([raw], out, options, progress=False)


def _times(out):
    return {path: path.stat().st_mtime_ns for path in (out / "mosaics").iterdir()}


def test_a_run_that_keeps_nothing_is_not_made_again(field, raw, tmp_path, capsys):
    out = tmp_path / "out"
    assert _reduce(raw, out, field) == 0
    assert list((out / "exposures").iterdir()) == []
    made = _times(out)
    assert _reduce(raw, out, field) == 0
    assert "everything is up to date" in capsys.readouterr().out
    assert _times(out) == made
    # another parameter, or a product gone: all is made again
    assert _reduce(raw, out, field, settings=("drizzle.pixfrac=0.9",)) == 0
    again = _times(out)
    assert all(again[path] != made[path] for path in made)
    min((out / "mosaics").glob("*_i2d.fits")).unlink()
    assert _reduce(raw, out, field, settings=("drizzle.pixfrac=0.9",)) == 0
    assert _times(out).keys() == made.keys()
