"""The point-spread function: a diffraction image of the segmented pupil.

Monochromatic images of eighteen hexagons, their gaps and the three struts (poppy), with
a fixed smooth wavefront error, are summed over the band; diffusion of charge between
pixels and the square pixel itself are applied as exact factors in Fourier space. The
result is the effective PSF: the share of a star's light that falls on a pixel as a
function of where its centre lies, on a grid ``OVERSAMPLE`` times finer than pixels.
Light beyond the stamp is lost, so its sum is below one, and encircled energies refer to
all light. Where stpsf is installed and ``STPSF_PATH`` names the folder of its data, the
monochromatic images are summed by stpsf instead, with the telescope and the detectors as
measured.
"""

import hashlib
import math
import os
import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy import units
from numpy.typing import NDArray
from scipy import fft

from ..units import ARCSEC_PER_RAD
from .instrument import Detector, Passband
from .streams import stream

OVERSAMPLE: Final = 4
STAMP_PIXELS: Final = 301
"""Width of the widest stamp in pixels of the detector."""
DIFFUSION_PX: Final = 0.16
"""Gaussian sigma of charge diffusion, pixels (about 3 um)."""
WAVEFRONT_NM: Final = 60.0
"""RMS of the fixed wavefront error."""
_PUPIL_SAMPLES: Final = 768
_VERSION: Final = "2"
_PUPIL_M: Final = 6.6
_WAVELENGTH_STEP: Final = 0.035
"""Of the wavelength: largest step between monochromatic images of a band."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PointSpread:
    """The effective PSF of a band.

    Attributes
    ----------
    values : (n, n) float32
        Share of the light per detector pixel, centred on ``(n - 1) / 2``, n odd.
    oversample : int
        Samples per detector pixel.
    cutoff : float
        Highest spatial frequency that the pupil passes, cycles per detector pixel.
    """

    values: NDArray[np.float32]
    oversample: int
    cutoff: float


def point_spread(band: Passband, detector: Detector) -> PointSpread:
    """Return the effective PSF of a band on a detector, from the disk cache if there.

    The cache is the folder named by ``RAMPLINE_CACHE``, else ``~/.cache/rampline``.
    """
    model = psf_model()
    siaf = detector.siaf if model != "poppy" else ""
    return _point_spread(band, detector.nominal_scale_arcsec, model, siaf)


def psf_model() -> str:
    """Return the name of the PSF model: ``poppy``, or stpsf with its version and data."""
    data = os.environ.get("STPSF_PATH")
    if not data or not Path(data).is_dir() or find_spec("stpsf") is None:
        return "poppy"
    return f"stpsf {version('stpsf')} {Path(data).name}"


@lru_cache(maxsize=16)
def _point_spread(
    band: Passband, scale_arcsec: float, model: str, siaf: str
) -> PointSpread:
    mark = _fingerprint(band, scale_arcsec, model, siaf)
    path = _cache_folder() / f"psf_{band.name.lower()}_{mark}.npy"
    if path.exists():
        values = np.load(path)
    else:
        light = _by_stpsf(band, siaf) if siaf else _by_poppy(band, scale_arcsec)
        # Light per square of the fine grid becomes light per detector pixel.
        values = _blur(light) * np.float32(OVERSAMPLE**2)
        _store(path, values)
    shortest_m = 1e-6 * (band.pivot_um - band.width_um / 2)
    cutoff = scale_arcsec / ARCSEC_PER_RAD * _PUPIL_M / shortest_m
    return PointSpread(values=values, oversample=OVERSAMPLE, cutoff=cutoff)


def _cache_folder() -> Path:
    chosen = os.environ.get("RAMPLINE_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "rampline"


def _fingerprint(band: Passband, scale_arcsec: float, model: str, siaf: str) -> str:
    recipe = (
        _VERSION, model, siaf, n_wavelengths(band), band.pivot_um, band.width_um,
        scale_arcsec, OVERSAMPLE, STAMP_PIXELS, DIFFUSION_PX, WAVEFRONT_NM,
        _PUPIL_SAMPLES,
    )  # fmt: skip
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]


def _store(path: Path, values: NDArray[np.float32]) -> None:
    """Write a PSF beside its name and move it there: other workers never see half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=path.parent, suffix=".tmp", delete=False
    ) as file:
        np.save(file, values)
    Path(file.name).replace(path)


def n_wavelengths(band: Passband) -> int:
    """Return how many monochromatic images stand for a band, an odd number.

    They are 3.5 % apart at most, and diffraction rings with them.
    """
    steps = band.width_um / band.pivot_um / _WAVELENGTH_STEP
    return max(1, 2 * math.ceil((steps - 1.0) / 2.0) + 1)


def _by_poppy(band: Passband, scale_arcsec: float) -> NDArray[np.float64]:
    system = _telescope(scale_arcsec / OVERSAMPLE)
    n_waves = n_wavelengths(band)
    offsets = (np.arange(n_waves) + 0.5) / n_waves - 0.5
    image = sum(
        _monochromatic(system, band.pivot_um + offset * band.width_um)
        for offset in offsets
    )
    return np.asarray(image) / n_waves


def _by_stpsf(band: Passband, siaf: str) -> NDArray[np.float64]:
    """Return stpsf's image before the detector, its centre moved onto a sample."""
    # Not among what is installed with us; takes seconds.
    import stpsf  # noqa: PLC0415

    camera = stpsf.NIRCam()
    camera.detector = siaf
    camera.filter = band.name
    image = camera.calc_psf(
        fov_pixels=STAMP_PIXELS,
        oversample=OVERSAMPLE,
        nlambda=n_wavelengths(band),
        add_distortion=False,
    )[0].data
    # An even number of samples is centred between two of them.
    half = -0.5 if image.shape[0] % 2 == 0 else 0.0
    phase = np.exp(-2j * np.pi * half * fft.fftfreq(image.shape[0]))
    moved = fft.ifft2(fft.fft2(image) * phase[:, None] * phase[None, :]).real
    size = image.shape[0] - (1 - image.shape[0] % 2)
    return np.asarray(moved[:size, :size], np.float64)


def _monochromatic(system: Any, wavelength_um: float) -> NDArray[np.float64]:
    return np.asarray(system.calc_psf(wavelength_um * 1e-6, normalize="first")[0].data)


def _telescope(sample_arcsec: float) -> Any:
    """Return poppy's optical system: pupil, struts, wavefront error, fine detector."""
    # Half a second to import, and needed only where no PSF is cached.
    import poppy  # noqa: PLC0415

    metre = units.m
    system = poppy.OpticalSystem(npix=_PUPIL_SAMPLES, pupil_diameter=_PUPIL_M * metre)
    segments = poppy.MultiHexagonAperture(
        rings=2, flattoflat=1.32 * metre, gap=0.007 * metre
    )
    struts = poppy.AsymmetricSecondaryObscuration(
        secondary_radius=0.37, support_width=0.11, support_angle=(0.0, 150.0, 210.0)
    )
    wavefront = poppy.ZernikeWFE(
        radius=_PUPIL_M / 2 * metre, coefficients=_zernike_m(), aperture_stop=False
    )
    system.add_pupil(poppy.CompoundAnalyticOptic([segments, struts]))
    system.add_pupil(wavefront)
    width = STAMP_PIXELS * OVERSAMPLE
    system.add_detector(
        pixelscale=sample_arcsec, fov_pixels=width - (1 - width % 2), oversample=1
    )
    return system


def _zernike_m() -> list[float]:
    """Return a fixed smooth wavefront error: Zernike terms 4 to 28, falling with order."""
    terms = np.arange(4, 29)
    amplitudes = stream(0, "wavefront").standard_normal(terms.size) / terms
    amplitudes *= WAVEFRONT_NM * 1e-9 / np.sqrt(np.sum(amplitudes**2))
    return [0.0, 0.0, 0.0, *map(float, amplitudes)]


def _blur(image: NDArray[np.float64]) -> NDArray[np.float32]:
    """Convolve with the square pixel and with charge diffusion."""
    frequency = fft.fftfreq(image.shape[0]) * OVERSAMPLE
    diffusion = np.exp(-2 * (np.pi * DIFFUSION_PX * frequency) ** 2)
    return _filtered(image, _pixel_transform(image.shape[0]) * diffusion)


def _pixel_transform(size: int) -> NDArray[np.float64]:
    """Return the transform of a detector pixel along one axis of the fine grid."""
    return np.asarray(np.sinc(fft.fftfreq(size) * OVERSAMPLE))


def _filtered(
    image: NDArray[np.float64], factor: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Multiply an image's transform by a factor along each axis."""
    half = factor[: image.shape[0] // 2 + 1]
    spectrum = fft.rfft2(image) * factor[:, None] * half[None, :]
    return np.asarray(fft.irfft2(spectrum, s=image.shape), np.float32)


def coupled(spread: PointSpread, kernel3: NDArray[np.float64]) -> PointSpread:
    """Return the PSF as seen through a 3 x 3 coupling between detector pixels."""
    step = spread.oversample
    padded = np.pad(spread.values.astype(np.float64), step)
    size = spread.values.shape[0]
    total = np.zeros_like(spread.values, np.float64)
    for i in range(3):
        for j in range(3):
            shifted = padded[i * step : i * step + size, j * step : j * step + size]
            total += kernel3[i, j] * shifted
    return replace(spread, values=total.astype(np.float32))


def widened(spread: PointSpread, n_pixels: int) -> PointSpread:
    """Return the PSF averaged ``n_pixels`` times over the square of a pixel.

    An aperture that counts border pixels by their overlap averages once, on average
    over sub-pixel positions; an image drizzled at its own scale with full drops was
    averaged twice before, by the drop and by the output pixel.
    """
    factor = _pixel_transform(spread.values.shape[0]) ** n_pixels
    values = _filtered(spread.values.astype(np.float64), factor)
    return replace(spread, values=values)


def encircled_energy(
    spread: PointSpread, radii_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of all light within circles about the centre.

    Parameters
    ----------
    spread : PointSpread
    radii_px : (n,) float64, pixels

    Returns
    -------
    (n,) float64
    """
    size = spread.values.shape[0]
    offset = (np.arange(size) - (size - 1) / 2) / spread.oversample
    radius = np.hypot(offset[:, None], offset[None, :]).ravel()
    order = np.argsort(radius, kind="stable")
    shares = np.cumsum(spread.values.ravel()[order], dtype=np.float64)
    shares /= spread.oversample**2
    # The n-th sample in order of radius closes the area n: interpolate in area.
    area = np.arange(1.0, shares.size + 1.0) / spread.oversample**2
    return np.interp(np.pi * np.asarray(radii_px) ** 2, area, shares)


def ring_level(spread: PointSpread, inner_px: float, outer_px: float) -> float:
    """Return the median of the PSF in an annulus, share of the light per pixel."""
    size = spread.values.shape[0]
    offset = (np.arange(size) - (size - 1) / 2) / spread.oversample
    radius = np.hypot(offset[:, None], offset[None, :])
    inside = (radius > inner_px) & (radius < outer_px)
    return float(np.median(spread.values[inside]))
