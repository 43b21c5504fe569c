import numpy as np
import pytest

from rampline.artifacts.grism_sky import (
    GrismSkyParams,
    scale_sky,
    smooth_known,
    stack_sky,
)

SIDE = 256


def pattern():
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    return (1.0 + 0.2 * x - 0.3 * y + 0.1 * np.sin(6 * x)).astype(np.float32)


def exposure(rng, level, noise=0.03):
    sky = level * pattern()
    values = sky + rng.normal(0.0, noise, sky.shape).astype(np.float32)
    return values.astype(np.float32), np.full(sky.shape, noise, np.float32)


def test_the_factor_of_a_noiseless_sky_is_exact():
    known = np.ones((SIDE, SIDE), np.bool_)
    image = 0.7 * pattern(), np.full((SIDE, SIDE), 0.01, np.float32)
    assert scale_sky(image, pattern(), known, GrismSkyParams()).factor == pytest.approx(
        0.7, rel=1e-6
    )


def test_the_factor_is_as_sure_as_it_says(rng):
    known = np.ones((SIDE, SIDE), np.bool_)
    pulls = []
    for _ in range(20):
        values, err = exposure(rng, 0.5)
        fit = scale_sky((values, err**2), pattern(), known, GrismSkyParams())
        pulls.append((fit.factor - 0.5) / fit.err)
    assert 0.5 < np.std(pulls) < 1.7
    assert abs(np.mean(pulls)) < 1.0


def test_bright_lines_are_clipped(rng):
    values, err = exposure(rng, 0.5)
    values[:, 10] += 50.0
    known = np.ones(values.shape, np.bool_)
    fit = scale_sky((values, err**2), pattern(), known, GrismSkyParams())
    assert fit.factor == pytest.approx(0.5, rel=0.01)


def test_too_few_usable_pixels_make_no_factor(rng):
    values, err = exposure(rng, 0.5)
    known = np.zeros(values.shape, np.bool_)
    known[:5] = True
    fit = scale_sky((values, err**2), pattern(), known, GrismSkyParams())
    assert np.isnan(fit.factor)


def test_the_stack_has_the_pattern_and_knows_its_noise(rng):
    params = GrismSkyParams(smoothing=3.0)
    exposures = [exposure(rng, level) for level in (0.4, 0.5, 0.6)]
    exposures[0][0][:, 40:50] = np.nan
    sky = stack_sky(exposures, params)
    off = (sky.light - pattern() / pattern().mean())[20:-20, 20:-20]
    assert np.std(off) == pytest.approx(np.median(sky.err), rel=0.5)


def test_no_stack_of_too_few_exposures_or_of_nothing(rng):
    assert stack_sky([exposure(rng, 0.5)] * 2, GrismSkyParams()) is None
    assert stack_sky([exposure(rng, -0.5)] * 3, GrismSkyParams()) is None


def test_smoothing_leaves_a_constant_and_fills_holes():
    values = np.full((40, 40), 2.0, np.float32)
    values[10:12] = np.nan
    mean, share = smooth_known(values, 2.0)
    assert np.allclose(mean, 2.0, rtol=1e-5)
    assert share[11, 20] < 0.9 < share[30, 20]


@pytest.mark.parity
def test_the_factor_agrees_with_jwst_where_no_pixel_is_nan(rng):
    from jwst.background.background_sub_wfss import ScalingFactorComputer

    values, err = exposure(rng, 0.5)
    values[rng.random(values.shape) < 0.05] += 3.0
    err *= rng.uniform(0.5, 2.0, err.shape).astype(np.float32)
    masked = rng.random(values.shape) < 0.1

    def both(values):
        args = (values.copy(), pattern(), err**2)
        theirs, _ = ScalingFactorComputer()(*args, mask=masked.copy())
        fit = scale_sky((values, err**2), pattern(), ~masked, GrismSkyParams())
        return fit.factor, theirs

    ours, theirs = both(values)
    assert ours == pytest.approx(theirs, rel=1e-5)
    values[rng.random(values.shape) < 0.1] = np.nan
    holed, biased = both(values)
    # there the template counts below the line on pixels that are NaN above it
    assert holed == pytest.approx(ours, rel=0.01)
    assert biased == pytest.approx(0.9 * ours, rel=0.02)
