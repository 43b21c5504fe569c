import numpy as np
import pytest

from rampline.detector.trap_amplitudes import (
    Afterglow,
    TrapAmplitudeParams,
    fit_amplitudes,
)
from rampline.detector.trapped_charge import SHARES, TIMES_S, released_shares

TIMES = np.array(TIMES_S)
READS = np.arange(1, 10)[:, None] * 10.7


def glow(rng, amplitude, lag_s, n=4000, offset=0.0, spread=0.0):
    """What pixels show that were lit for 100 s some time ago: noise of 8 DN a step."""
    share = rng.uniform(0.3, 1.0, n).astype(np.float32)
    filling = (-np.expm1(-100.0 / TIMES) * np.exp(-lag_s / TIMES))[:, None]
    filling = np.repeat(filling, n, axis=1).astype(np.float32)
    release = np.diff(released_shares(READS, 0.0), axis=1)
    reached = 1.0 / (1.0 + np.exp(-(share - 0.5) / 0.05))
    own = 1.0 + spread * rng.standard_normal(n)
    model = (amplitude[:, None] * filling * reached * own).T @ release
    rise = model.T + 8.0 * rng.standard_normal((8, n)) + offset
    control = 8.0 * rng.standard_normal((4, 8, n))
    return Afterglow(
        share,
        filling,
        rise.astype(np.float32),
        control.astype(np.float32),
        release,
        np.arange(n) // 40,
    )


def test_amplitudes_that_lags_show_are_found(rng):
    true = np.full(5, 100.0)
    seen = [glow(rng, true, lag) for lag in (60.0, 250.0, 900.0)]
    found = fit_amplitudes(seen, TrapAmplitudeParams())
    assert abs(found.charge_dn[2] - 100.0) < 10.0
    error = np.sqrt(np.diag(found.covariance))
    assert (np.abs(found.charge_dn - true) < 3.0 * error).all()
    # kinds that have gone before are known no better than before
    assert error[0] > 50.0
    reached = 1.0 / (1.0 + np.exp(-(np.array(SHARES) - 0.5) / 0.05))
    assert np.abs(found.curve - reached).max() < 0.15


def test_the_prediction_at_the_lags_is_good_however_kinds_are_mixed(rng):
    true = np.array([0.0, 0.0, 60.0, 200.0, 20.0])
    seen = [glow(rng, true, lag) for lag in (60.0, 250.0, 900.0)]
    found = fit_amplitudes(seen, TrapAmplitudeParams())
    for one in seen:
        release = (one.filling[:, :1] * one.release).sum(axis=1)
        error = np.sqrt(release @ found.covariance @ release)
        assert abs(found.charge_dn @ release - true @ release) < 3.0 * error
        # what is left after a quarter of an hour is below the noise of the stack
        assert error < max(0.2 * (true @ release), 0.3)


def test_a_mixture_of_histories_is_no_bias(rng):
    # a fifth was lit just now, the rest long ago: their common middle is that of the rest
    true = np.full(5, 300.0)
    parts = [glow(rng, true, 40.0, n=1000), glow(rng, true, 900.0, n=4000)]
    joined = [np.concatenate(both, axis=-1) for both in zip(*parts, strict=True)]
    mixed = Afterglow(*joined)._replace(
        release=parts[0].release, star=np.arange(5000) // 40
    )
    found = fit_amplitudes([mixed], TrapAmplitudeParams())
    for one in parts:
        release = (one.filling[:, :1] * one.release).sum(axis=1)
        assert found.charge_dn @ release == pytest.approx(true @ release, rel=0.06)


def test_nothing_is_found_where_nothing_glows(rng):
    seen = [glow(rng, np.zeros(5), lag) for lag in (60.0, 250.0)]
    assert fit_amplitudes(seen, TrapAmplitudeParams()) is None
    assert fit_amplitudes([], TrapAmplitudeParams()) is None


def test_a_few_pixels_are_not_enough(rng):
    seen = [glow(rng, np.full(5, 100.0), 60.0, n=60)]
    assert fit_amplitudes(seen, TrapAmplitudeParams()) is None


def test_outliers_and_pixels_without_data_do_no_harm(rng):
    seen = [glow(rng, np.full(5, 100.0), lag) for lag in (60.0, 250.0, 900.0)]
    for one in seen:
        one.rise_dn[:, ::25] = 500.0
        one.rise_dn[3, 1::50] = np.nan
    found = fit_amplitudes(seen, TrapAmplitudeParams())
    assert abs(found.charge_dn[2] - 100.0) < 12.0


def test_the_scatter_of_pixels_is_measured(rng):
    seen = [glow(rng, np.full(5, 1500.0), lag, spread=0.3) for lag in (60.0, 250.0)]
    found = fit_amplitudes(seen, TrapAmplitudeParams())
    assert found.scatter == pytest.approx(0.3, abs=0.06)
