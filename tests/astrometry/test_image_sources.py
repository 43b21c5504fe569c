from dataclasses import replace

import numpy as np
import pytest

from rampline.astrometry.alignment import AlignmentParams, align_exposures
from rampline.astrometry.geometry import (
    combine_corrections,
    make_geometry,
    pixel_to_sky,
    sky_to_pixel,
    tangent_frame,
)
from rampline.astrometry.gwcs_model import geometry_from_gwcs
from rampline.astrometry.image_sources import (
    detector_name,
    place_references,
    place_sources,
)
from rampline.astrometry.matching import rotation
from rampline.astrometry.sources import PointSources
from rampline.exposure.header import Header

from .fields import (
    POINTING,
    READOUT,
    offset_mas,
    open_real,
    real_pointing,
    sky_planes,
)

FRAME = tangent_frame(110.85, -73.44)


def header(root, detector="NRCB1"):
    return Header(
        root=root,
        program="02736",
        observation="001",
        visit="001",
        detector=detector,
        module="B",
        channel="SHORT",
        filter="F200W",
        pupil="CLEAR",
        exp_type="NRC_IMAGE",
        start_mjd=59737.0,
        end_mjd=59737.1,
        exposure_s=900.0,
        first_integration=1,
        is_moving_target=False,
        readout=READOUT,
        pointing=POINTING,
    )


def sources(rows, cols):
    ones = np.ones(len(rows))
    yes = ones.astype(bool)
    return PointSources(
        rows=rows,
        cols=cols,
        error_px=0.01 * ones,
        flux=ones,
        snr=100 * ones,
        ellipticity=0 * ones,
        concentration=0.7 * ones,
        is_star=yes,
        is_compact=yes,
    )


@pytest.fixture
def geometry():
    return make_geometry(sky_planes(), POINTING, READOUT)


def test_a_subarray_is_not_bent_as_the_whole_detector_is():
    full = header("jw02736001001_02103_00004_nrcb1")
    part = replace(full, readout=replace(full.readout, subarray="SUB640"))
    assert detector_name(full) == "NRCB1 F200W CLEAR"
    assert detector_name(part) == "NRCB1 F200W CLEAR SUB640"


def test_names_say_what_images_share(geometry, rng):
    placed = place_sources(
        sources(*rng.uniform(0, 2047, (2, 5))),
        geometry,
        header("jw02736001001_02103_00004_nrcb1"),
        FRAME,
    )
    assert placed.visit == "02736001001"
    assert placed.exposure == "jw02736001001_02103_00004"
    assert placed.detector == "NRCB1 F200W CLEAR"


def test_positions_are_those_of_the_sky(geometry, rng):
    rows, cols = rng.uniform(0, 2047, (2, 30))
    placed = place_sources(sources(rows, cols), geometry, header("a_b_c_d"), FRAME)
    ra, dec = pixel_to_sky(geometry, rows, cols)
    there = place_references(ra, dec, np.zeros(30), FRAME)
    np.testing.assert_allclose(placed.position, there.position, atol=1e-6)
    assert placed.error[0] == pytest.approx(0.01 * 0.031, rel=0.01)


def test_reference_stars_behind_the_observer_are_left_out():
    placed = place_references(
        np.array([110.85, 290.85]), np.array([-73.44, 73.44]), np.zeros(2), FRAME
    )
    assert len(placed.position) == 1


def test_axes_turn_with_the_roll(geometry):
    placed = place_sources(sources(*np.ones((2, 1))), geometry, header("a_b"), FRAME)
    # Roll: V3 from north towards east. Both axes have unit length.
    np.testing.assert_allclose(np.linalg.norm(placed.axes, axis=0), 1, rtol=1e-3)
    north = placed.jacobian[:, 1]
    angle = np.degrees(np.arctan2(*placed.axes[:, 1]) - np.arctan2(*north))
    assert angle == pytest.approx(POINTING.roll_ref_deg, abs=0.1)


def test_a_correction_brings_every_pixel_back_to_the_true_sky(rng):
    """Wrong headers of three dithers, true stars, and pixels that must look right again."""
    truth, wrong = [], []
    for k in range(3):
        pointing = replace(POINTING, ra_ref_deg=POINTING.ra_ref_deg + 3e-3 * k)
        right = make_geometry(sky_planes(), pointing, READOUT)
        error = np.column_stack(
            [rotation(np.radians(rng.normal(0, 0.03))), rng.normal(0, 1, 2)]
        )
        truth.append(replace(right, correction=error))
        wrong.append(right)
    ra, dec = pixel_to_sky(truth[1], *rng.uniform(-300, 2347, (2, 400)))
    images = []
    for k in range(3):
        rows, cols = sky_to_pixel(truth[k], ra, dec)
        seen = (np.abs(rows - 1023) < 1020) & (np.abs(cols - 1023) < 1020)
        name = header(f"jw02736001001_02103_{k:05d}_nrcb1")
        images.append(
            place_sources(sources(rows[seen], cols[seen]), wrong[k], name, FRAME)
        )
    catalog = place_references(ra, dec, np.full(400, 1e-4), FRAME)
    aligned = align_exposures(images, catalog, AlignmentParams())
    pixels = rng.uniform(0, 2047, (2, 100))
    for right, geometry, image in zip(truth, wrong, aligned.images, strict=True):
        assert image.status == "OK"
        total = combine_corrections(geometry.correction, image.correction)
        found = pixel_to_sky(replace(geometry, correction=total), *pixels)
        # The planes of image and field differ by 1e-7 over a detector.
        assert offset_mas(*found, *pixel_to_sky(right, *pixels)) < 0.01


@pytest.mark.shared
def test_the_real_alignment_of_ceers_is_found_again(shared, rng):
    """Ten detectors, two dithers, tied to HST by its team: headers were 0.3 arcsec off."""
    paths = sorted((shared / "real_gwcs").glob("jw01345*.asdf"))[:20]
    frame = tangent_frame(214.985, 52.98)
    ra = 214.985 + rng.uniform(-0.1, 0.1, 4000)
    dec = 52.98 + rng.uniform(-0.06, 0.06, 4000)
    truth, images = [], []
    for path in paths:
        wcs, wcsinfo = open_real(path)
        pointing = real_pointing(wcs, wcsinfo)
        truth.append(geometry_from_gwcs(wcs, pointing, (2048, 2048)))
        place = np.stack(sky_to_pixel(truth[-1], ra, dec))
        with np.errstate(invalid="ignore"):
            seen = (np.abs(place - 1023) < 1020).all(axis=0)
        rows, cols = place[:, seen] + rng.normal(0, 0.01, (2, seen.sum()))
        root = path.stem.removesuffix("_tweakreg")
        name = header(root, detector=root.rsplit("_", 1)[1].upper())
        unaligned = replace(truth[-1], correction=np.eye(2, 3))
        images.append(place_sources(sources(rows, cols), unaligned, name, frame))
    assert len(images) == 20
    catalog = place_references(ra, dec, np.full(4000, 2e-3), frame)
    aligned = align_exposures(images, catalog, AlignmentParams())
    pixels = rng.uniform(0, 2047, (2, 100))
    for right, image in zip(truth, aligned.images, strict=True):
        assert image.status == "OK", image.reason
        found = replace(right, correction=image.correction)
        sky = pixel_to_sky(found, *pixels)
        assert offset_mas(*sky, *pixel_to_sky(right, *pixels)) < 0.5
