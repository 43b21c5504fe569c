import numpy as np
import pytest

from rampline.detector.ramp_fit.covariance import readout_pattern
from rampline.detector.thresholds import chi2_limits, curve_of_hits

from .exposures import make_readout


@pytest.mark.parametrize("pattern", ["RAPID", "MEDIUM8"])
def test_limits_rise_with_the_number_of_differences_and_fall_with_the_rate(pattern):
    readout = make_readout(pattern, (1, 21, 1, 1))
    strict, loose = (chi2_limits(readout, rate) for rate in (1e-4, 1e-2))
    assert np.isinf(strict[:, :2]).all()
    assert (np.diff(strict[:, 2:]) > 0).all()
    assert (strict[:, 2:] > loose[:, 2:]).all()
    # the first is the lowest: what is below it is not looked at again
    assert (strict[0] <= strict[1:]).all()


def test_two_differences_are_two_normals_of_one_number():
    limit = chi2_limits(make_readout("MEDIUM8", (1, 3, 1, 1)), 2e-3)[:, 2]
    np.testing.assert_allclose(limit, 3.0902**2, rtol=1e-4)


@pytest.mark.parametrize(("pattern", "share"), [("MEDIUM8", 0), ("BRIGHT2", 4)])
def test_noise_exceeds_the_limit_as_often_as_asked_for(rng, pattern, share):
    readout = make_readout(pattern, (1, 8, 1, 1))
    made, part = readout_pattern(readout), share / 8
    photons, reads = part / made.photon_diagonal[0], (1 - part) / made.read_diagonal[0]
    own = photons * made.photon_diagonal + reads * made.read_diagonal
    off = (photons * made.photon_off + reads * made.read_off)[:-1]
    covariance = np.diag(own) + np.diag(off, 1) + np.diag(off, -1)
    inverse = np.linalg.inv(covariance)
    row = inverse.sum(axis=1)
    across = inverse - np.outer(row, row) / row.sum()
    pull = rng.multivariate_normal(np.zeros(7), covariance, 300_000) @ across
    best = np.zeros(len(pull))
    for i in range(7):
        best = np.maximum(best, np.maximum(pull[:, i], 0) ** 2 / across[i, i])
    for i in range(6):
        two = slice(i, i + 2)
        steps = pull[:, two] @ np.linalg.inv(across[two, two])
        saved = (steps * pull[:, two]).sum(axis=1)
        best = np.maximum(best, np.where((steps > 0).all(axis=1), saved, 0))
    exceeds = (best > chi2_limits(readout, 1e-2)[share, 7]).mean()
    # 3000 expected; three times their error
    assert exceeds == pytest.approx(1e-2, rel=0.06)


def test_an_arc_is_as_long_as_differences_are_unlike():
    made, alone = (
        readout_pattern(make_readout(name, (1, 9, 1, 1)))
        for name in ("MEDIUM8", "RAPID")
    )
    n_curves, length = curve_of_hits(made, 8)
    # photons make them independent but for the slope they share: a right angle and more
    assert n_curves == 1
    assert length[-1] / 7 > np.pi / 2
    assert length[0] < length[-1]
    assert curve_of_hits(alone, 8)[0] == 8
