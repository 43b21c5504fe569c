"""Exposures for the tests: a made-up distortion, pointings, and real GWCS files."""

import warnings
from dataclasses import replace
from pathlib import Path

import asdf
import numpy as np
from astropy.modeling.models import Mapping, Polynomial2D, Shift
from gwcs.wcs import WCS

from rampline.astrometry.bending import SHAPES
from rampline.astrometry.distortion_update import DistortionUpdate
from rampline.astrometry.wcs_tree import grid_tree
from rampline.exposure.header import Pointing
from rampline.exposure.planes import SkyPlanes
from rampline.exposure.timing import Readout
from rampline.files.asdf_tree import wcs_bytes
from rampline.files.embedded import read_embedded_wcs

POINTING = Pointing(
    ra_ref_deg=110.83,
    dec_ref_deg=-73.45,
    roll_ref_deg=144.8,
    v2_ref_arcsec=-122.6,
    v3_ref_arcsec=-457.8,
    v3i_yang_deg=0.34,
    vparity=-1,
    va_scale=0.99994,
)
READOUT = Readout(
    pattern="MEDIUM8",
    n_ints=1,
    n_groups=9,
    n_frames=8,
    n_dropped=2,
    frame_s=10.74,
    group_s=107.4,
    subarray="FULL",
    row_start=0,
    col_start=0,
    n_rows=2048,
    n_cols=2048,
    fast_axis=-1,
    slow_axis=2,
    n_outputs=4,
)
SUB640 = replace(
    READOUT, subarray="SUB640", row_start=1408, col_start=4, n_rows=640, n_cols=640
)
SMALL = replace(READOUT, subarray="TEST", n_rows=96, n_cols=64)
CORRECTION = np.array([[1.00002, -4e-4, 0.11], [4.1e-4, 0.99997, -0.07]])


def bent_optics(scale=0.031):
    """A distortion of the size of NIRCam's, with an inverse good to 0.01 pixels."""
    forward = polynomials(
        {"c1_0": -scale, "c0_1": 2e-4, "c2_0": 1e-7, "c1_1": -1.6e-7, "c3_0": 3e-12},
        {
            "c0_1": 1.003 * scale,
            "c1_0": 3e-4,
            "c0_2": -8e-8,
            "c2_0": 9e-8,
            "c1_2": 2e-12,
        },
    )
    model = Shift(-1023.5) & Shift(-1023.5) | forward | Shift(-122.5) & Shift(-457.7)
    model.inverse = _inverse(model)
    return model


def polynomials(x_terms, y_terms, degree=3):
    return Mapping((0, 1, 0, 1)) | (
        Polynomial2D(degree, **x_terms) & Polynomial2D(degree, **y_terms)
    )


def _inverse(model):
    pixel = np.linspace(0, 2047, 20)
    x, y = (axis.ravel() for axis in np.meshgrid(pixel, pixel))
    u, v = np.subtract(model(x, y), [[-122.5], [-457.7]])
    powers = [(p, n - p) for n in range(5) for p in range(n + 1)]
    scaled = np.stack([(u / 30) ** p * (v / 30) ** q for p, q in powers], axis=-1)
    names = [f"c{p}_{q}" for p, q in powers]
    norms = np.array([30.0 ** (p + q) for p, q in powers])
    terms = [
        dict(
            zip(
                names, np.linalg.lstsq(scaled, axis, rcond=None)[0] / norms, strict=True
            )
        )
        for axis in (x, y)
    ]
    return Shift(122.5) & Shift(457.7) | polynomials(*terms, degree=4)


def sky_planes(shape=(4, 4), distortion=None, **changes):
    """Planes for the geometry; the pixel planes are whatever fits."""
    planes = SkyPlanes(
        flat=np.ones(shape, np.float32),
        flat_err=np.zeros(shape, np.float32),
        flat_flags=np.zeros(shape, np.uint32),
        area=np.ones(shape, np.float32),
        pixel_area_sr=2.25e-14,
        mjy_sr_per_dn_s=1.3,
        distortion=distortion or bent_optics(),
        filter_offset_px=(1.016, -1.625),
    )
    return replace(planes, **changes)


def some_update(rng, size_arcsec=0.003):
    """An update of a distortion, each shape of that size."""
    shapes = rng.normal(0, size_arcsec, (2, SHAPES))
    return DistortionUpdate(
        shapes=shapes,
        error=np.zeros((2, SHAPES)),
        evidence=99.0,
        n_stars=500,
        is_applied=True,
    )


def without_correction(wcs):
    """A real GWCS as it was before its alignment."""
    last = wcs.pipeline[-2].transform
    return WCS(
        [
            (step.frame, last if step.frame.name == "v2v3vacorr" else step.transform)
            for step in wcs.pipeline
            if step.frame.name != "v2v3corr"
        ]
    )


def random_pixels(rng, shape, count=200):
    """Rows and columns over a frame, its edges included."""
    return (rng.uniform(0, 1, (count, 2)) * shape - 0.5).T


def offset_mas(ra, dec, ra_other, dec_other):
    """Largest distance between two lists of positions on the sky."""
    east = ((ra - ra_other + 180) % 360 - 180) * np.cos(np.radians(dec))
    return np.hypot(east, dec - dec_other).max() * 3.6e6


def open_real(path):
    """A real GWCS with its wcsinfo, as the file has it."""
    with warnings.catch_warnings():
        # tags older than the installed gwcs
        warnings.simplefilter("ignore")
        with asdf.open(path, memmap=False, lazy_load=False) as file:
            return file.tree["wcs"], file.tree.get("wcsinfo")


def opened(tree):
    """The GWCS in an ASDF extension, as its bytes are opened."""
    return read_embedded_wcs(Path("bytes"), tree)


def opened_grid(grid):
    """The GWCS of a grid as products carry it."""
    return opened(wcs_bytes(grid_tree(grid)))


def real_pointing(wcs, wcsinfo):
    """The pointing of a real file: its wcsinfo, or where it has none its own chain."""
    frames = list(wcs.available_frames)
    rotation = wcs.get_transform(frames[-2], "world")
    angles = next(
        m for m in rotation if type(m).__name__ == "RotationSequence3D"
    ).angles
    v2, v3, roll, dec, ra = np.asarray(angles.value) * [3600, -3600, 1, 1, -1]
    said = wcsinfo or {}
    return Pointing(
        ra_ref_deg=float(said.get("ra_ref", ra)),
        dec_ref_deg=float(said.get("dec_ref", dec)),
        roll_ref_deg=float(said.get("roll_ref", roll)),
        v2_ref_arcsec=float(said.get("v2_ref", v2)),
        v3_ref_arcsec=float(said.get("v3_ref", v3)),
        v3i_yang_deg=float(said.get("v3yangle", 0.0)),
        vparity=-1,
        va_scale=float(wcs.get_transform("v2v3", "v2v3vacorr").parameters[0]),
    )


def without_alignment(wcs, x, y):
    """Evaluate a real chain, its alignment left out."""
    v2, v3 = wcs.get_transform("detector", "v2v3vacorr")(x, y, with_bounding_box=False)
    last = list(wcs.available_frames)[-2]
    return wcs.get_transform(last, "world")(v2, v3)
