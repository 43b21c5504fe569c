from dataclasses import replace

import numpy as np
import pytest

from rampline.artifacts.bits import DRAGONS_BREATH_1, WISP_CORRECTED
from rampline.artifacts.confirm import ConfirmParams
from rampline.artifacts.expected import Expected, box
from rampline.exposure.records import SlopeImage
from rampline.flags import DO_NOT_USE, HOT
from rampline.pipeline.scattered_light import Findings, Knowledge, confirm_beside

from ..astrometry.fields import sky_planes
from .exposures import make_header, random_planes

SHAPE = (768, 1024)
ITEM = Expected(
    kind="dragons_breath_1",
    bit=DRAGONS_BREATH_1,
    detector="NRCB1",
    corners=box((-0.5, 159.5), (300.5, 379.5)),
)
KNOWN = Knowledge(
    is_source=np.zeros(SHAPE, np.bool_), planes=sky_planes(SHAPE), expected=(ITEM,)
)


@pytest.fixture
def image(rng):
    """An exposure with light that enters at its left side."""
    light = np.zeros(SHAPE)
    light[310:370, :150] = 0.1
    slope = (0.2 + light + rng.normal(0, 0.02, SHAPE)).astype(np.float32)
    flags = np.zeros(SHAPE, np.uint32)
    planes = replace(random_planes(rng, SHAPE), slope=slope, flags=flags)
    return SlopeImage(header=make_header(), planes=planes), light > 0


def confirm(image, found):
    return confirm_beside(image.planes.slope, KNOWN, ConfirmParams(), found)


def test_confirmed_light_is_masked_and_reported(image):
    image, light = image
    found = Findings.none(image)
    ((item, there),) = confirm(image, found)
    assert item is ITEM
    assert there.is_there
    masked = found.flags & DO_NOT_USE != 0
    assert masked[light].mean() > 0.98
    assert masked[~light].mean() < 0.005
    assert np.array_equal(masked, found.bits == DRAGONS_BREATH_1)
    assert not image.planes.flags.any()


def test_nothing_is_masked_where_the_user_forbids(image):
    image, _ = image
    found = Findings.none(image)
    found.forbidden[:340] = True
    ((_, there),) = confirm(image, found)
    assert there.mask.any()
    assert not (there.mask | (found.flags != 0) | (found.bits != 0))[:340].any()


def test_what_an_earlier_round_masked_is_looked_at_again_but_for_bad_pixels(image):
    image, light = image
    first = Findings.none(image)
    ((_, once),) = confirm(image, first)
    slope, flags = image.planes.slope.copy(), first.flags.copy()
    slope[330, 40:60], flags[330, 40:60] = 1e4, DO_NOT_USE | HOT
    planes = replace(image.planes, slope=slope, flags=flags)
    second = replace(image, planes=planes, extras={"ARTIFACT": first.bits})
    found = Findings.none(second)
    ((_, again),) = confirm(second, found)
    assert again.is_there
    assert again.excess == pytest.approx(once.excess, rel=0.05)
    assert again.mask[light].mean() > 0.98


def test_what_may_be_a_wisp_is_not_looked_for_before_wisps_are_gone(image):
    image, _ = image
    wisp = replace(ITEM, kind="wisp", bit=0, strength=np.nan)
    for strength, is_looked_for in ((0.01, False), (0.5, True)):
        item = replace(ITEM, strength=strength)
        known = replace(KNOWN, expected=(item, wisp))
        found = Findings.none(image)
        seen = confirm_beside(image.planes.slope, known, ConfirmParams(), found)
        assert bool(seen) == is_looked_for
    known = replace(KNOWN, expected=(replace(ITEM, strength=0.01), wisp))
    found = Findings.none(image)
    found.bits[700:, 900:] = WISP_CORRECTED
    assert confirm_beside(image.planes.slope, known, ConfirmParams(), found)
