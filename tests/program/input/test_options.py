import pytest

from rampline.errors import ParameterError
from rampline.program.input.options import ReduceOptions, parse_keep, parse_size


def test_sizes_and_products_are_read():
    assert parse_size("8GB") == 8_000_000_000
    assert parse_size("0.5 mb") == 500_000
    assert parse_keep("rate, crf") == ("rate", "crf")
    assert parse_keep("none") == ()


@pytest.mark.parametrize("text", ["8", "GB", "-1GB", "eightGB", ""])
def test_a_wrong_size_is_one_line(text):
    with pytest.raises(ParameterError, match="--max-memory"):
        parse_size(text)


def test_an_unknown_product_is_one_line():
    with pytest.raises(ParameterError, match="i2d is none of rate, cal, crf"):
        parse_keep("rate,i2d")


def test_a_run_reaches_every_stage_up_to_its_last():
    options = ReduceOptions(until="cal")
    assert options.reaches("rate")
    assert options.reaches("cal")
    assert not options.reaches("mosaic")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"workers": -1}, "--workers -1"),
        ({"pixel_scale_arcsec": -0.02}, "--pixel-scale"),
        ({"name": "my field/x"}, "--name my field/x"),
        ({"align_to": "nofile.ecsv"}, "--align-to nofile.ecsv: no such file"),
        ({"references": "/nowhere"}, "--references /nowhere: no such"),
    ],
)
def test_what_would_fail_after_hours_is_refused_at_the_door(wrong, words):
    with pytest.raises(ParameterError, match=words):
        ReduceOptions(**wrong)


def test_options_that_contradict_each_other_are_refused(tmp_path):
    grid = tmp_path / "grid.fits"
    grid.touch()
    with pytest.raises(ParameterError, match=r"--pixel-scale 0.03: not with --grid"):
        ReduceOptions(grid=grid, pixel_scale_arcsec=0.03)
    with pytest.raises(ParameterError, match="--rounds 2: needs a draft mosaic"):
        ReduceOptions(rounds=2, until="cal")
