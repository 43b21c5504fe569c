import numpy as np
import pytest
from scipy import ndimage

from rampline.artifacts import stray_light
from rampline.artifacts.bits import CLAW_CORRECTED, WISP_CORRECTED
from rampline.artifacts.cells import trim_blocks
from rampline.artifacts.stray_fit import (
    Sampling,
    StrayFit,
    StrayLightParams,
    StrayTemplate,
    _normal_of_groups,
    _residual_of_groups,
    fit_strength,
)
from rampline.artifacts.stray_light import (
    _median_of_rows,
    median_stack,
    tell_apart,
)

from ..twins import artifacts as twins

PARAMS = StrayLightParams()
NOISE = 0.017
SIDE = 640
OPTICS = ("NRCB4", "F200W")


def wisp(peak=0.056):
    """Two curved filaments, some hundred pixels long."""
    y, x = np.mgrid[:SIDE, :SIDE]
    light = np.zeros((SIDE, SIDE))
    for x0, y0, angle, width in ((280, 300, 0.4, 26.0), (380, 330, 1.2, 18.0)):
        along = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
        across = -(x - x0) * np.sin(angle) + (y - y0) * np.cos(angle)
        across = across + 40 * (along / 200.0) ** 2
        light += np.exp(-0.5 * (along / 110.0) ** 2 - 0.5 * (across / width) ** 2)
    return (peak * light / light.max()).astype(np.float32)


def exposures(rng, light, strengths):
    """Sky noise, stripes and sources in other places each time; sources are masked."""
    made = []
    for strength in strengths:
        image = rng.normal(0.0, NOISE, light.shape) + strength * light
        image += rng.normal(0.0, 0.002, (SIDE, 1))
        spots = rng.random(light.shape) < 2e-4
        masked = ndimage.maximum_filter(spots, size=25)
        image[masked] = np.nan
        made.append(image.astype(np.float32))
    return made


def find_stray_light(made, *args):
    """The template in pixels."""
    cells = [trim_blocks(exposure) for exposure in made]
    return stray_light.find_stray_light(cells, *args).expanded(made[0].shape)


def residual(light, strength, found, fit):
    """Root mean square of what is left, smoothed over five pixels, where there was light."""
    removed, _ = fit.light(found)
    left = ndimage.uniform_filter(strength * light - removed, 5)
    return np.sqrt((left[light > 0.1 * light.max()] ** 2).mean())


@pytest.mark.parametrize(("n", "share"), [(18, 0.10), (9, 0.20)])
def test_stray_light_is_known_from_the_exposures_themselves(rng, n, share):
    light = wisp()
    strengths = rng.uniform(0.5, 1.5, n)
    made = exposures(rng, light, strengths)
    found = find_stray_light(made, OPTICS, (1200, 600), PARAMS)
    before = np.sqrt((light[light > 0.1 * light.max()] ** 2).mean())
    left = [
        residual(light, s, found, fit_strength(e, found.light, PARAMS)) / (s * before)
        for s, e in zip(strengths, made, strict=True)
    ]
    assert np.mean(left) < share


def test_a_change_of_shape_becomes_a_second_component(rng):
    first, second = wisp(), np.roll(wisp(), (40, 60), (0, 1))
    weak = rng.uniform(0.0, 0.8, 9)
    made = [exposures(rng, first + w * second, [1.0])[0] for w in weak]
    found = find_stray_light(made, OPTICS, (1200, 600), PARAMS)
    assert len(found.light) == 2
    left = []
    for exposure, share in zip(made, weak, strict=True):
        fit = fit_strength(exposure, found.light, PARAMS)
        left.append(residual(first + share * second, 1.0, found, fit))
    alone = found._replace(light=found.light[:1])
    one = [
        residual(first + w * second, 1.0, alone, fit_strength(e, alone.light, PARAMS))
        for e, w in zip(made, weak, strict=True)
    ]
    assert np.mean(left) < 0.7 * np.mean(one)


def test_a_mix_of_supplied_templates_is_subtracted_to_half_a_thousandth(rng):
    light = np.stack([wisp(), 0.6 * np.roll(wisp(), (60, 80), (0, 1))])
    for mix in ((0.7, 0.4), (1.3, 0.0), (0.0, 1.1)):
        truth = np.tensordot(np.array(mix, np.float32), light, 1)
        (made,) = exposures(rng, truth, [1.0])
        fit = fit_strength(made, light, PARAMS, Sampling(len(light)))
        assert fit.is_sure
        assert min(fit.strength, *fit.further) >= 0.0
        left, _ = fit.light(StrayTemplate(light, np.zeros_like(truth), None, 2))
        where = truth > 0.1 * truth.max()
        assert np.sqrt(((truth - left)[where] ** 2).mean()) < 0.0005


def test_the_error_of_the_light_holds_those_of_all_components():
    light = np.ones((2, 4, 4), np.float32)
    template = StrayTemplate(light, np.full((4, 4), 0.1, np.float32), None)
    fit = StrayFit(2.0, 2.0, 0.3, (0.5,), (0.4,))
    total, error = fit.light(template)
    assert np.allclose(total, 2.5)
    assert np.allclose(error, np.sqrt(0.2**2 + 0.3**2 + 0.4**2))


def test_relative_strengths_come_back_without_bias(rng):
    light = wisp()
    strengths = np.linspace(0.5, 1.5, 9)
    made = exposures(rng, light, strengths)
    fits = [fit_strength(e, light[None], PARAMS) for e in made]
    pulls = [
        (f.measured - s) / f.strength_err for f, s in zip(fits, strengths, strict=True)
    ]
    measured = np.array([f.measured for f in fits])
    assert (measured / strengths).mean() == pytest.approx(1.0, abs=0.02)
    assert np.abs(pulls).max() < 5


def test_nothing_is_found_where_nothing_is(rng):
    none = np.zeros((SIDE, SIDE), np.float32)
    made = exposures(rng, none, np.ones(9))
    found = find_stray_light(made, OPTICS, (1200, 600), PARAMS)
    assert (found.bits > 0).mean() < 0.001
    assert np.array_equal(found.bits > 0, found.light[0] > 0)


@pytest.mark.parametrize(("seed", "rows"), [(1, 8.0), (2, 60.0)])
def test_drift_of_a_single_output_is_no_stray_light(seed, rows):
    rng = np.random.default_rng(seed)
    drift = ndimage.gaussian_filter1d(rng.normal(0.0, 1.0, (4, 320)), rows, axis=1)
    drift *= (0.5 if rows < 10 else 1.0) * NOISE / drift.std()
    noise = rng.normal(0.0, NOISE, (4, 320, 320))
    made = list((noise + drift[:, :, None]).astype(np.float32))
    found = find_stray_light(made, ("NRCB1", "F200W"), (0, 0), PARAMS)
    assert not found.bits.any()


def test_a_weak_strength_is_measured_but_not_subtracted(rng):
    (made,) = exposures(rng, wisp(), [0.0])
    fit = fit_strength(made, wisp()[None], PARAMS)
    assert fit.strength == 0.0
    assert abs(fit.measured) < 5 * fit.strength_err
    nothing = fit_strength(made, np.zeros_like(made)[None], PARAMS)
    assert nothing.strength == 0.0
    assert np.isnan(nothing.measured)


@pytest.mark.parametrize(
    ("detector", "place", "bit"),
    [
        ("NRCB4", (1400, 900), WISP_CORRECTED),
        ("NRCB4", (300, 300), CLAW_CORRECTED),
        ("NRCB1", (1400, 900), CLAW_CORRECTED),
    ],
)
def test_wisps_are_told_from_claws_by_their_window(detector, place, bit):
    bits = tell_apart((2048, 2048), (detector, "F200W"), (0, 0))
    region = slice(place[0], place[0] + 60), slice(place[1], place[1] + 60)
    assert (bits[region] == bit).all()
    first = (1000, 500)
    cut = tell_apart((1048, 1548), (detector, "F200W"), first)
    assert np.array_equal(cut, bits[1000:, 500:])
    cells = tell_apart((1024, 1024), (detector, "F200W"), (0, 0), 2)
    assert np.array_equal(cells, bits[::2, ::2])


def test_the_median_leaves_out_what_is_unknown(rng):
    stack = rng.normal(size=(6, 7, 9)).astype(np.float32)
    stack[rng.random(stack.shape) < 0.3] = np.nan
    stack[:, 2, 3] = np.nan
    median, count = median_stack(list(stack))
    assert np.isnan(median[2, 3])
    assert count[2, 3] == 0
    with np.errstate(invalid="ignore"):
        known = count > 0
        assert np.allclose(median[known], np.nanmedian(stack[:, known], axis=0))


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9])
def test_the_kernel_equals_its_twin(rng, n):
    band = rng.integers(0, 5, (n, 200)).astype(np.float32)
    band[rng.random(band.shape) < 0.3] = np.nan
    results = []
    for median_of_rows in (_median_of_rows, twins.median_of_rows):
        median, count = np.empty(200, np.float32), np.empty(200, np.int32)
        median_of_rows(band, median, count)
        results.append((median, count))
    assert np.array_equal(results[0][0], results[1][0], equal_nan=True)
    assert np.array_equal(results[0][1], results[1][1])


def test_changes_of_shape_are_of_either_sign_beside_light_of_one(rng):
    light = np.stack([wisp(), np.roll(wisp(), (60, 80), (0, 1)), 0.5 * wisp() ** 2])
    (made,) = exposures(rng, light[0] - 0.3 * light[1], [1.0])
    fit = fit_strength(made, light, PARAMS, Sampling(2))
    assert fit.is_sure
    assert fit.further[0] == 0.0
    assert fit_strength(made, light[:2], PARAMS).further[0] < -0.2


def test_wisps_and_claws_have_strengths_of_their_own(rng):
    wisp_light = np.roll(wisp(), (0, 0), (0, 1))
    claw_light = np.zeros_like(wisp_light)
    y, x = np.mgrid[:SIDE, :SIDE]
    ring = np.hypot(y - 320, x + 120) - 260
    claw_light += 0.04 * np.exp(-0.5 * (ring / 8.0) ** 2)
    # the window of the wisps begins at column 400 of the detector
    wisp_light[:, :200], claw_light[:, 200:] = 0.0, 0.0
    made = []
    for strength in (1.3, 0.7, 1.0, 0.8, 1.2):
        made += exposures(rng, strength * wisp_light + claw_light, [1.0])
    found = find_stray_light(made, OPTICS, (1000, 200), PARAMS)
    assert found.n_light == 2
    for exposure, strength in zip(made, (1.3, 0.7, 1.0, 0.8, 1.2), strict=True):
        removed, _ = found.fit(exposure, PARAMS).light(found)
        for light, share in ((strength * wisp_light, 0.15), (claw_light, 0.2)):
            place = light > 0.2 * light.max()
            left = ndimage.uniform_filter(light - removed, 5)[place]
            assert np.sqrt((left**2).mean()) < share * np.sqrt(
                (light[place] ** 2).mean()
            )


def test_the_kernels_of_the_fit_equal_their_twins(rng):
    columns = rng.normal(size=(500, 4))
    group, used = rng.integers(0, 9, 500), rng.random(500) < 0.8
    used[group == 3] = False
    made = []
    for both in (
        (_normal_of_groups, _residual_of_groups),
        (twins.normal_of_groups, twins.residual_of_groups),
    ):
        means, normal, residual = np.empty((9, 4)), np.empty((4, 4)), np.empty(500)
        both[0](columns, group, used, means, normal)
        both[1](columns, group, means, np.array([0.3, -1.0, 2.0]), residual)
        made.append((means, normal, residual))
    for ours, twin in zip(*made, strict=True):
        assert np.allclose(ours, twin)
