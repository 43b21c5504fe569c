import numpy as np
import pytest

from rampline.photometry.matched_filter import filter_image, scatter_of_sky

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
