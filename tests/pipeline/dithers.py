"""A small field for the tests of the path from sky images to a mosaic."""

from dataclasses import replace

import numpy as np
from astropy.modeling.models import Identity, Mapping, Polynomial2D

from rampline.astrometry.geometry import make_geometry, sky_to_pixel
from rampline.astrometry.pixel_map import map_to_grid
from rampline.exposure.grid import Grid
from rampline.exposure.header import Header, Pointing
from rampline.exposure.planes import SkyPlanes
from rampline.exposure.records import Photometry, SkyImage
from rampline.exposure.timing import Readout
from rampline.numerics.nodes import interpolate_nodes

SCALE = 0.031
SIZE = 96
PIXEL_SR = (SCALE / 206264.8) ** 2


def distortion():
    """Pixel to V2, V3, with a bend of some 1e-6 per pixel as NIRCam's."""
    coefficients = {"c0_0": -70.0, "c1_0": -SCALE, "c0_1": 2e-4, "c1_1": 3e-9}
    v2 = Polynomial2D(2, **coefficients, c2_0=4e-8)
    v3 = Polynomial2D(2, c0_0=-490.0, c1_0=1e-4, c0_1=SCALE, c0_2=5e-8, c1_1=-2e-8)
    return Mapping((0, 1, 0, 1)) | v2 & v3 | Identity(2)


def sky_planes(size=SIZE):
    ones = np.ones((size, size), np.float32)
    return SkyPlanes(
        flat=ones,
        flat_err=ones,
        flat_flags=np.zeros((size, size), np.uint32),
        area=ones,
        pixel_area_sr=PIXEL_SR,
        mjy_sr_per_dn_s=1.0,
        distortion=distortion(),
    )


def readout(size=SIZE):
    return Readout(
        pattern="MEDIUM8",
        n_ints=1,
        n_groups=9,
        n_frames=8,
        n_dropped=2,
        frame_s=10.7,
        group_s=107.0,
        subarray="SUB",
        row_start=0,
        col_start=0,
        n_rows=size,
        n_cols=size,
        fast_axis=-1,
        slow_axis=2,
        n_outputs=1,
    )


def header(number, ra, dec, roll=12.0, size=SIZE, band="F200W"):
    pointing = Pointing(
        ra_ref_deg=ra,
        dec_ref_deg=dec,
        roll_ref_deg=roll,
        v2_ref_arcsec=-71.5,
        v3_ref_arcsec=-488.5,
        v3i_yang_deg=0.0,
        vparity=-1,
        va_scale=1.00005,
    )
    return Header(
        root=f"jw02736001001_02101_{number:05d}_nrcb1",
        program="02736",
        observation="001",
        visit="001",
        detector="NRCB1",
        module="B",
        channel="SHORT",
        filter=band,
        pupil="CLEAR",
        exp_type="NRC_IMAGE",
        start_mjd=59737.0,
        end_mjd=59737.01,
        exposure_s=840.0 + number,
        first_integration=1,
        is_moving_target=False,
        readout=readout(size),
        pointing=pointing,
    )


def grid(size=150, angle=0.0, scale=0.03):
    middle = (size - 1) / 2
    return Grid(
        ra_deg=110.8,
        dec_deg=-73.45,
        col_ref=middle,
        row_ref=middle,
        scale_arcsec=scale,
        position_angle_deg=angle,
        n_rows=size,
        n_cols=size,
    )


def star_field(rng, n=30, reach=1.2):
    """Positions within ``reach`` arcsec of the middle of the grid, peaks in MJy/sr."""
    east, north = rng.uniform(-reach, reach, (2, n)) / 3600
    ra = 110.8 + east / np.cos(np.radians(73.45))
    return ra, -73.45 + north, 10 ** rng.uniform(0, 2, n)


def paint(geometry, stars, fwhm=2.2):
    rows, cols = np.indices(geometry.shape)
    scene = np.zeros(geometry.shape)
    for ra, dec, peak in zip(*stars, strict=True):
        row, col = sky_to_pixel(geometry, ra, dec)
        r2 = (rows - row) ** 2 + (cols - col) ** 2
        scene += peak * np.exp(-r2 / (2 * (fwhm / 2.355) ** 2))
    return scene


def make_image(rng, number, stars, shift, level=0.2, **options):
    """One dither, ``shift`` in arcsec to the east and north.

    Options: roll, size and band of the header; ``error``, what the header says beyond the
    truth, arcsec to the east and north.
    """
    error = options.pop("error", (0.0, 0.0))
    size = options.get("size", SIZE)

    def place(east, north):
        dec = -73.45 + north / 3600
        ra = 110.8 + east / 3600 / np.cos(np.radians(dec))
        head = header(number, ra, dec, **options)
        return head, make_geometry(sky_planes(size), head.pointing, head.readout)

    head, geometry = place(shift[0] + error[0], shift[1] + error[1])
    scene = paint(place(*shift)[1], stars) + level
    var_poisson = (0.004 * scene).astype(np.float32)
    var_read = np.full(scene.shape, 4e-4, np.float32)
    var_read *= rng.uniform(0.8, 1.5, scene.shape).astype(np.float32)
    var_flat = (1e-6 * scene**2).astype(np.float32)
    err = np.sqrt(var_poisson + var_read + var_flat)
    flags = np.where(rng.random(scene.shape) < 0.005, 1, 0).astype(np.uint32)
    flags[rng.random(scene.shape) < 0.02] |= 4
    sky = (scene + rng.normal(0, err)).astype(np.float32)
    sky[flags & 1 != 0] = np.nan
    return SkyImage(
        header=head,
        sky=sky,
        err=err,
        var_poisson=var_poisson,
        var_read=var_read,
        var_flat=var_flat,
        flags=flags,
        area=np.ones_like(sky),
        photometry=Photometry(mjy_sr_per_dn_s=1.0, pixel_area_sr=PIXEL_SR),
        geometry=geometry,
        background_mjy_sr=level,
    )


def make_field(rng, n=4, level=0.2):
    stars = star_field(rng)
    shifts = rng.uniform(-0.15, 0.15, (n, 2))
    return [
        make_image(rng, k + 1, stars, shift, level) for k, shift in enumerate(shifts)
    ]


def hit(image, rng, n=25, height=5.0):
    """Add hits that no step before has seen; return the image and where they are."""
    where = np.zeros(image.sky.shape, np.bool_)
    rows, cols = rng.integers(8, SIZE - 8, (2, n))
    where[rows, cols] = True
    where &= np.isfinite(image.sky)
    sky = image.sky + np.where(where, np.float32(height), np.float32(0))
    return replace(image, sky=sky), where


def places_on(image, the_grid):
    m = map_to_grid(image.geometry, the_grid)
    return interpolate_nodes(m.nodes, m.step, m.origin, *np.indices(m.shape))
