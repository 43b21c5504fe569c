import numpy as np
import pytest

from rampline.photometry.matched_filter import (
    _take_every,
    _weigh_pixels,
    _weigh_sums,
    filter_image,
    scatter_of_sky,
)

from ..twins import photometry as twin
from .scenes import FWHM_PX, gaussian_stars


def _filter(sky, err=1.0, fwhm=FWHM_PX):
    plane = np.full(sky.shape, err, np.float32)
    return filter_image(sky.astype(np.float32), plane, np.isfinite(sky), fwhm)


def test_a_star_has_the_significance_of_its_best_fit(rng):
    star = gaussian_stars((201, 201), [100], [100], [200.0])
    sky = star + rng.normal(0, 1, star.shape)
    # flux over noise of a Gaussian fit: F / (sqrt(4 pi) sigma)
    expected = 200 / np.sqrt(4 * np.pi)
    assert _filter(sky).snr[100, 100] == pytest.approx(expected, abs=4)


def test_noise_has_a_scatter_of_one_whatever_the_errors_say(rng):
    found = _filter(rng.normal(0, 3, (600, 600)))
    assert found.snr.std() == pytest.approx(1, abs=0.02)
    assert found.noise_scale == pytest.approx(3, rel=0.02)


def test_bands_of_rows_do_not_show(rng):
    sky = rng.normal(0, 1, (1100, 40))
    whole = _filter(sky)
    shifted = _filter(sky[300:])
    np.testing.assert_allclose(
        whole.snr[330:] * whole.noise_scale,
        shifted.snr[30:] * shifted.noise_scale,
        rtol=1e-4,
        atol=1e-5,
    )


def test_missing_pixels_have_no_weight(rng):
    sky = rng.normal(0, 1, (60, 60))
    sky[30, 30] = np.nan
    found = _filter(sky)
    assert np.isfinite(found.snr).all()
    assert found.snr[30, 30] != 0
    sky[:, 30:] = np.nan
    assert not _filter(sky).snr[:, 35:].any()


def test_the_scatter_ignores_sources(rng):
    values = rng.normal(0, 2, 40_000).astype(np.float32)
    values[:6000] += 50
    assert scatter_of_sky(values) == pytest.approx(2, rel=0.05)
    assert scatter_of_sky(np.empty(0, np.float32)) == 1.0


def test_the_kernels_agree_with_their_twins(rng):
    signal, err = rng.normal(0, 1, (2, 20, 31)).astype(np.float32)
    signal[rng.random(signal.shape) < 0.2] = np.nan
    valid = np.isfinite(signal)
    found, slow = np.empty((2, 4, 20, 31), np.float32)
    _weigh_pixels(signal, err, valid, found)
    twin.weigh_pixels(signal, err, valid, slow)
    np.testing.assert_allclose(found, slow, rtol=1e-5)
    sums = rng.uniform(-0.2, 1, (4, 20, 31)).astype(np.float32)
    _weigh_sums(sums, 0.2, found[0])
    twin.weigh_sums(sums, 0.2, slow[0])
    np.testing.assert_allclose(found[0], slow[0], rtol=1e-6)
    for step in (1, 3):
        some = np.empty((2, -(-valid.sum() // step)), np.float32)
        _take_every(signal, valid, step, some[0])
        twin.take_every(signal, valid, step, some[1])
        np.testing.assert_array_equal(*some)


def test_the_scatter_is_that_of_medians_of_all_values(rng):
    values = rng.standard_t(3, 5001).astype(np.float32)
    centre = np.median(values)
    for _ in range(5):
        spread = 1.482602218505602 * np.median(centre - values[values < centre])
        centre = np.median(values[np.abs(values - centre) < 2 * spread])
    assert scatter_of_sky(values) == pytest.approx(spread, rel=1e-5)
