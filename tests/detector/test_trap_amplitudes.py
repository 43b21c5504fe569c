import numpy as np
import pytest

from rampline.detector.trap_amplitudes import (
    Afterglow,
    TrapAmplitudeParams,
    charge_of_traps,
    fit_amplitudes,
)
from rampline.detector.trapped_charge import (
    SHARES,
    TIMES_S,
    TrapAmplitudes,
    Traps,
    released_shares,
)

TIMES = np.array(TIMES_S)
TRUE_S = 10.0 ** np.arange(5)
"""The law of the truth: other kinds than those that are fitted."""
READS = np.arange(1, 10)[:, None] * 10.7


def true_rise(amplitude, lag_s):
    """What a pixel that was full for 100 s gives in each difference, DN."""
    held = amplitude * -np.expm1(-100.0 / TRUE_S) * np.exp(-lag_s / TRUE_S)
    left = np.exp(-READS / TRUE_S)
    return -np.diff(left, axis=0) @ held


def predicted(found, one):
    """What is predicted for the first pixel over all differences, and its error."""
    release = (one.filling[:, :1] * one.release).sum(axis=1)
    return found.charge_dn @ release, np.sqrt(release @ found.covariance @ release)


def glow(rng, amplitude, lag_s, n=4000, offset=0.0, spread=0.0):
    """What pixels show that were lit for 100 s some time ago: noise of 8 DN a step."""
    share = rng.uniform(0.3, 1.0, n).astype(np.float32)
    filling = (-np.expm1(-100.0 / TIMES) * np.exp(-lag_s / TIMES))[:, None]
    filling = np.repeat(filling, n, axis=1).astype(np.float32)
    release = np.diff(released_shares(READS, 0.0), axis=1)
    reached = 1.0 / (1.0 + np.exp(-(share - 0.5) / 0.05))
    own = 1.0 + spread * rng.standard_normal(n)
    rise = true_rise(amplitude, lag_s)[:, None] * reached * own + offset
    rise += 8.0 * rng.standard_normal((8, n))
    control = 8.0 * rng.standard_normal((4, 8, n))
    return Afterglow(
        share,
        filling,
        rise.astype(np.float32),
        control.astype(np.float32),
        release,
        np.arange(n) // 40,
    )


def test_kinds_that_no_lag_shows_are_known_no_better_than_before(rng):
    seen = [glow(rng, np.full(5, 100.0), lag) for lag in (60.0, 250.0, 900.0)]
    found = fit_amplitudes(seen, TrapAmplitudeParams())
    error = np.sqrt(np.diag(found.covariance)) / found.charge_dn.mean()
    assert (error[:2] > 0.7).all()
    assert error[4] < 0.4
    reached = 1.0 / (1.0 + np.exp(-(np.array(SHARES) - 0.5) / 0.05))
    assert np.abs(found.curve - reached).max() < 0.15


@pytest.mark.parametrize(
    "true", [(100, 100, 100, 100, 100), (0, 0, 60, 200, 20), (0, 900, 100, 0, 300)]
)
def test_the_prediction_at_the_lags_is_good_however_kinds_are_mixed(rng, true):
    true, lags = np.array(true, float), (60.0, 250.0, 900.0)
    seen = [glow(rng, true, lag) for lag in lags]
    found = fit_amplitudes(seen, TrapAmplitudeParams())
    for one, lag in zip(seen, lags, strict=True):
        total = true_rise(true, lag).sum()
        value, error = predicted(found, one)
        assert abs(value - total) < 3.0 * error
        # what is left after a quarter of an hour is below the noise of the stack
        assert error < max(0.2 * total, 0.8)


def test_a_mixture_of_histories_is_no_bias(rng):
    # a fifth was lit just now, the rest long ago: their common middle is that of the rest
    true, lags = np.full(5, 300.0), (40.0, 900.0)
    parts = [glow(rng, true, lags[0], n=1000), glow(rng, true, lags[1], n=4000)]
    joined = [np.concatenate(both, axis=-1) for both in zip(*parts, strict=True)]
    mixed = Afterglow(*joined)._replace(
        release=parts[0].release, star=np.arange(5000) // 40
    )
    found = fit_amplitudes([mixed], TrapAmplitudeParams())
    for one, lag in zip(parts, lags, strict=True):
        total = true_rise(true, lag).sum()
        assert predicted(found, one)[0] == pytest.approx(total, rel=0.06, abs=0.2)


def test_nothing_is_found_where_nothing_glows(rng):
    seen = [glow(rng, np.zeros(5), lag) for lag in (60.0, 250.0)]
    assert fit_amplitudes(seen, TrapAmplitudeParams()) is None
    assert fit_amplitudes([], TrapAmplitudeParams()) is None


def test_a_few_pixels_are_not_enough(rng):
    seen = [glow(rng, np.full(5, 100.0), 60.0, n=60)]
    assert fit_amplitudes(seen, TrapAmplitudeParams()) is None


def test_outliers_and_pixels_without_data_do_no_harm(rng):
    true = np.full(5, 100.0)
    seen = [glow(rng, true, lag) for lag in (60.0, 250.0, 900.0)]
    for one in seen:
        one.rise_dn[:, ::25] = 500.0
        one.rise_dn[3, 1::50] = np.nan
    found = fit_amplitudes(seen, TrapAmplitudeParams())
    total = true_rise(true, 60.0).sum()
    assert predicted(found, seen[0])[0] == pytest.approx(total, rel=0.1)


def test_the_scatter_of_pixels_is_measured(rng):
    seen = [glow(rng, np.full(5, 1500.0), lag, spread=0.3) for lag in (60.0, 250.0)]
    found = fit_amplitudes(seen, TrapAmplitudeParams())
    assert found.scatter == pytest.approx(0.3, abs=0.06)


def test_an_earlier_run_is_corrected_or_contradicted_by_what_is_seen(rng):
    true, lags = np.full(5, 100.0), (60.0, 250.0, 900.0)
    seen = [glow(rng, true, lag) for lag in lags]
    first = fit_amplitudes(seen, TrapAmplitudeParams())
    wrong = first._replace(charge_dn=1.5 * first.charge_dn)
    found = fit_amplitudes(seen, TrapAmplitudeParams(), wrong)
    total = true_rise(true, lags[0]).sum()
    assert predicted(found, seen[0])[0] == pytest.approx(total, rel=0.1)
    dark = [glow(rng, 0.0 * true, lag) for lag in lags]
    assert fit_amplitudes(dark, TrapAmplitudeParams(), first) is None


def test_where_nothing_can_be_seen_an_earlier_run_is_taken_as_it_is(rng):
    seen = [glow(rng, np.full(5, 100.0), lag) for lag in (60.0, 250.0)]
    past = fit_amplitudes(seen, TrapAmplitudeParams())
    assert fit_amplitudes([], TrapAmplitudeParams(), past) is past


def test_the_charge_of_traps_is_their_filling_times_what_full_ones_hold():
    """Two kinds of 20 and 40 DN, errors of 3 and 4 DN, a scatter of a tenth."""
    kinds = len(TIMES_S)
    full, error = np.zeros(kinds), np.zeros(kinds)
    full[:2], error[:2] = (20.0, 40.0), (3.0, 4.0)
    found = TrapAmplitudes(full, np.diag(error**2), np.ones(len(SHARES)), 0.1)
    filling = np.zeros((kinds, 3), np.float32)
    filling[:2] = [[0.5, 1.0, 0.0], [0.25, 1.0, 0.0]]
    place = np.array([4, 5, 6], np.int32)
    held = charge_of_traps(Traps(59000.0, place, place, filling), found)
    np.testing.assert_array_equal(held.row, [4, 5])
    np.testing.assert_allclose(held.charge_dn[:2], [[10.0, 20.0], [10.0, 40.0]])
    relative = np.hypot([np.hypot(1.5, 1.0) / 20.0, 5.0 / 60.0], 0.1)
    np.testing.assert_allclose(held.relative_error, relative, rtol=1e-6)
