from dataclasses import replace

from rampline.astrometry.pixel_map import grid_from_cards
from rampline.files.read_mosaic import read_image_cards
from rampline.program.dry_run import dry_run_lines
from rampline.program.estimate import grid_shape, mosaic_bytes
from rampline.program.input.inputs import collect_inputs
from rampline.program.input.options import ReduceOptions


def test_a_dry_run_lists_the_tasks_of_all_stages_and_writes_nothing(raw, tmp_path):
    lines = list(dry_run_lines([raw], tmp_path / "out", ReduceOptions()))
    titles = [line for line in lines if not line.startswith(" ")]
    assert titles[:2] == ["exposures: 2 tasks", "alignment: 1 task"]
    assert any(title.startswith("mosaics: ") for title in titles)
    assert any("_cat: " in line for line in lines)
    assert "estimated" in lines[-1]
    assert not (tmp_path / "out").exists()


def test_a_shorter_run_has_fewer_stages(raw, tmp_path):
    lines = list(dry_run_lines([raw], tmp_path, ReduceOptions(until="cal")))
    assert not any("mosaic" in line for line in lines)
    assert lines[-2].startswith("2 exposures")


def test_exposures_that_are_kept_as_they_entered_are_listed(raw, tmp_path):
    kept = ReduceOptions(keep=("cal", "crf"))
    lines = list(dry_run_lines([raw], tmp_path, kept))
    assert sum("_crf: as it entered " in line for line in lines) == 2


def test_a_second_round_is_listed_too(raw, tmp_path):
    lines = list(dry_run_lines([raw], tmp_path, ReduceOptions(rounds=2)))
    assert "second round: exposures: 2 tasks" in lines


def test_a_detector_with_several_raw_exposures_has_its_ledger_listed(field, tmp_path):
    wanted = ReduceOptions(rounds=2)
    lines = list(dry_run_lines(field.raw[:3], tmp_path, wanted))
    assert lines[0] == "persistence: 1 task"
    assert lines[1].startswith("  nrcb1_ledger: 2 exposures, about 1 s")
    assert lines[2] == "exposures: 3 tasks"
    assert not any("second round: persistence" in line for line in lines)
    off = replace(wanted, settings=("persistence.enabled=false",))
    assert next(dry_run_lines(field.raw[:3], tmp_path, off)) == lines[2]


def test_the_grid_is_foreseen_within_a_tenth(reduced, field):
    mosaic = min((reduced / "mosaics").glob("*_i2d.fits"))
    cards, shape = read_image_cards(mosaic)
    grid = grid_from_cards(cards, *shape)
    sources = collect_inputs(field.raw, (), mixed=False).sources
    found = grid_shape([source.header for source in sources], grid.scale_arcsec)
    for expected, true in zip(found, shape, strict=True):
        assert abs(expected / true - 1) < 0.1


def test_no_mosaic_needs_more_than_its_share_of_memory_allows(raw):
    header = collect_inputs([raw], (), mixed=False).sources[0].header
    readout = replace(header.readout, n_rows=2048, n_cols=2048)
    member = replace(header, readout=readout)
    few = mosaic_bytes([member] * 4, 3000**2, 2_000_000_000)
    many = mosaic_bytes([member] * 72, 20_000**2, 2_000_000_000)
    huge = mosaic_bytes([member] * 72, 60_000**2, 2_000_000_000)
    assert few < 1.5e9 < many < 4e9
    assert huge == many
