import numpy as np
import pytest

from rampline.detector.ramp_fit.slopes import SlopeParams, fit_slopes
from rampline.detector.ramp_fit.zero_frame import zero_frame_pattern
from rampline.flags import DO_NOT_USE, JUMP, SATURATED

from .exposures import make_readout
from .test_gls import clean_band

RATE_DN = 150.0
READ_DN = 5.0
GAIN = 2.0


def full_after(rng, n_good, pattern="MEDIUM8", n_ints=1):
    """Ramps that saturate after some groups, with their zero frames."""
    readout = make_readout(pattern, (n_ints, 8, 60, 60))
    times = readout.read_times_s()
    steps = np.diff(times.reshape(-1), prepend=0.0)[:, None, None]
    shape = (steps.size, readout.n_rows, readout.n_cols)
    counts = np.empty((n_ints, 8, *shape[1:]), np.float32)
    zero = np.empty((n_ints, *shape[1:]), np.float32)
    for i in range(n_ints):
        light = rng.poisson(GAIN * RATE_DN * steps, shape).cumsum(axis=0) / GAIN
        reads = light + rng.normal(0.0, READ_DN, shape)
        counts[i] = reads.reshape(*times.shape, *shape[1:]).mean(axis=1)
        zero[i] = reads[0]
    band, noise = clean_band(counts)
    band.group_flags[:, n_good:] = SATURATED
    return band._replace(zero_frame=zero), noise, readout


def both(band, noise, readout):
    """Slope and error with and without the zero frame."""
    fits = [
        fit_slopes(band, noise, readout, SlopeParams(zero_frame=used)).exposure
        for used in (True, False)
    ]
    return fits[0], fits[1]


def test_its_pattern_is_that_of_the_first_read_and_the_rest_of_its_group():
    pattern = zero_frame_pattern(make_readout("BRIGHT2", (1, 3, 1, 1)))
    np.testing.assert_allclose(pattern.step_s / 10.73677, [1.0, 1.5, 2.0])
    np.testing.assert_array_equal(pattern.is_averaged, [False, True, False])


@pytest.mark.parametrize(("n_good", "gain"), [(3, 0.959), (4, 0.973), (6, 0.983)])
def test_the_error_falls_as_theory_has_it(rng, n_good, gain):
    band, noise, readout = full_after(rng, n_good)
    with_zero, without = both(band, noise, readout)
    slope, n = with_zero.slope.astype(float), with_zero.slope.size
    assert abs(slope.mean() - RATE_DN) < 4 * slope.std() / n**0.5
    assert np.median(with_zero.err / without.err) == pytest.approx(gain, abs=0.003)
    assert slope.std() == pytest.approx(np.median(with_zero.err), rel=0.04)
    square = with_zero.var_poisson + with_zero.var_read
    np.testing.assert_allclose(with_zero.err**2, square, rtol=1e-5)


def test_a_zero_frame_off_the_line_is_left_alone(rng):
    band, noise, readout = full_after(rng, 4)
    # a hit late in the first group; and a zero frame that is full itself
    band.counts[0, 0, :20] += 2000
    band.counts[0, 1:, :20] += 4000
    band.zero_frame[0, 20:40] = np.nan
    with_zero, without = both(band, noise, readout)
    np.testing.assert_array_equal(with_zero.slope[:40], without.slope[:40])
    assert (with_zero.slope[40:] != without.slope[40:]).mean() > 0.99


def test_other_ramps_stay_as_they_are(rng):
    band, noise, readout = full_after(rng, 4)
    band.group_flags[0, 4:, :10] = 0
    band.group_flags[0, 0, 10:20] = DO_NOT_USE
    band.group_flags[0, 2, 20:30] = JUMP
    with_zero, without = both(band, noise, readout)
    for name in ("slope", "err", "var_read", "flags"):
        ours, theirs = getattr(with_zero, name), getattr(without, name)
        np.testing.assert_array_equal(ours[:30], theirs[:30])
    several = full_after(rng, 4, n_ints=2)
    with_zero, without = both(*several)
    np.testing.assert_array_equal(with_zero.slope, without.slope)
