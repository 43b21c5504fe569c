import numpy as np
import pytest

from rampline.detector.ramp_fit.slopes import SlopeParams, fit_slopes
from rampline.flags import (
    DO_NOT_USE,
    JUMP,
    SATURATED,
    UNRELIABLE_SLOPE,
)

from .exposures import make_readout
from .test_gls import clean_band, read_out

RESET_DN = 18.0
RATE_E = 400.0
IN_TIME = SlopeParams(reset_time_error=0.0)


def full_after(rng, n_good, pattern, late_s=0.0):
    """Ramps of a reset level of their own that saturate after some groups."""
    readout = make_readout(pattern, (1, 4, 100, 100))
    counts = read_out(rng, readout, RATE_E) - np.float32(RATE_E / 2 * late_s)
    counts += rng.normal(0, RESET_DN, (100, 100)).astype(np.float32)
    band, noise = clean_band(counts)
    band.group_flags[0, n_good:] = SATURATED
    return band, noise, readout


def with_zero_frame(rng):
    """The same after one group of two reads, the first of which is known."""
    band, noise, readout = full_after(rng, 1, "BRIGHT2")
    photons = rng.poisson(RATE_E * readout.frame_s, (2, 100, 100)).cumsum(axis=0)
    reads = photons / 2 + rng.normal(0, 5, photons.shape)
    reads += rng.normal(0, RESET_DN, (100, 100))
    band.counts[0, 0] = reads.mean(axis=0)
    return band, reads[:1].astype(np.float32), noise, readout


def measured(fit):
    slope, err = fit.exposure.slope.astype(float), fit.exposure.err
    return slope.mean(), slope.std(), np.sqrt((err**2).mean()), slope.size


@pytest.mark.parametrize("pattern", ["RAPID", "BRIGHT2", "MEDIUM8"])
@pytest.mark.parametrize("n_good", [1, 2])
def test_slope_and_error_are_true(rng, pattern, n_good):
    band, noise, readout = full_after(rng, n_good, pattern)
    fit = fit_slopes(band, noise, readout, IN_TIME)
    mean, scatter, err, n = measured(fit)
    assert abs(mean - RATE_E / 2) < 4 * scatter / n**0.5
    assert err == pytest.approx(scatter, rel=0.03)
    unreliable = fit.exposure.flags & UNRELIABLE_SLOPE != 0
    assert unreliable.all() == (n_good == 1)


def test_of_two_groups_the_first_tells_as_much_as_the_second(rng):
    band, noise, readout = full_after(rng, 2, "RAPID")
    with_reset = fit_slopes(band, noise, readout, IN_TIME)
    off = SlopeParams(one_group_ramps=False)
    without = fit_slopes(band, noise, readout, off)
    assert measured(with_reset)[1] < 0.8 * measured(without)[1]


@pytest.mark.parametrize("pattern", ["RAPID", "MEDIUM8"])
def test_light_that_counts_late_does_not_bias_two_groups(rng, pattern):
    band, noise, readout = full_after(rng, 2, pattern, late_s=1.0)
    fit = fit_slopes(band, noise, readout, SlopeParams())
    mean, scatter, err, _ = measured(fit)
    assert err == pytest.approx(scatter, rel=0.03)
    biased, *_ = measured(fit_slopes(band, noise, readout, IN_TIME))
    assert biased < 0.997 * RATE_E / 2
    assert abs(mean - RATE_E / 2) < 0.2 * (RATE_E / 2 - biased)


def test_what_is_not_known_of_the_start_is_in_the_error_of_one_group(rng):
    band, noise, readout = full_after(rng, 1, "RAPID", late_s=1.0)
    fit = fit_slopes(band, noise, readout, SlopeParams())
    mean, _, err, _ = measured(fit)
    assert (RATE_E / 2 - mean) / err == pytest.approx(1.0, abs=0.15)
    in_time = fit_slopes(band, noise, readout, IN_TIME)
    np.testing.assert_array_equal(fit.exposure.slope, in_time.exposure.slope)
    np.testing.assert_array_equal(fit.exposure.var_read, in_time.exposure.var_read)


def test_the_zero_frame_is_one_more_mean(rng):
    band, zero, noise, readout = with_zero_frame(rng)
    errors = []
    for known in (None, zero):
        fit = fit_slopes(band._replace(zero_frame=known), noise, readout, IN_TIME)
        mean, scatter, err, n = measured(fit)
        assert abs(mean - RATE_E / 2) < 4 * scatter / n**0.5
        assert err == pytest.approx(scatter, rel=0.03)
        errors.append(err)
    assert errors[1] < errors[0]


def test_a_hit_between_two_groups_is_left_out(rng):
    band, noise, readout = full_after(rng, 2, "RAPID")
    band.counts[0, 1] += 5000
    band.group_flags[0, 1] |= np.uint8(JUMP)
    fit = fit_slopes(band, noise, readout, SlopeParams())
    mean, scatter, _, n = measured(fit)
    assert abs(mean - RATE_E / 2) < 4 * scatter / n**0.5


@pytest.mark.parametrize("pattern", ["RAPID", "MEDIUM8"])
def test_a_hit_between_two_groups_is_told_by_its_sign(rng, pattern):
    band, noise, readout = full_after(rng, 2, pattern)
    band.counts[0, 1] += 8000
    fit = fit_slopes(band, noise, readout, SlopeParams())
    mean, scatter, err, n = measured(fit)
    assert abs(mean - RATE_E / 2) < 4 * scatter / n**0.5
    assert err > scatter
    both = JUMP | UNRELIABLE_SLOPE
    assert (fit.exposure.flags & both == both).all()
    one = full_after(rng, 1, pattern)[0]._replace(counts=band.counts)
    alone = fit_slopes(one, noise, readout, SlopeParams())
    np.testing.assert_array_equal(fit.exposure.slope, alone.exposure.slope)


def test_a_hit_before_the_first_group_leaves_the_difference_alone(rng):
    band, noise, readout = full_after(rng, 2, "RAPID")
    band.counts[0] += 5000
    fit = fit_slopes(band, noise, readout, SlopeParams())
    alone = fit_slopes(band, noise, readout, SlopeParams(one_group_ramps=False))
    np.testing.assert_array_equal(fit.exposure.slope, alone.exposure.slope)


def test_short_exposures_do_not_lean_on_the_reset(rng):
    readout = make_readout("MEDIUM8", (1, 2, 30, 30))
    band, noise = clean_band(read_out(rng, readout, 0.2) + np.float32(10))
    fit = fit_slopes(band, noise, readout, SlopeParams())
    step = (band.counts[0, 1] - band.counts[0, 0]) / np.diff(readout.group_times_s())
    np.testing.assert_allclose(fit.exposure.slope, step, rtol=1e-4, atol=1e-5)


def test_integrations_of_few_groups_are_averaged(rng):
    readout = make_readout("RAPID", (2, 4, 20, 20))
    band, noise = clean_band(read_out(rng, readout, RATE_E))
    band.group_flags[:, 1:] = SATURATED
    fit = fit_slopes(band, noise, readout, SlopeParams())
    mean = fit.integrations.slope.mean(axis=0)
    np.testing.assert_allclose(fit.exposure.slope, mean, rtol=1e-6)
    assert not (fit.exposure.flags & DO_NOT_USE).any()
