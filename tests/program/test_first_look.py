import json
from dataclasses import replace

import numpy as np
import pytest

from rampline.artifacts.bits import DRAGONS_BREATH_1
from rampline.artifacts.expected import Expected, box
from rampline.detector.flicker_noise import FlickerNoiseParams
from rampline.exposure.drawn import DrawnRegion
from rampline.files.read import read_slope
from rampline.files.supplied_light import SuppliedLight
from rampline.flags import DO_NOT_USE
from rampline.pipeline.second_round import SecondRound
from rampline.program.first_look import FirstLook
from rampline.program.input.user_regions import DrawnHere
from rampline.program.tasks.products import Workplace

ITEM = Expected(
    kind="dragons_breath_1",
    bit=DRAGONS_BREATH_1,
    detector="NRCB1",
    corners=box((-0.5, 59.5), (20.5, 50.5)),
    strength=0.1,
    cause="a star",
)
LOOK = FirstLook(
    expected=(ITEM,),
    supplied=SuppliedLight((), ()),
    drawn=DrawnHere(),
    params=SecondRound(),
)
FLICKER = FlickerNoiseParams()


@pytest.fixture
def place(field, tmp_path):
    return Workplace(
        folder=tmp_path, pictures=tmp_path, references=str(field.references)
    )


@pytest.fixture
def image(reduced):
    return read_slope(min((reduced / "exposures").glob("*nrcb1_rate.fits")))


def lit(image):
    """The same exposure with light at its left side."""
    row, col = np.indices(image.planes.slope.shape)
    light = 30.0 * np.exp(-col / 25.0 - 0.5 * ((row - 35.0) / 6.0) ** 2)
    slope = (image.planes.slope + light).astype(np.float32)
    return replace(image, planes=replace(image.planes, slope=slope))


def test_light_beside_the_detector_is_masked_before_the_slopes_are_written(
    image, place
):
    done, steps = LOOK.finish(lit(image), FLICKER, place)
    bits = done.extras["ARTIFACT"]
    new = done.planes.flags & ~image.planes.flags
    assert (bits[30:41, :40] == DRAGONS_BREATH_1).mean() > 0.95
    assert np.array_equal(
        new & DO_NOT_USE != 0, (bits > 0) & (image.planes.flags & 1 == 0)
    )
    assert [step.step for step in steps] == ["confirm"]
    path = place.folder / f"{image.header.root}_artifacts.json"
    (row,) = json.loads(path.read_text())["artifacts"]
    assert row["found"]
    assert row["action"] == "masked"
    assert row["cause"] == "a star"


def test_slopes_without_such_light_stay_as_they_are(image, place):
    done, _ = LOOK.finish(image, FLICKER, place)
    assert done is image


def test_nothing_is_masked_where_the_user_forbids(image, place):
    forbid = DrawnRegion(
        "box", False, ((30.0, 35.0),), (400.0, 400.0), is_forbidden=True
    )
    look = replace(LOOK, drawn=DrawnHere(regions=(forbid,)))
    done, _ = look.finish(lit(image), FLICKER, place)
    assert np.array_equal(done.planes.flags, lit(image).planes.flags)
    assert look.words() != LOOK.words()


def test_without_the_reference_files_of_the_sky_slopes_stay_as_they_are(
    image, tmp_path
):
    empty = tmp_path / "references"
    empty.mkdir()
    place = Workplace(folder=tmp_path, pictures=tmp_path, references=str(empty))
    done, steps = LOOK.finish(lit(image), FLICKER, place)
    assert not steps
    assert "ARTIFACT" not in done.extras
