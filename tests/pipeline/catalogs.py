"""A small mosaic with stars and galaxies, for the tests of the path to a catalogue."""

import numpy as np

from rampline.exposure.grid import Grid
from rampline.exposure.planes import CatalogPlanes
from rampline.exposure.records import Mosaic
from rampline.pipeline.mosaic_to_catalog import MosaicOptics

SIZE = 300
STAR_SIGMA = 1.1
RADII = np.array([1.2, 1.7, 3.1])


def grid(size=SIZE, angle=20.0, scale=0.031):
    return Grid(
        ra_deg=110.8,
        dec_deg=-73.4,
        col_ref=150.3,
        row_ref=140.2,
        scale_arcsec=scale,
        position_angle_deg=angle,
        n_rows=size,
        n_cols=size,
    )


def paint(rng, rows, cols, fluxes, galaxies=0):
    """Stars, the last ``galaxies`` of them widened and flattened, MJy/sr."""
    y, x = np.indices((SIZE, SIZE))
    scene = np.zeros((SIZE, SIZE))
    first = len(rows) - galaxies
    for k, (row, col, flux) in enumerate(zip(rows, cols, fluxes, strict=True)):
        wide, flat = (3.0, rng.uniform(0.4, 1)) if k >= first else (STAR_SIGMA, 1.0)
        angle = rng.uniform(0, np.pi)
        along = (x - col) * np.cos(angle) + (y - row) * np.sin(angle)
        across = (y - row) * np.cos(angle) - (x - col) * np.sin(angle)
        square = along**2 + (across / flat) ** 2
        scene += flux * np.exp(-0.5 * square / wide**2) / (2 * np.pi * wide**2 * flat)
    return scene


def mosaic(rng, scene, sky=0.25, on=None):
    """A mosaic of ``scene`` with the noise of its light and of the sky."""
    on = on or grid()
    err = np.sqrt(sky**2 + 0.02 * scene).astype(np.float32)
    noisy = (scene + err * rng.normal(size=scene.shape)).astype(np.float32)
    variance = (err**2 / 2).astype(np.float32)
    return Mosaic(
        grid=on,
        filter="F200W",
        pupil="CLEAR",
        channel="SHORT",
        name="jw02736-test_nircam_f200w",
        sky=noisy,
        err=err,
        weight=1 / err**2,
        exposure_s=np.full_like(err, 800.0),
        context=np.full((1, *scene.shape), 0b1111, np.int32),
        var_poisson=variance,
        var_read=variance,
        var_flat=np.zeros_like(err),
        pixel_area_sr=on.pixel_area_sr,
        headers=(),
    )


def planes():
    share = 1 - np.exp(-0.5 * (RADII / STAR_SIGMA) ** 2)
    return CatalogPlanes(
        encircled_energy=np.array([0.3, 0.5, 0.7]),
        radius_px=RADII,
        correction=1 / share,
        sky_in_px=8.0,
        sky_out_px=13.0,
        ab_minus_vega=1.688,
    )


def optics(on=None):
    """Exposures of the mosaic's own scale, whose noise is not correlated."""
    on = on or grid()
    return MosaicOptics(
        psf_fwhm_arcsec=0.065,
        native_scale_arcsec=on.scale_arcsec,
        autocorrelation=np.ones((1, 1)),
    )
