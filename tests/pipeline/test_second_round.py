from dataclasses import replace

import numpy as np
import pytest

from rampline.artifacts.bits import (
    CLAW_CORRECTED,
    DRAGONS_BREATH_1,
    STRIPE_CORRECTED,
    USER,
    WISP_CORRECTED,
)
from rampline.artifacts.expected import Expected, box
from rampline.artifacts.stray_fit import StrayTemplate
from rampline.artifacts.stray_light import sketch_stray_light
from rampline.detector.flicker_noise import FlickerNoiseParams
from rampline.exposure.drawn import DrawnRegion
from rampline.exposure.records import Scene
from rampline.flags import DO_NOT_USE, OTHER_BAD_PIXEL
from rampline.pipeline import stray_template
from rampline.pipeline.drawn_regions import place_regions
from rampline.pipeline.runner import Bench, Runner
from rampline.pipeline.scattered_light import (
    Knowledge,
    Sight,
    see_scattered,
    sky_residual,
    with_stripes,
)
from rampline.pipeline.second_round import (
    FieldKnowledge,
    SecondRound,
    clean_exposure,
    scene_slope,
)
from rampline.pipeline.slope_to_sky import SlopeToSky, slope_to_sky
from rampline.pipeline.stray_template import (
    make_template,
    supplied_template,
    visit_template,
    wisps_alone,
)

from .exposures import SHAPE, make_header, reference_planes, slope_image

SKY, NOISE = 0.2, 0.01
FLICKER = FlickerNoiseParams()
PARAMS = SecondRound()


@pytest.fixture
def planes(rng):
    return reference_planes(rng)


OF_STRIPES = {"STRIPES", "STRIPES_ERR", "STRIPES_SKY"}


def exposure(rng, planes, light=0.0):
    """An exposure of bare sky with stray light and stripes, the stripes taken off again."""
    image = slope_image(rng)
    stripes = rng.normal(0, 0.003, (SHAPE[0], 1)) * np.ones(SHAPE)
    seen = (SKY + light) * planes.flat + rng.normal(0, NOISE, SHAPE)
    flags = np.zeros(SHAPE, np.uint32)
    slope = seen.astype(np.float32)
    values = replace(image.planes, slope=slope, flags=flags)
    extras = {"STRIPES": stripes.astype(np.float32)}
    return replace(image, planes=values, extras=extras), seen + stripes


def knowledge(planes, **changes):
    nothing = np.zeros(SHAPE, np.bool_)
    scene = Scene(sky=np.zeros(SHAPE, np.float32), is_source=nothing)
    return FieldKnowledge(scene=scene, is_source=nothing, planes=planes, **changes)


def glow(height=0.05):
    y, x = np.indices(SHAPE)
    middle = np.hypot(y - SHAPE[0] / 2, x - SHAPE[1] / 2)
    light = height * np.exp(-0.5 * (middle / (SHAPE[0] / 8)) ** 2)
    return np.where(light > 0.01 * height, light, 0).astype(np.float32)


def template(light):
    bits = np.where(light > 0, np.uint16(CLAW_CORRECTED), np.uint16(0))
    err = np.where(light > 0, np.float32(1e-4), 0)
    return StrayTemplate(light[None], err, bits)


def test_stripes_come_back_before_anything_is_measured(rng, planes):
    image, seen = exposure(rng, planes)
    assert np.allclose(with_stripes(image), seen, atol=1e-6)
    bare = replace(image, extras={})
    assert with_stripes(bare) is bare.planes.slope


def test_stray_light_is_subtracted_on_the_way_to_the_sky(rng, planes):
    light = glow()
    image, _ = exposure(rng, planes, 1.3 * light)
    known = knowledge(planes, template=template(light))
    found = clean_exposure(image, known, FLICKER, PARAMS)
    assert found.stray.strength == pytest.approx(1.3, abs=0.05)
    where = light > 0
    assert (found.image.planes.flags[where] & OTHER_BAD_PIXEL != 0).all()
    assert not (found.image.planes.flags & DO_NOT_USE).any()
    sky = slope_to_sky(found.image, Runner(planes, Bench(1)), SlopeToSky())
    scale = planes.mjy_sr_per_dn_s
    assert np.nanmedian(sky.sky[where]) / scale == pytest.approx(SKY, abs=0.002)
    removed = sky.extras["STRAY"][where] / scale
    assert np.allclose(removed, found.stray.strength * light[where], rtol=1e-4)
    bare = replace(found.image, extras={})
    plain = slope_to_sky(bare, Runner(planes, Bench(1)), SlopeToSky())
    more = sky.var_read[where] - plain.var_read[where]
    error = found.image.extras["STRAY_ERR"][where] / planes.flat[where] * scale
    good = np.isfinite(more)
    assert np.allclose(more[good], error[good] ** 2, rtol=0.02, atol=1e-6)


def test_without_a_template_nothing_is_subtracted(rng, planes):
    image, _ = exposure(rng, planes)
    found = clean_exposure(image, knowledge(planes), FLICKER, PARAMS)
    assert found.stray is None
    assert set(found.image.extras) == OF_STRIPES
    weak = clean_exposure(
        image, knowledge(planes, template=template(glow())), FLICKER, PARAMS
    )
    assert weak.stray.strength == 0.0
    assert set(weak.image.extras) == OF_STRIPES
    assert not weak.image.planes.flags.any()


def test_the_user_masks_and_forbids(rng, planes):
    light = glow()
    image, _ = exposure(rng, planes, light)
    middle = (SHAPE[1] / 2, SHAPE[0] / 2)
    regions = (
        DrawnRegion("circle", False, (middle,), (4.0,), is_forbidden=True),
        DrawnRegion("box", False, ((8.0, 8.0),), (5.0, 5.0)),
    )
    drawn = place_regions(regions, None, SHAPE)
    known = knowledge(planes, template=template(light), drawn=drawn)
    done = clean_exposure(image, known, FLICKER, PARAMS).image
    assert drawn.forbidden.any()
    assert not done.extras["STRAY"][drawn.forbidden].any()
    assert not done.extras["ARTIFACT"][drawn.forbidden].any()
    assert not done.planes.flags[drawn.forbidden].any()
    beside = (light > 0) & ~drawn.forbidden & ~drawn.masked
    assert (done.extras["ARTIFACT"][beside] == CLAW_CORRECTED).all()
    assert (done.extras["ARTIFACT"][drawn.masked] & USER != 0).all()
    assert (done.planes.flags[drawn.masked] & DO_NOT_USE != 0).all()


def test_the_stripes_of_the_first_round_are_replaced(rng, planes):
    image, seen = exposure(rng, planes)
    found = clean_exposure(image, knowledge(planes), FLICKER, PARAMS).image
    total = found.planes.slope + found.extras["STRIPES"]
    assert np.allclose(total, seen, atol=1e-6)
    off = FlickerNoiseParams(enabled=False)
    kept = clean_exposure(image, knowledge(planes), off, PARAMS).image
    assert np.allclose(kept.planes.slope, image.planes.slope, atol=1e-6)


def test_sources_and_unusable_pixels_are_hidden_from_the_residual(rng, planes):
    image, seen = exposure(rng, planes)
    flags = image.planes.flags.copy()
    flags[3, 4] = DO_NOT_USE
    known = knowledge(planes)
    known.is_source[7, 8] = True
    slope = seen.astype(np.float32)
    residual = sky_residual(slope, flags, planes, known.hidden())
    assert np.isnan(residual[[3, 7], [4, 8]]).all()
    assert np.nanmedian(residual) == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(residual).sum() == 2


def test_too_few_exposures_make_no_template(rng, planes):
    image, seen = exposure(rng, planes)
    slope = seen.astype(np.float32)
    sight = see_scattered(slope, image.header, knowledge(planes), image.planes.flags)
    for n, is_made in ((2, False), (3, True)):
        made = make_template([sight] * n, PARAMS.stray_light)
        assert (made is not None) == is_made


def test_a_template_is_sketched_where_angled_stripes_are_expected(
    rng, planes, monkeypatch
):
    images = [exposure(rng, planes, glow())[0] for _ in range(3)]
    far = Expected(kind="stripes", bit=STRIPE_CORRECTED, detector="NRCB1")
    made = []

    def count(*args):
        made.append(args)
        return sketch_stray_light(*args)

    monkeypatch.setattr(stray_template, "sketch_stray_light", count)
    for expected, n_times in (((), 0), ((far,), 1)):
        made.clear()
        nothing = np.zeros(SHAPE, np.bool_)
        known = Knowledge(is_source=nothing, planes=planes, expected=expected)
        assert visit_template([(image, known) for image in images], PARAMS) is not None
        assert len(made) == n_times


def test_the_draft_mosaic_shows_stray_light_as_far_as_exposures_are_dithered(
    rng, planes
):
    light = glow()
    beside = np.zeros(SHAPE, np.bool_)
    beside[:7, 20:70] = True
    assert not (light[:12] > 0).any()
    image, _ = exposure(rng, planes, light)
    scene = Scene(sky=np.zeros(SHAPE, np.float32), is_source=beside)
    left = []
    for shift_px in (0.0, 60.0):
        own = template(light)._replace(shift_px=shift_px)
        known = replace(knowledge(planes, template=own), scene=scene)
        found = clean_exposure(image, known, FLICKER, PARAMS).image
        left.append(float(found.extras["STRIPES_SKY"][2:7].mean()))
    # what the mosaic may show of another dither is left out, not subtracted
    assert left[0] > 0.8
    assert left[1] == pytest.approx(left[0] - 50 / SHAPE[1], abs=0.1)


def test_the_scene_is_the_sources_alone(planes):
    scene = Scene(
        sky=np.full(SHAPE, 5.0, np.float32), is_source=np.zeros(SHAPE, np.bool_)
    )
    scene.sky[10, 10], scene.is_source[10, 10] = 9.0, True
    scene.sky[20, 20] = np.nan
    light = scene_slope(scene, planes)
    wanted = 4.0 * planes.flat[10, 10] / planes.mjy_sr_per_dn_s
    assert light[10, 10] == pytest.approx(wanted, rel=1e-5)
    assert np.count_nonzero(light) == 1


def test_angled_stripes_are_sought_only_where_a_star_may_draw_them(rng, planes):
    y, x = np.indices(SHAPE)
    across = np.cos(np.radians(57.0)) * y - np.sin(np.radians(57.0)) * x
    light = 0.05 * np.exp(-0.5 * ((across % 24.0 - 12.0) / 4.0) ** 2)
    image, _ = exposure(rng, planes, light)
    assert clean_exposure(image, knowledge(planes), FLICKER, PARAMS).angled is None
    far = Expected(kind="stripes", bit=STRIPE_CORRECTED, detector="NRCB1")
    known = knowledge(planes, expected=(far,))
    found = clean_exposure(image, known, FLICKER, PARAMS)
    assert found.angled.angles_deg
    # stripes ten pixels wide on 96 are this sharp
    assert found.angled.angles_deg[0] == pytest.approx(57.0, abs=3.0)
    # on so few columns its slope is in part that of the rows
    seen = found.image.extras["STRAY"] / planes.flat
    assert np.corrcoef(np.diff(seen).ravel(), np.diff(light).ravel())[0, 1] > 0.7
    bits = found.image.extras["ARTIFACT"]
    assert (bits & STRIPE_CORRECTED != 0).any()
    assert not (found.image.planes.flags & DO_NOT_USE).any()
    assert found.expected == ()


def test_light_beside_the_detector_is_kept_out_of_every_fit(planes):
    corners = box((-0.5, 11.5), (-0.5, 15.5))
    item = Expected(
        kind="dragons_breath_1", bit=DRAGONS_BREATH_1, detector="NRCB1", corners=corners
    )
    hidden = knowledge(planes, expected=(item,)).hidden()
    assert hidden[:16, :12].all()
    assert hidden.sum() == 16 * 12
    # a wisp's window is where its template is measured
    wisp = replace(item, kind="wisp", bit=CLAW_CORRECTED)
    assert not knowledge(planes, expected=(wisp,)).hidden().any()


def test_wisps_of_a_programme_leave_claws_to_each_visit():
    wisp, claw = glow(0.05), np.roll(glow(0.05), SHAPE[0] // 3, axis=0)
    bits = np.where(wisp > 0, np.uint16(WISP_CORRECTED), np.uint16(CLAW_CORRECTED))
    both = StrayTemplate(np.stack([wisp + claw]), np.ones(SHAPE, np.float32), bits)
    alone = wisps_alone(both)
    assert np.array_equal(alone.light[0] > 0, wisp > 0)
    assert not alone.bits[wisp == 0].any()
    assert not alone.err[wisp == 0].any()
    nothing = np.zeros(SHAPE, np.bool_)
    sight = Sight(make_header(), SHAPE, wisp, nothing, nothing, expects_stripes=False)
    # too few exposures add no claws to wisps that are known already
    known = make_template([sight] * 2, PARAMS.stray_light, alone)
    assert known.light is alone.light


def test_supplied_wisps_are_components_without_errors():
    made = supplied_template(np.stack([glow(), 0.5 * glow()]))
    assert made.n_light == 2
    assert not made.err.any()
    assert ((made.bits == WISP_CORRECTED) == (glow() > 0)).all()
