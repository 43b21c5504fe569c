"""Small exposures and mosaics of known content, for the tests of this room."""

import numpy as np

from rampline.exposure.geometry import Geometry
from rampline.exposure.grid import Grid
from rampline.exposure.header import Card, Header, Pointing, put_cards
from rampline.exposure.planes import UsedFile
from rampline.exposure.records import (
    Mosaic,
    Photometry,
    Ramp,
    SkyImage,
    SlopeImage,
    SlopePlanes,
)
from rampline.exposure.timing import Readout
from rampline.files.header_cards import exposure_cards
from rampline.files.provenance import InputFile, Provenance, StepRun
from rampline.params import ParameterRow

ROWS, COLS = 12, 20
ROOT = "jw02736001001_02103_00001_nrcb1"

INT_TIMES = [
    ("integration_number", "i4"),
    *(
        (f"int_{when}_{scale}", "f8")
        for scale in ("MJD_UTC", "BJD_TDB")
        for when in ("start", "mid", "end")
    ),
]

POINTING = Pointing(
    ra_ref_deg=110.84366520931852,
    dec_ref_deg=-73.45477516405481,
    roll_ref_deg=145.6906343262637,
    v2_ref_arcsec=-95.958764,
    v3_ref_arcsec=-484.539735,
    v3i_yang_deg=0.1703406,
    vparity=-1,
    va_scale=1.00004,
)


def make_header(n_ints=1, n_groups=3, root=ROOT, **changes):
    readout = Readout(
        pattern="MEDIUM8",
        n_ints=n_ints,
        n_groups=n_groups,
        n_frames=8,
        n_dropped=2,
        frame_s=1.06904,
        group_s=10.6904,
        subarray="SUB320",
        row_start=0,
        col_start=0,
        n_rows=ROWS,
        n_cols=COLS,
        fast_axis=1,
        slow_axis=-2,
        n_outputs=1,
    )
    fields = {
        "root": root,
        "program": "02736",
        "observation": "001",
        "visit": "001",
        "detector": "NRCB1",
        "module": "B",
        "channel": "SHORT",
        "filter": "F200W",
        "pupil": "CLEAR",
        "exp_type": "NRC_IMAGE",
        "start_mjd": 59737.4,
        "end_mjd": 59737.40108883704,
        "exposure_s": 94.07552,
        "first_integration": 1,
        "is_moving_target": False,
        "readout": readout,
        "pointing": POINTING,
    }
    return Header(**{**fields, **changes})


def full_header(**changes):
    """A header that carries its cards, as one read from a file does."""
    header = make_header(**changes)
    primary, science = exposure_cards(header)
    model = Card("DATAMODL", "Level1bModel", "Type of data model")
    return make_header(
        **{**changes, "primary": put_cards(primary, (model,)), "science": science}
    )


def make_ramp(rng, n_ints=1, n_groups=3, **changes):
    shape = (n_ints, n_groups, ROWS, COLS)
    samples = rng.integers(0, 65536, shape, dtype=np.uint16)
    times = np.zeros(n_ints, INT_TIMES)
    times["integration_number"] = np.arange(1, n_ints + 1)
    return Ramp(
        header=make_header(n_ints, n_groups, **changes),
        samples=samples,
        zero_frame=samples[:, 0].copy(),
        int_times=times,
    )


def plane(rng, *shape):
    return rng.normal(size=shape or (ROWS, COLS)).astype(np.float32)


def flags(rng, *shape):
    return rng.integers(0, 1 << 32, shape or (ROWS, COLS), dtype=np.uint32)


def make_slopes(rng, *shape):
    slopes = SlopePlanes(
        slope=plane(rng, *shape),
        err=plane(rng, *shape),
        var_poisson=plane(rng, *shape),
        var_read=plane(rng, *shape),
        flags=flags(rng, *shape),
    )
    slopes.slope[..., 0, 0] = np.nan
    return slopes


def make_slope_image(rng, n_ints=1, **extras):
    return SlopeImage(
        header=full_header(n_ints=n_ints),
        planes=make_slopes(rng),
        integrations=make_slopes(rng, n_ints, ROWS, COLS),
        extras=extras,
    )


def make_geometry(rng):
    return Geometry(
        v2v3_arcsec=rng.normal(size=(4, 5, 2)) * 100.0 + 1.0 / 3.0,
        step=8,
        origin=-8,
        shape=(ROWS, COLS),
        pointing=POINTING,
        correction=np.array([[1.0, 1e-5 / 3.0, 0.07], [-1e-5 / 7.0, 1.0, -0.01]]),
    )


def make_sky(rng, **changes):
    fields = {
        "header": full_header(),
        "sky": plane(rng),
        "err": plane(rng),
        "var_poisson": plane(rng),
        "var_read": plane(rng),
        "var_flat": plane(rng),
        "flags": flags(rng),
        "area": plane(rng),
        "photometry": Photometry(mjy_sr_per_dn_s=1.75, pixel_area_sr=2.22e-14),
        "geometry": make_geometry(rng),
        "background_mjy_sr": 0.125,
        "background_subtracted": True,
    }
    return SkyImage(**{**fields, **changes})


def make_mosaic(rng, headers):
    grid = Grid(
        ra_deg=110.8,
        dec_deg=-73.4,
        col_ref=9.0,
        row_ref=5.5,
        scale_arcsec=0.03,
        n_rows=ROWS,
        n_cols=COLS,
    )
    return Mosaic(
        grid=grid,
        filter="F200W",
        pupil="CLEAR",
        channel="SHORT",
        name="jw02736-smacs_nircam_f200w",
        sky=plane(rng),
        err=plane(rng),
        weight=plane(rng),
        exposure_s=plane(rng),
        context=rng.integers(0, 4, (1, ROWS, COLS), dtype=np.int32),
        var_poisson=plane(rng),
        var_read=plane(rng),
        var_flat=plane(rng),
        pixel_area_sr=grid.pixel_area_sr,
        headers=tuple(headers),
    )


def make_wcs(shift=0.0):
    """A small WCS of the kind that products carry: pixels to degrees."""
    from astropy import units
    from astropy.coordinates import ICRS
    from astropy.modeling.models import Scale, Shift
    from gwcs import coordinate_frames as frames
    from gwcs.wcs import WCS

    pixels = frames.Frame2D(name="detector", unit=(units.pix, units.pix))
    sky = frames.CelestialFrame(name="world", reference_frame=ICRS())
    model = (Shift(shift) | Scale(1e-5)) & Scale(1e-5)
    return WCS([(pixels, model), (sky, None)])


PROVENANCE = Provenance(
    version="0.1.0",
    steps=(
        StepRun("saturation", 0.25),
        StepRun("superbias", 0.5),
        StepRun("ipc", 0.0, "SKIPPED"),
        StepRun("a_step_of_our_own", 0.125),
    ),
    parameters=(
        ParameterRow("detector.saturation.grow", "1", "pixel", "1"),
        ParameterRow("detector.superbias.enabled", "True", "", "True"),
    ),
    references=(UsedFile("superbias", "jwst_nircam_superbias_0152.fits", "0" * 40),),
    inputs=(InputFile(f"{ROOT}_uncal.fits", "ab" * 32),),
    crds_context="jwst_1322.pmap",
    crds_version="14.0.3",
)
