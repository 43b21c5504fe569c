import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from rampline.simulation.electronics import coupling_kernel
from rampline.simulation.instrument import DETECTORS, PASSBANDS, passband
from rampline.simulation.optics import (
    DIFFUSION_PX,
    PointSpread,
    coupled,
    encircled_energy,
    n_wavelengths,
    point_spread,
    psf_model,
    widened,
)


def gaussian(sigma_px=1.5, size=241, oversample=4):
    offset = (np.arange(size) - size // 2) / oversample
    profile = np.exp(-0.5 * (offset / sigma_px) ** 2) / np.sqrt(2 * np.pi) / sigma_px
    values = np.outer(profile, profile).astype(np.float32)
    return PointSpread(values=values, oversample=oversample, cutoff=1.0)


def test_encircled_energy_of_a_gaussian_is_the_known_one():
    radii = np.array([0.5, 1.0, 2.0, 4.0])
    expected = 1 - np.exp(-0.5 * (radii / 1.5) ** 2)
    assert np.allclose(encircled_energy(gaussian(), radii), expected, atol=5e-4)


def test_a_pixel_adds_a_twelfth_to_the_variance():
    wide = widened(gaussian(), 3).values.astype(float)
    offset = (np.arange(wide.shape[0]) - wide.shape[0] // 2) / 4
    variance = (wide.sum(axis=0) * offset**2).sum() / wide.sum()
    assert np.isclose(variance, 1.5**2 + 3 / 12, rtol=1e-4)
    assert np.isclose(wide.sum(), gaussian().values.sum(), rtol=1e-5)


def test_coupling_moves_light_to_the_neighbouring_pixels():
    kernel3 = coupling_kernel("NRCB1")
    plain = gaussian()
    after = coupled(plain, kernel3).values
    centre = plain.values.shape[0] // 2
    side = plain.values[centre, centre + 4]
    corner = plain.values[centre + 4, centre + 4]
    expected = (
        kernel3[1, 1] * plain.values[centre, centre]
        + 4 * kernel3[0, 1] * side
        + 4 * kernel3[0, 0] * corner
    )
    assert np.isclose(after[centre, centre], expected, rtol=1e-6)
    assert np.isclose(after.sum(), plain.values.sum(), rtol=1e-6)


def test_the_psf_holds_nearly_all_light_about_its_centre(narrow):
    total = narrow.values.sum(dtype=float) / narrow.oversample**2
    assert 0.98 < total < 1.0
    size = narrow.values.shape[0]
    offset = (np.arange(size) - size // 2) / narrow.oversample
    core = np.abs(offset) < 3
    middle = narrow.values[np.ix_(core, core)]
    centroid = (middle.sum(axis=0) * offset[core]).sum() / middle.sum()
    assert abs(centroid) < 0.05


def test_the_core_has_the_width_of_diffraction(narrow):
    """FWHM of a filled 6.5 m pupil: 1.03 lambda / D, widened by the pixel."""
    line = narrow.values[narrow.values.shape[0] // 2]
    width_px = np.count_nonzero(line > 0.5 * line.max()) / narrow.oversample
    diffraction_px = 1.03 * 1.874e-6 / 6.5 * 206265 / 0.0308
    assert diffraction_px < width_px < 1.25 * diffraction_px


def test_no_light_is_found_beyond_the_cutoff(narrow):
    spectrum = np.abs(np.fft.rfft(narrow.values.sum(axis=0, dtype=float)))
    frequency = np.arange(spectrum.size) * narrow.oversample / narrow.values.shape[0]
    beyond = frequency > 1.05 * narrow.cutoff
    assert spectrum[beyond].max() < 2e-4 * spectrum[0]


def test_a_stored_psf_is_read_back(narrow):
    from rampline.simulation import optics

    optics._point_spread.cache_clear()
    again = point_spread(passband("F187N"), DETECTORS["NRCB1"])
    assert again is not narrow
    assert np.array_equal(again.values, narrow.values)


def test_a_band_is_sampled_every_few_per_cent():
    for band in PASSBANDS.values():
        n_waves = n_wavelengths(band)
        assert n_waves % 2 == 1
        assert band.width_um / band.pivot_um / n_waves <= 0.0351
    assert n_wavelengths(passband("F187N")) == 1
    assert n_wavelengths(passband("F200W")) == 7


class _Camera:
    """What of stpsf is used: a Gaussian centred between samples, where stpsf has it."""

    def calc_psf(self, fov_pixels, oversample, nlambda, add_distortion):
        assert (self.detector, self.filter) == ("NRCB5", "F444W")
        assert (nlambda, add_distortion) == (7, False)
        offset = np.arange(fov_pixels * oversample) - (fov_pixels * oversample - 1) / 2
        profile = np.exp(-0.5 * (offset / 8.0) ** 2)
        profile /= profile.sum()
        return [SimpleNamespace(data=np.outer(profile, profile))]


@pytest.fixture
def with_stpsf(monkeypatch, tmp_path):
    """A machine on which stpsf and its data are."""
    module = ModuleType("stpsf")
    module.__spec__ = ModuleSpec("stpsf", None)
    module.NIRCam = _Camera
    monkeypatch.setitem(sys.modules, "stpsf", module)
    monkeypatch.setattr("rampline.simulation.optics.version", lambda _name: "2.2.0")
    monkeypatch.setenv("STPSF_PATH", str(tmp_path))


@pytest.mark.usefixtures("with_stpsf")
def test_stpsf_makes_the_psf_where_its_data_are():
    spread = point_spread(passband("F444W"), DETECTORS["NRCBLONG"])
    size = spread.values.shape[0]
    assert size % 2 == 1
    line = spread.values.sum(axis=0, dtype=float)
    offset = (np.arange(size) - size // 2) / spread.oversample
    assert abs((line * offset).sum() / line.sum()) < 1e-5
    variance = (line * offset**2).sum() / line.sum()
    expected = 2.0**2 + DIFFUSION_PX**2 + 1 / 12
    assert np.isclose(variance, expected, rtol=1e-3)
    assert np.isclose(line.sum() / spread.oversample**2, 1.0, atol=1e-4)
    assert psf_model().startswith("stpsf 2.2.0")


def test_without_data_of_stpsf_poppy_makes_it(monkeypatch, tmp_path):
    monkeypatch.delenv("STPSF_PATH", raising=False)
    assert psf_model() == "poppy"
    monkeypatch.setenv("STPSF_PATH", str(tmp_path / "gone"))
    assert psf_model() == "poppy"
