"""The noiseless image of an exposure, component by component."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from ..units import ARCSEC_PER_RAD
from .catalog import Sources
from .electronics import is_reference
from .galaxies import Profiles, paint_galaxies
from .geometry import Camera
from .instrument import FLUX_CONVERSION, PASSBANDS
from .optics import PointSpread, point_spread
from .paint import paint_stars
from .pixels import PixelPlanes, band_response
from .pointing import Exposure
from .scene import LightParams

Array = NDArray[np.float64]
Plane = NDArray[np.float32]

_FAINTEST_OF_SKY = 1.0e-4
"""Stamps of stars end where they add less than this share of the sky level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """What falls on the pixels, without noise; the response is in it.

    Attributes
    ----------
    sources, sky : (rows, cols) float32, DN/s
    dark, warm : (rows, cols) float32, DN/s
        Dark current that reference files know, and that they do not know.
    flat : (rows, cols) float32
        Response to a uniform sky: quantum efficiency times pixel area.
    area : (rows, cols) float32
        Pixel area over the nominal one.
    position : (n, 2) float64, pixels
        True row and column of each source, 0-based; also of those outside.
    rate : (n,) float64, DN/s
        Rate of each source's total light at a response of 1.
    """

    sources: Plane
    sky: Plane
    dark: Plane
    warm: Plane
    flat: Plane
    area: Plane
    position: Array
    rate: Array

    def total_dn_s(self) -> Plane:
        """Return the sum of all, DN/s."""
        return self.sources + self.sky + self.dark + self.warm


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

    Returns
    -------
    Light

    Notes
    -----
    A source of flux F spreads ``F / (PHOTMJSR PIXAR_SR)`` DN/s over its PSF; a uniform
    sky gives each pixel its level over PHOTMJSR times the pixel's own area over the
    nominal one. Divided by a flat that holds the areas, as flats taken on the sky do, both
    become surface brightness.
    """
    shape = exposure.readout.n_rows, exposure.readout.n_cols
    conversion = flux_conversion(exposure)
    area = area_ratio(exposure)
    response, flat = flat_plane(exposure, pixels, area, seed)
    sky_dn_s = params.sky * exposure.band.sky_mjy_sr / conversion
    nominal_sr = nominal_area_sr(exposure.true)
    rate = sources.flux_in(exposure.band) / (1.0e6 * conversion * nominal_sr)
    position = np.stack(
        exposure.true.sky_to_pixel(sources.ra_deg, sources.dec_deg), axis=-1
    )
    image = np.zeros(shape)
    spread = point_spread(exposure.band, exposure.detector)
    star = sources.is_star
    faintest = _FAINTEST_OF_SKY * sky_dn_s
    paint_stars(image, spread, position[star], rate[star], faintest)
    _paint_galaxies(image, spread, (exposure.true, sources), position, rate)
    gain = pixels.gain
    zero = np.zeros(shape, np.float32)
    return Light(
        sources=(np.maximum(image, 0.0) * response).astype(np.float32),
        sky=(sky_dn_s * flat).astype(np.float32),
        dark=pixels.dark_e_s / gain if params.dark else zero,
        warm=pixels.warm_e_s / gain if params.warm_pixels else zero,
        flat=flat.astype(np.float32),
        area=np.where(is_reference(exposure.readout), np.float32(1.0), area),
        position=position,
        rate=rate,
    )


def _paint_galaxies(
    image: Array,
    spread: PointSpread,
    scene: tuple[Camera, Sources],
    position: Array,
    rate: Array,
) -> None:
    """Turn shapes on the sky into shapes on the detector, and paint them."""
    camera, sources = scene
    reach = 1024.0
    near = (
        ~sources.is_star
        & (position > -reach).all(axis=1)
        & (position < np.array(image.shape) + reach).all(axis=1)
    )
    if not near.any():
        return
    place = position[near]
    jacobian = camera.jacobian_arcsec(place[:, 0], place[:, 1])
    angle = np.radians(sources.position_angle_deg[near])
    major = sources.half_light_arcsec[near]
    minor = major * sources.axis_ratio[near]
    # Columns: the half axes on the sky, (east, north).
    ellipse = np.empty((place.shape[0], 2, 2))
    ellipse[:, 0, 0], ellipse[:, 1, 0] = major * np.sin(angle), major * np.cos(angle)
    ellipse[:, 0, 1], ellipse[:, 1, 1] = minor * np.cos(angle), -minor * np.sin(angle)
    scale = np.sqrt(np.abs(np.linalg.det(jacobian)))
    galaxies = Profiles(
        positions=place,
        rates=rate[near],
        index=sources.index[near],
        half_light_px=major / scale,
        shape=np.asarray(np.linalg.solve(jacobian, ellipse), np.float64),
    )
    paint_galaxies(image, spread, galaxies)


def arcsec2(area_sr: float) -> float:
    """Return a solid angle in square arcseconds."""
    return area_sr * ARCSEC_PER_RAD**2
