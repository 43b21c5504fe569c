import io
from dataclasses import replace
from pathlib import Path

import asdf
import numpy as np
import pytest

from rampline.astrometry.geometry import make_geometry, pixel_to_sky
from rampline.astrometry.gwcs_model import (
    align_gwcs,
    build_gwcs,
    geometry_from_gwcs,
)
from rampline.files.read import read_gwcs, read_header
from rampline.files.read_mosaic import read_image_cards
from rampline.reference.sky_planes import load_distortion
from rampline.simulation import siaf
from rampline.simulation.geometry import detector_to_focal

from ..pipeline.exposures import make_header
from .fields import (
    CORRECTION,
    POINTING,
    READOUT,
    SUB640,
    offset_mas,
    open_real,
    random_pixels,
    real_pointing,
    sky_planes,
    without_alignment,
)


@pytest.mark.parametrize("readout", [READOUT, SUB640])
@pytest.mark.parametrize("correction", [None, CORRECTION])
def test_gwcs_and_geometry_look_at_the_same_place(rng, readout, correction):
    planes = sky_planes()
    wcs = build_gwcs(planes, POINTING, readout, correction)
    geometry = make_geometry(planes, POINTING, readout, correction)
    rows, cols = random_pixels(rng, geometry.shape)
    assert offset_mas(*wcs(cols, rows), *pixel_to_sky(geometry, rows, cols)) < 1e-4


def test_the_frames_are_those_of_the_jwst_pipeline():
    plain = build_gwcs(sky_planes(), POINTING, SUB640)
    assert plain.available_frames == ["detector", "v2v3", "v2v3vacorr", "world"]
    assert plain.bounding_box.bounding_box(order="F") == ((-0.5, 639.5), (-0.5, 639.5))
    aligned = align_gwcs(plain, POINTING, CORRECTION)
    frames = ["detector", "v2v3", "v2v3vacorr", "v2v3corr", "world"]
    assert aligned.available_frames == frames
    assert aligned.bounding_box.bounding_box(order="F") == (
        (-0.5, 639.5),
        (-0.5, 639.5),
    )


def test_a_second_alignment_is_added_to_the_first():
    once = build_gwcs(sky_planes(), POINTING, READOUT, CORRECTION)
    twice = align_gwcs(once, POINTING, CORRECTION)
    assert twice.available_frames == once.available_frames
    geometry = geometry_from_gwcs(twice, POINTING, (2048, 2048))
    linear = CORRECTION[:, :2] @ CORRECTION[:, :2]
    shift = CORRECTION[:, :2] @ CORRECTION[:, 2] + CORRECTION[:, 2]
    expected = np.column_stack([linear, shift])
    np.testing.assert_allclose(geometry.correction, expected, atol=1e-10)


@pytest.mark.parametrize("correction", [None, CORRECTION])
def test_a_geometry_read_from_a_gwcs_is_the_one_it_was_made_of(correction):
    planes = sky_planes()
    wcs = build_gwcs(planes, POINTING, SUB640, correction)
    made = make_geometry(planes, POINTING, SUB640, correction)
    read = geometry_from_gwcs(wcs, POINTING, (640, 640))
    np.testing.assert_allclose(read.v2v3_arcsec, made.v2v3_arcsec, atol=1e-8)
    np.testing.assert_allclose(read.correction, made.correction, atol=1e-12)


def test_a_gwcs_survives_the_file(rng):
    wcs = build_gwcs(sky_planes(), POINTING, READOUT, CORRECTION)
    buffer = io.BytesIO()
    asdf.AsdfFile({"wcs": wcs}).write_to(buffer)
    buffer.seek(0)
    with asdf.open(buffer) as file:
        back = file["wcs"]
        rows, cols = random_pixels(rng, (2048, 2048))
        assert offset_mas(*back(cols, rows), *wcs(cols, rows)) < 1e-6
        assert np.isnan(back(-5.0, 10.0)).all()


def test_the_distortion_of_the_planes_is_not_changed():
    planes = sky_planes(filter_offset_px=(0.0, 0.0))
    build_gwcs(planes, POINTING, READOUT)
    with pytest.raises(NotImplementedError):
        _ = planes.distortion.bounding_box


@pytest.fixture(scope="module")
def real_exposures(shared):
    """Name, GWCS and wcsinfo of the 32 real exposures."""
    files = sorted((shared / "real_gwcs").glob("*.asdf"))
    assert len(files) == 32
    return [(path.stem, *open_real(path)) for path in files]


@pytest.mark.shared
def test_real_exposures_are_rebuilt_from_distortion_and_header(
    real_exposures, tmp_path, rng
):
    rows, cols = random_pixels(rng, (2048, 2048))
    for name, real, wcsinfo in real_exposures:
        reference = tmp_path / f"{name}_distortion.asdf"
        model = real.get_transform("detector", "v2v3")
        asdf.AsdfFile({"model": model}).write_to(reference)
        planes = sky_planes(
            distortion=load_distortion(reference, name, make_header()),
            filter_offset_px=(0.0, 0.0),
        )
        pointing = real_pointing(real, wcsinfo)
        # a GWCS is built of models, not of the trees that the reference file has
        wcs = build_gwcs(replace(planes, distortion=model), pointing, READOUT)
        geometry = make_geometry(planes, pointing, READOUT)
        truth = without_alignment(real, cols, rows)
        assert offset_mas(*wcs(cols, rows), *truth) < 0.1, name
        assert offset_mas(*pixel_to_sky(geometry, rows, cols), *truth) < 0.1, name


@pytest.mark.shared
def test_the_geometry_of_real_exposures_includes_their_alignment(real_exposures, rng):
    rows, cols = random_pixels(rng, (2048, 2048))
    for name, real, wcsinfo in real_exposures:
        geometry = geometry_from_gwcs(real, real_pointing(real, wcsinfo), (2048, 2048))
        sky = pixel_to_sky(geometry, rows, cols)
        assert offset_mas(*sky, *real(cols, rows)) < 1e-3, name
        is_aligned = "v2v3corr" in real.available_frames
        assert is_aligned != np.array_equal(geometry.correction, np.eye(2, 3))


@pytest.mark.shared
def test_a_real_cutout_keeps_the_wcs_of_the_whole_frame(shared, rng):
    path = next((shared / "real_nircam_cal").glob("*.fits"))
    header, real = read_header(path), read_gwcs(path)
    _, shape = read_image_cards(path)
    row, col = 100, 400
    geometry = geometry_from_gwcs(real, header.pointing, shape, (row, col))
    rows, cols = random_pixels(rng, shape)
    sky = pixel_to_sky(geometry, rows, cols)
    assert offset_mas(*sky, *real(cols + col, rows + row)) < 1e-3


@pytest.mark.shared
def test_pysiaf_has_the_distortion_of_the_real_files(real_exposures, monkeypatch):
    """To 2 mas after a constant: PRDOPSSOC-063 is the one of these files' time."""
    siaf.load_apertures()
    import pysiaf

    prd = Path(pysiaf.JWST_PRD_DATA_ROOT).parents[2] / "PRDOPSSOC-063"
    of_the_time = pysiaf.Siaf("NIRCam", basepath=str(prd / "SIAFXML" / "SIAFXML"))
    monkeypatch.setattr(siaf, "load_apertures", lambda: of_the_time)
    pixel = np.linspace(0, 2047, 15)
    x, y = np.meshgrid(pixel, pixel)
    for name, real, _ in real_exposures:
        detector = next(part for part in name.split("_") if part.startswith("nrc"))
        aperture = detector.upper().replace("LONG", "5") + "_FULL"
        full = siaf.aperture.__wrapped__(aperture)
        ours = np.stack(detector_to_focal(full, x + 1, y + 1))
        theirs = np.stack(real.get_transform("detector", "v2v3")(x, y))
        residual = (ours - theirs) * 1000
        residual -= residual.mean(axis=(1, 2), keepdims=True)
        assert np.sqrt((residual**2).sum(axis=0).mean()) < 2.0, name
