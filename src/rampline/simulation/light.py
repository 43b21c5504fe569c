"""The noiseless image of an exposure, component by component."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from ..units import ARCSEC_PER_RAD
from .electronics import is_reference
from .geometry import Camera
from .grism import disperse, transmission
from .instrument import FLUX_CONVERSION, PASSBANDS
from .optics import point_spread
from .painting import Palette, paint
from .picture import read_pictures
from .pixels import PixelPlanes, band_response
from .pointing import Exposure
from .scattered.scatter import scatter
from .scattered.view import View
from .scene import LightParams
from .sources import Sources

Array = NDArray[np.float64]
Plane = NDArray[np.float32]

_FAINTEST_OF_SKY = 1.0e-4
"""Stamps of stars end where they add less than this share of the sky level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """The signal of all pixels, without noise, the response included.

    Attributes
    ----------
    sources, sky : (rows, cols) float32, DN/s
    dark, warm : (rows, cols) float32, DN/s
        Dark current that is in the reference files, and further dark current that is not.
    scattered : mapping of name to (rows, cols) float32, DN/s
        Each kind of scattered light that this exposure has.
    flat : (rows, cols) float32
        Response to a uniform sky: quantum efficiency times pixel area.
    area : (rows, cols) float32
        Pixel area over the nominal one.
    position : (n, 2) float64, pixels
        True row and column of each source, 0-based; also of those outside.
    rate : (n,) float64, DN/s
        Rate of each source's total light at a response of 1, without a grism.
    causes : (m,) structured
        Stars that the scattered light comes from (`scattered.scatter.CAUSES`).
    """

    sources: Plane
    sky: Plane
    dark: Plane
    warm: Plane
    scattered: dict[str, Plane]
    flat: Plane
    area: Plane
    position: Array
    rate: Array
    causes: NDArray[np.void]

    def total_dn_s(self) -> Plane:
        """Return the sum of all, DN/s."""
        total = self.sources + self.sky + self.dark + self.warm
        for plane in self.scattered.values():
            total += plane
        return total


def nominal_area_sr(camera: Camera) -> float:
    """Return the nominal pixel area: that of the full detector's central pixel, sr."""
    full = camera.full
    middle = np.array([(full.n_rows - 1) / 2]), np.array([(full.n_cols - 1) / 2])
    row = middle[0] - camera.used.row_start
    col = middle[1] - camera.used.col_start
    return float(camera.pixel_area_sr(row, col)[0]) / camera.va_scale**2


def area_ratio(exposure: Exposure) -> Plane:
    """Return each pixel's area over the nominal one, (rows, cols) float32."""
    readout = exposure.readout
    return _area_ratio(exposure.believed, (0, 0), (readout.n_rows, readout.n_cols))


def full_area_ratio(camera: Camera) -> Plane:
    """Return the same for the whole detector, whatever part of it is read out."""
    start = (-camera.used.row_start, -camera.used.col_start)
    return _area_ratio(camera, start, (camera.full.n_rows, camera.full.n_cols))


def _area_ratio(
    camera: Camera, start: tuple[int, int], shape: tuple[int, int]
) -> Plane:
    """Evaluate the areas, which are smooth, every 32 pixels and interpolate."""
    rows, cols = (
        first + np.linspace(0.0, n - 1.0, max(n // 32, 5))
        for first, n in zip(start, shape, strict=True)
    )
    grid = np.meshgrid(rows, cols, indexing="ij")
    area = camera.pixel_area_sr(*grid) / camera.va_scale**2 / nominal_area_sr(camera)
    surface = RectBivariateSpline(rows, cols, area)
    own_rows, own_cols = (
        np.arange(first, first + n) for first, n in zip(start, shape, strict=True)
    )
    return np.asarray(surface(own_rows, own_cols), np.float32)


def flux_conversion(exposure: Exposure) -> float:
    """Return PHOTMJSR of an exposure, (MJy/sr)/(DN/s)."""
    band = exposure.band
    return FLUX_CONVERSION[exposure.detector.name, band.filter, band.pupil]


def flat_plane(
    exposure: Exposure, pixels: PixelPlanes, area: Plane, seed: int
) -> tuple[Plane, Plane]:
    """Return the response to point sources and to a uniform sky, (rows, cols) float32."""
    readout = exposure.readout
    number = list(PASSBANDS.values()).index(exposure.band)
    window = (
        slice(readout.row_start, readout.row_start + readout.n_rows),
        slice(readout.col_start, readout.col_start + readout.n_cols),
    )
    response = (
        pixels.response * band_response(exposure.detector.name, number, seed)[window]
    )
    return response, response * area


def shine(
    exposure: Exposure,
    sources: Sources,
    pixels: PixelPlanes,
    params: LightParams,
    seed: int,
) -> Light:
    """Paint the noiseless image of an exposure.

    Parameters
    ----------
    exposure : Exposure
    sources : Sources
    pixels : PixelPlanes of (rows, cols)
        Cut to the exposure's subarray.
    params : LightParams
    seed : int

    Notes
    -----
    A source of flux F spreads ``F / (PHOTMJSR PIXAR_SR)`` DN/s over its PSF; a uniform
    sky gives each pixel its level over PHOTMJSR times the pixel's own area over the
    nominal one. Divided by a flat that holds the areas, as flats taken on the sky do, both
    become surface brightness. Scattered light reaches pixels by other ways, so their
    response counts for it, not the area of sky that they see.
    """
    shape = exposure.readout.n_rows, exposure.readout.n_cols
    conversion = flux_conversion(exposure)
    area = area_ratio(exposure)
    response, flat = flat_plane(exposure, pixels, area, seed)
    palette = _palette(exposure, sources, params)
    sky = params.sky * exposure.band.sky_mjy_sr / conversion
    image = np.zeros(shape)
    if exposure.grism:
        sky *= transmission(exposure.detector, exposure.band)
        disperse(image, palette, (exposure.detector, exposure.band, exposure.grism))
    else:
        paint(image[None], palette)
    stray = scatter(_view(exposure, seed), params.scattered, sources, palette.rate)
    gain = pixels.gain
    zero = np.zeros(shape, np.float32)
    return Light(
        sources=(np.maximum(image, 0.0) * response).astype(np.float32),
        sky=(sky * flat).astype(np.float32),
        dark=pixels.dark_e_s / gain if params.dark else zero,
        warm=pixels.warm_e_s / gain if params.warm_pixels else zero,
        scattered={
            name: (plane * response).astype(np.float32)
            for name, plane in stray.planes.items()
        },
        flat=flat.astype(np.float32),
        area=np.where(is_reference(exposure.readout), np.float32(1.0), area),
        position=palette.position,
        rate=palette.rate,
        causes=stray.causes,
    )


def _palette(exposure: Exposure, sources: Sources, params: LightParams) -> Palette:
    """Return what there is to be painted, where it lies, and how bright it is."""
    band, conversion = exposure.band, flux_conversion(exposure)
    dn_s_per_jy = 1.0 / (1.0e6 * conversion * nominal_area_sr(exposure.true))
    position = exposure.true.sky_to_pixel(sources.ra_deg, sources.dec_deg)
    return Palette(
        camera=exposure.true,
        spread=point_spread(band, exposure.detector),
        sources=sources,
        position=np.stack(position, axis=-1),
        rate=sources.flux_in(band) * dn_s_per_jy,
        pictures=read_pictures(params, band),
        dn_s_per_jy=dn_s_per_jy,
        faintest=_FAINTEST_OF_SKY * params.sky * band.sky_mjy_sr / conversion,
    )


def _view(exposure: Exposure, seed: int) -> View:
    return View(
        detector=exposure.detector,
        band=exposure.band,
        grism=exposure.grism,
        camera=exposure.true,
        shape=(exposure.readout.n_rows, exposure.readout.n_cols),
        dn_s_per_mjy_sr=1.0 / flux_conversion(exposure),
        seed=seed,
        key=(exposure.key[0], exposure.detector.number),
    )


def arcsec2(area_sr: float) -> float:
    """Return a solid angle in square arcseconds."""
    return area_sr * ARCSEC_PER_RAD**2
