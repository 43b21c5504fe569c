import numpy as np
import pytest

from rampline.calibration.zero_points import (
    StarFluxes,
    ZeroPointParams,
    compare_detectors,
)

PARAMS = ZeroPointParams()
NAMES = ("NRCB1", "NRCB2", "NRCB3", "NRCB4")


def exposures(rng, gains, n_stars=60, dithers=3, scatter=0.01):
    """Every detector sees some of the same stars in each dither."""
    sky = rng.uniform(0, 100, (n_stars, 2))
    flux = rng.uniform(10, 1000, n_stars)
    made = []
    for _ in range(dithers):
        for name, gain in zip(NAMES, gains, strict=False):
            seen = rng.random(n_stars) < 0.6
            there = sky[seen] + rng.normal(0, 0.002, (seen.sum(), 2))
            measured = flux[seen] * gain * np.exp(rng.normal(0, scatter, seen.sum()))
            made.append(StarFluxes(name, there, measured, np.full(seen.sum(), 100.0)))
    return made


def test_a_detector_that_sees_twice_the_flux_is_three_quarters_of_a_magnitude_off():
    places = np.arange(20.0).reshape(10, 2)
    bright = StarFluxes("NRCB1", places, np.full(10, 2.0), np.full(10, 50.0))
    faint = StarFluxes("NRCB2", places, np.full(10, 1.0), np.full(10, 50.0))
    found = compare_detectors([faint, bright], PARAMS)
    assert found.detector == ("NRCB1", "NRCB2")
    half = 2.5 * np.log10(2) / 2
    np.testing.assert_allclose(found.offset_mag, [half, -half], rtol=1e-9)
    assert found.n_stars.tolist() == [10, 10]
    # half of 1 % of scatter over the root of ten, of a median
    expected = 1.0857 * 1.2533 * 0.01 / np.sqrt(10) / 2
    np.testing.assert_allclose(found.error_mag, expected, rtol=1e-3)


def test_offsets_of_a_per_cent_are_recovered_within_their_errors(rng):
    gains = np.array([1.01, 0.99, 1.004, 0.998])
    found = compare_detectors(exposures(rng, gains), PARAMS)
    true = 2.5 * np.log10(gains)
    apart = found.offset_mag - (true - true.mean())
    assert np.abs(apart).max() < 0.003
    assert np.abs(apart / found.error_mag).max() < 4


def test_a_wrong_match_now_and_then_does_not_matter(rng):
    made = exposures(rng, (1.0, 1.02))
    for one in made:
        one.flux[rng.random(len(one.flux)) < 0.1] *= 3.0
    found = compare_detectors(made, PARAMS)
    assert np.diff(found.offset_mag)[0] == pytest.approx(0.0215, abs=0.005)


def test_the_order_of_exposures_does_not_matter(rng):
    made = exposures(rng, (1.0, 1.02, 0.97))
    first = compare_detectors(made, PARAMS)
    second = compare_detectors(made[::-1], PARAMS)
    np.testing.assert_allclose(second.offset_mag, first.offset_mag, atol=1e-12)


def test_detectors_that_share_no_stars_are_not_compared(rng):
    made = exposures(rng, (1.0, 1.02))
    far = StarFluxes("NRCA1", made[0].position + 500, made[0].flux, made[0].snr)
    found = compare_detectors([*made, far], PARAMS)
    assert found.detector[0] == "NRCA1"
    assert np.isnan(found.offset_mag[0])
    assert np.isfinite(found.offset_mag[1:]).all()
    assert found.offset_mag[1:].sum() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("n_stars", [0, 4])
def test_too_few_or_too_faint_stars_tell_nothing(rng, n_stars):
    few = exposures(rng, (1.0, 1.1), n_stars=n_stars, dithers=1)
    assert np.isnan(compare_detectors(few, PARAMS).offset_mag).all()
    faint = [e._replace(snr=e.snr / 10) for e in exposures(rng, (1.0, 1.1))]
    assert np.isnan(compare_detectors(faint, PARAMS).offset_mag).all()


def test_the_table_names_detectors():
    assert compare_detectors([], PARAMS).table().dtype.names[0] == "DETECTOR"
