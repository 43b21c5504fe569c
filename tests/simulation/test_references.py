"""Reference files: what is in them, and that the packages they are made for open them."""

import dataclasses

import asdf
import numpy as np
import pytest
from astropy.io import fits
from scipy.signal import convolve2d

from rampline.simulation.distortion import distortion_model
from rampline.simulation.electronics import coupling_kernel
from rampline.simulation.expose import detector_planes
from rampline.simulation.geometry import camera, detector_to_focal
from rampline.simulation.light import nominal_area_sr
from rampline.simulation.pointing import plan_exposures
from rampline.simulation.reference_planes import (
    FITS_MAKERS,
    Source,
    decoupling_kernel,
)
from rampline.simulation.references import write_references
from rampline.simulation.scene import SceneParams
from rampline.simulation.siaf import aperture
from rampline.simulation.streams import stream
from tests.simulation.scenes import small

EXACT = 0.0, 0.0


def _with(**references):
    return SceneParams.model_validate(
        {**small().model_dump(), "references": references}
    )


def _written(folder, scene):
    exposure = plan_exposures(scene)[0]
    pixels = detector_planes(exposure, scene.seed)
    files = write_references(folder, scene, exposure, pixels)
    return {file.kind: file.path for file in files}, pixels, exposure


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return _written(tmp_path_factory.mktemp("references"), small())


def _plane(path, name="SCI"):
    with fits.open(path) as file:
        return np.array(file[name].data)


def test_gain_and_noise_are_those_of_the_pixels(written):
    paths, pixels, _ = written
    assert np.array_equal(_plane(paths["gain"]), pixels.gain)
    noise = _plane(paths["readnoise"]) / np.sqrt(2)
    assert np.allclose(noise, pixels.read_noise_dn)


def test_the_polynomial_straightens_what_the_pixels_bend(written):
    paths, pixels, _ = written
    coefficients = _plane(paths["linearity"], "COEFFS").astype(float)
    true = 0.95 * pixels.well_dn.astype(float)
    measured = true / (1 + pixels.curvature * true)
    straight = np.polynomial.polynomial.polyval(measured, coefficients, tensor=False)
    assert np.abs(straight / true - 1).max() < 1e-5


def test_saturation_lies_below_the_full_well(written):
    paths, pixels, _ = written
    limit = _plane(paths["saturation"])
    full = pixels.bias_dn + pixels.well_dn / (1 + pixels.curvature * pixels.well_dn)
    known = np.isfinite(limit)
    assert known.mean() > 0.9
    assert (limit[known] < full[known]).all()
    assert (limit[known] > 0.9 * full[known]).all()
    assert limit[known].max() < 65535


def test_the_dark_grows_with_the_groups_times(written):
    paths, _, exposure = written
    dark = _plane(paths["dark"])
    times = exposure.readout.group_times_s()
    rate = dark[-1] / times[-1]
    assert np.allclose(dark[0], rate * times[0], rtol=1e-5, atol=1e-6)
    assert rate.min() >= 0


@pytest.mark.parametrize(("at_least", "reads"), [(1, 40), (90, 90)])
def test_a_rapid_dark_has_every_read(tmp_path, at_least, reads):
    """As many as the exposure's four groups of ten take, or as many as asked for."""
    paths, _, exposure = _written(tmp_path, _with(rapid_dark=at_least))
    with fits.open(paths["dark"]) as file:
        assert file[0].header["NFRAMES"] == 1
        assert file[0].header["GROUPGAP"] == 0
        assert file[0].header["READPATT"] == "RAPID"
        assert file["SCI"].data.shape[0] == reads
        times = 0.27864 * np.arange(1, reads + 1)
        rate = file["SCI"].data[-1] / times[-1]
        assert np.allclose(file["SCI"].data[5], rate * times[5], rtol=1e-5, atol=1e-6)
    assert exposure.readout.n_groups == 4


def test_a_dark_is_as_long_as_the_longest_exposure_of_its_pattern(tmp_path):
    scene = small()
    longer = scene.activities[0].model_copy(update={"groups": 7, "activity": "05"})
    other = longer.model_copy(update={"pattern": "DEEP8", "activity": "07"})
    scene = scene.model_copy(update={"activities": (*scene.activities, longer, other)})
    paths, _, _ = _written(tmp_path, scene)
    assert _plane(paths["dark"]).shape[0] == 7
    assert paths["dark"].name == "jwst_nircam_dark_nrcb1_sub160_medium8.fits"


def test_the_dark_of_hot_pixels_has_their_shot_noise():
    """Its variance after a time t is the dark charge over the number of darks."""
    exposure = plan_exposures(small())[0]
    pixels = detector_planes(exposure, 1)
    hot = dataclasses.replace(
        pixels,
        dark_e_s=np.full_like(pixels.dark_e_s, 500.0),
        read_noise_dn=np.zeros_like(pixels.read_noise_dn),
    )
    scene = _with(dark_exposures=10)
    source = Source(scene=scene, exposure=exposure, pixels=hot)
    cube, error, _ = FITS_MAKERS["dark"](source)
    times = exposure.readout.group_times_s()
    gain = pixels.gain[0, 0]
    for group, seconds in enumerate(times):
        expected = 500.0 * seconds / 10 / gain**2
        plane = cube.data[group][8:-8, 8:-8]
        error_of_mean = np.sqrt(expected / plane.size)
        assert plane.mean() == pytest.approx(
            500 * seconds / gain, abs=5 * error_of_mean
        )
        assert plane.var() == pytest.approx(expected, rel=5 * np.sqrt(2 / plane.size))
    assert not error.data.any()


def test_files_that_were_written_are_not_written_again(tmp_path):
    scene = small()
    exposure = plan_exposures(scene)[0]
    pixels = detector_planes(exposure, scene.seed)
    first = write_references(tmp_path, scene, exposure, pixels)
    for file in first:
        file.path.write_bytes(b"kept")
    assert write_references(tmp_path, scene, exposure, pixels, first) == first
    assert {file.path.read_bytes() for file in first} == {b"kept"}


def test_errors_are_of_the_size_asked_for(written, tmp_path):
    exact, pixels, exposure = written
    scene = _with(flat_error=0.005, gain_error=0.005, dark_exposures=4)
    wrong, _, _ = _written(tmp_path, scene)
    flat = _plane(wrong["flat"]) / _plane(exact["flat"]) - 1
    assert np.nanstd(flat) == pytest.approx(0.005, rel=0.05)
    assert np.nanmedian(_plane(wrong["flat"], "ERR")) == pytest.approx(0.005)
    assert np.allclose(_plane(wrong["gain"]) / pixels.gain, 1.005)
    bias = _plane(wrong["superbias"]) - pixels.bias_dn
    detector = exposure.detector
    sigma = np.hypot(detector.reset_noise_dn, detector.read_noise_dn) / 2
    assert bias.std() == pytest.approx(sigma, rel=0.05)
    dark = (_plane(wrong["dark"]) - _plane(exact["dark"])) / pixels.read_noise_dn
    dark = dark[:, pixels.dark_e_s < 0.1]
    assert dark.std() == pytest.approx(1 / np.sqrt(8 * 4), rel=0.05)


def test_pixel_areas_are_those_of_the_geometry(written):
    paths, _, exposure = written
    area = _plane(paths["area"])
    nominal = fits.getval(paths["area"], "PIXAR_SR")
    made = exposure.believed
    rows, cols = np.array([0.0, 80.0, 159.0]), np.array([10.0, 80.0, 150.0])
    expected = made.pixel_area_sr(rows, cols) / made.va_scale**2
    there = area[rows.astype(int), cols.astype(int)] * nominal
    assert np.allclose(there, expected, rtol=1e-6)
    assert nominal == pytest.approx(nominal_area_sr(made))


def test_aperture_corrections_undo_what_aperture_and_annulus_lose(written):
    paths, _, _ = written
    table = fits.getdata(paths["apcorr"], "APCORR")
    assert (np.diff(table["radius"]) > 0).all()
    assert (table["apcorr"] > 1 / table["eefraction"]).all()
    assert np.allclose(table["apcorr"] * table["eefraction"], 1.0, atol=0.02)
    assert set(table["skyin"]) == {8.0}


@pytest.mark.parametrize("name", ["NRCB1_FULL", "NRCA5_FULL"])
def test_the_distortion_model_is_the_simulators_geometry(name, rng):
    full = aperture(name)
    model = distortion_model(full, EXACT, stream(1, "reference_errors"))
    x, y = rng.uniform(0, 2047, (2, 200))
    v2, v3 = model(x, y)
    expected = detector_to_focal(full, x + 1, y + 1)
    assert np.abs(np.array([v2, v3]) - expected).max() < 1e-9
    back = np.array(model.inverse(v2, v3))
    assert np.abs(back - (x, y)).max() < 0.01


def test_a_distortion_can_be_wrong_by_what_is_asked_for():
    full = aperture("NRCB1_FULL")
    exact = distortion_model(full, EXACT, stream(1, "reference_errors"))
    wrong = distortion_model(full, (2.0, 0.0), stream(1, "reference_errors"))
    axis = np.linspace(0, 2047, 33)
    x, y = (grid.ravel() for grid in np.meshgrid(axis, axis))
    error = (np.array(wrong(x, y)) - exact(x, y)) * 1000
    assert np.sqrt(np.mean(error**2, axis=1)) == pytest.approx([2.0, 2.0], rel=0.01)
    moved = distortion_model(full, (0.0, 3.0), stream(1, "reference_errors"))
    shift = (np.array(moved(x, y)) - exact(x, y)) * 1000
    assert np.ptp(shift, axis=1).max() < 1e-6
    assert 0.1 < np.abs(shift).max() < 12


def test_the_filter_offset_is_the_one_of_the_true_camera(written):
    paths, _, exposure = written
    with asdf.open(paths["filteroffset"]) as file:
        rows = {(row["filter"], row["pupil"]): row for row in file["filters"]}
    row = rows["F187N", "CLEAR"]
    assert (row["column_offset"], row["row_offset"]) == exposure.true.filter_offset_px
    assert len(rows) == 12


def test_vega_offsets_are_in_one_file_for_both_channels(written):
    """A mosaic is of no detector, so CRDS cannot choose by one."""
    with asdf.open(written[0]["abvegaoffset"]) as file:
        filters = set(file["abvega_offset"]["filter"])
    assert {"F200W", "F444W"} <= filters


@pytest.mark.parametrize("name", ["NRCB1", "NRCALONG"])
def test_the_ipc_file_undoes_the_coupling(name):
    """`jwst` convolves with it; what is left is of second order in the coupling."""
    kernel3 = coupling_kernel(name)
    undone = convolve2d(kernel3, decoupling_kernel(kernel3))
    point = np.zeros((5, 5))
    point[2, 2] = 1.0
    assert np.abs(undone - point).max() < 8 * kernel3[0, 1] ** 2
    assert undone.sum() == pytest.approx(1.0, abs=1e-6)


def test_flats_of_two_filters_have_errors_of_their_own(tmp_path):
    errors = []
    for short in ("F187N", "F164N"):
        scene = _with(flat_error=0.01)
        activity = scene.activities[0].model_copy(update={"short": short})
        exact, _, _ = _written(
            tmp_path, small().model_copy(update={"activities": (activity,)})
        )
        plain = _plane(exact["flat"])
        noisy, _, _ = _written(
            tmp_path, scene.model_copy(update={"activities": (activity,)})
        )
        errors.append(_plane(noisy["flat"]) / plain - 1)
    known = np.isfinite(errors[0])
    correlation = np.corrcoef(errors[0][known], errors[1][known])[0, 1]
    assert abs(correlation) < 5 / np.sqrt(known.sum())


MODELS = {
    "mask": "MaskModel",
    "saturation": "SaturationModel",
    "superbias": "SuperBiasModel",
    "linearity": "LinearityModel",
    "dark": "DarkModel",
    "gain": "GainModel",
    "readnoise": "ReadnoiseModel",
    "flat": "FlatModel",
    "area": "PixelAreaModel",
    "ipc": "IPCModel",
    "photom": "NrcImgPhotomModel",
    "apcorr": "NrcImgApcorrModel",
    "distortion": "DistortionModel",
    "filteroffset": "FilteroffsetModel",
    "abvegaoffset": "ABVegaOffsetModel",
}


@pytest.mark.parity
@pytest.mark.parametrize("kind", list(MODELS))
def test_stdatamodels_opens_and_validates_every_kind(written, kind):
    from stdatamodels.jwst import datamodels

    paths, _, _ = written
    with getattr(datamodels, MODELS[kind])(
        paths[kind], strict_validation=True
    ) as model:
        model.validate()
        # The real ones spell the type of the distortion in small letters.
        assert model.meta.reftype.lower() == kind
        assert model.meta.instrument.name == "NIRCAM"


@pytest.mark.parity
def test_jwst_assigns_the_believed_world_coordinates(written, tmp_path, rng):
    from jwst.assign_wcs.assign_wcs import load_wcs
    from stdatamodels.jwst import datamodels

    from rampline.files.write_raw import write_level1b
    from rampline.simulation.catalog import draw_sources
    from rampline.simulation.expose import expose

    paths, _, exposure = written
    scene = small()
    sources = draw_sources(scene.field, scene.seed)
    raw = tmp_path / f"{exposure.root}_uncal.fits"
    write_level1b(raw, expose(scene, exposure, sources).ramp)
    with datamodels.open(raw) as ramp, datamodels.ImageModel((160, 160)) as image:
        image.update(ramp)
        files = {kind: str(paths[kind]) for kind in ("distortion", "filteroffset")}
        solved = load_wcs(image, files)
    row, col = rng.uniform(0, 159, (2, 100))
    ra, dec = solved.meta.wcs(col, row)
    expected = exposure.believed.pixel_to_sky(row, col)
    off = np.hypot((ra - expected[0]) * np.cos(np.radians(dec)), dec - expected[1])
    assert off.max() * 3.6e6 < 0.01


def test_a_camera_without_its_filter_offset_looks_elsewhere():
    exposure = plan_exposures(small())[0]
    bare = camera("NRCB1_SUB160", exposure.true.attitude, exposure.true.va_scale)
    here = exposure.true.pixel_to_sky(np.array(80.0), np.array(80.0))
    row, col = bare.sky_to_pixel(*here)
    offset = exposure.true.filter_offset_px
    assert np.allclose((col - 80, row - 80), offset, atol=1e-6)
