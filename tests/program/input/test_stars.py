import pytest

from rampline.artifacts.bright_stars import brightest_stars
from rampline.errors import NetworkError
from rampline.files.read import read_header
from rampline.program.input.stars import (
    find_stars,
    read_stars,
    star_problems,
    write_stars,
)


@pytest.mark.parametrize("whose", ["object at 0x7f00", "object at 0x7f01"])
def test_a_catalogue_that_does_not_answer_is_said_in_the_table_in_the_same_words(
    field, monkeypatch, tmp_path, whose
):
    def refuse(*_):
        raise NetworkError(f"2MASS stars from nowhere: {whose}; no network")

    monkeypatch.setattr("rampline.program.input.stars.fetch_two_mass", refuse)
    stars, problem = find_stars("2mass", [read_header(field.raw[0])])
    assert whose in problem
    path = tmp_path / "stars.ecsv"
    write_stars(path, stars, are_all=not problem)
    assert star_problems(path) == (
        "2MASS could not be asked: only stars brighter than K = -0.9 known",
    )
    assert len(read_stars(path).ra_deg) == len(brightest_stars().ra_deg)


def test_a_table_of_all_stars_has_nothing_to_say(tmp_path):
    path = tmp_path / "stars.ecsv"
    write_stars(path, brightest_stars())
    assert star_problems(path) == ()
