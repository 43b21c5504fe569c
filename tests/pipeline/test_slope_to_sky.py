from dataclasses import fields, replace

import numpy as np
import pytest
from astropy.io import fits

from rampline.artifacts.bits import RIPPLE
from rampline.artifacts.ripple import RippleParams
from rampline.background.dedicated import DedicatedBackgroundParams
from rampline.background.noise_level import NoiseLevelParams
from rampline.background.sky_model import SkyModelParams
from rampline.calibration.flat import FlatParams
from rampline.calibration.flux import FluxParams
from rampline.exposure.header import card_values
from rampline.exposure.records import SlopeImage, SlopePlanes
from rampline.files.provenance import Provenance
from rampline.files.read import read_header, read_slope, stored_geometry
from rampline.files.write import write_sky, write_slope
from rampline.flags import DO_NOT_USE, JUMP
from rampline.pipeline.backgrounds import with_backgrounds
from rampline.pipeline.exposure_geometry import product_wcs
from rampline.pipeline.runner import Bench, Runner
from rampline.pipeline.slope_to_sky import (
    SlopeToSky,
    integration_images,
    slope_to_flat_slope,
    slope_to_sky,
)
from rampline.reference.folder import FolderSource
from rampline.reference.selection import SKY_KINDS
from rampline.reference.sky_planes import load_sky_planes

from ..astrometry.fields import sky_planes
from .exposures import (
    SHAPE,
    make_header,
    random_planes,
    reference_planes,
    slope_image,
)


def walk(slope, planes, **changes):
    run = Runner(planes, Bench())
    return slope_to_sky(slope, run, SlopeToSky(**changes)), run


def test_a_ripple_is_looked_for_in_parallels_only(rng):
    shape = (256, 256)
    y, x = np.indices(shape)
    wave = 0.015 * np.sin(0.1 * x + 0.17 * y)
    slope = (0.2 + wave + rng.normal(0, 0.03, shape)).astype(np.float32)
    large = replace(make_header().readout, n_rows=shape[0], n_cols=shape[1])
    exposure = SlopeImage(
        header=make_header(readout=large),
        planes=replace(random_planes(rng, shape), slope=slope),
    )
    prime, _ = walk(exposure, sky_planes(shape))
    assert "RIPPLE" not in card_values(prime.header.primary)
    assert "ARTIFACT" not in prime.extras
    beside = replace(exposure.header, root="jw02736001001_02203_00001_nrcb1")
    image, _ = walk(replace(exposure, header=beside), sky_planes(shape))
    cards = card_values(image.header.primary)
    assert cards["RIPPERIO"] == pytest.approx(2 * np.pi / np.hypot(0.1, 0.17), rel=0.1)
    assert cards["RIPANGLE"] == pytest.approx(np.degrees(np.arctan2(17, 10)), abs=5)
    assert (image.extras["ARTIFACT"] & RIPPLE != 0).all()


def snapshot(planes):
    return [np.array(getattr(planes, field.name)) for field in fields(planes)]


def test_two_counts_through_half_a_flat_at_three_mjy_are_twelve(rng):
    half = np.full(SHAPE, 0.5, np.float32)
    planes = reference_planes(rng, flat=half, mjy_sr_per_dn_s=3.0)
    ones = np.ones(SHAPE, np.float32)
    slope = SlopeImage(
        header=make_header(),
        planes=SlopePlanes(
            slope=2 * ones,
            err=0.05 * ones,
            var_poisson=0.0016 * ones,
            var_read=0.0009 * ones,
            flags=np.zeros(SHAPE, np.uint32),
        ),
    )
    image, _ = walk(slope, replace(planes, flat_err=0 * ones))
    np.testing.assert_allclose(image.sky, 12.0, rtol=1e-6)
    np.testing.assert_allclose(image.err, 0.3, rtol=1e-6)
    np.testing.assert_allclose(image.var_poisson, 0.0576, rtol=1e-6)
    np.testing.assert_allclose(image.background_mjy_sr, 12.0, rtol=1e-6)


def test_the_trail_is_the_order_of_the_parameters(rng):
    planes = reference_planes(rng)
    backgrounds = [slope_image(rng) for _ in range(3)]
    planes = with_backgrounds(
        planes, make_header(), backgrounds, DedicatedBackgroundParams()
    )
    _, run = walk(slope_image(rng), planes)
    assert [step.step for step in run.trail] == list(SlopeToSky.model_fields)


def test_the_slope_image_stays_as_it_was(rng):
    slope = slope_image(rng)
    before = snapshot(slope.planes)
    walk(slope, reference_planes(rng), sky_model=SkyModelParams(subtract=True))
    for now, then in zip(snapshot(slope.planes), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_the_next_exposure_does_not_overwrite_this_one(rng):
    run = Runner(reference_planes(rng), Bench())
    first = slope_to_sky(slope_image(rng), run, SlopeToSky())
    kept = first.sky.copy()
    slope_to_sky(slope_image(rng), run, SlopeToSky())
    np.testing.assert_array_equal(first.sky, kept)


def test_steps_can_be_left_out(rng):
    planes = reference_planes(rng)
    slope = slope_image(rng)
    image, run = walk(
        slope,
        planes,
        flat=FlatParams(enabled=False),
        sky_model=SkyModelParams(enabled=False),
        ripple=RippleParams(enabled=False),
        noise_level=NoiseLevelParams(enabled=False),
    )
    assert [step.step for step in run.trail] == ["geometry", "flux"]
    expected = slope.planes.slope * np.float32(planes.mjy_sr_per_dn_s)
    np.testing.assert_allclose(image.sky, expected, rtol=1e-6)
    assert np.nanmax(image.var_flat) == 0
    assert np.isnan(image.background_mjy_sr)


def test_a_subtracted_sky_is_kept(rng):
    planes, slope = reference_planes(rng), slope_image(rng)
    plain, _ = walk(slope, planes)
    flat, _ = walk(slope, planes, sky_model=SkyModelParams(subtract=True))
    assert not plain.background_subtracted
    assert flat.background_subtracted
    assert flat.background_mjy_sr == plain.background_mjy_sr
    restored = flat.sky + flat.extras["SKYMODEL"]
    np.testing.assert_allclose(restored, plain.sky, atol=1e-6)
    assert abs(np.nanmedian(flat.sky)) < 0.01


def test_fluxes_of_a_detector_are_scaled_by_its_zero_point(rng):
    planes, slope = reference_planes(rng), slope_image(rng)
    plain, _ = walk(slope, planes)
    name = slope.header.detector
    scaled, _ = walk(slope, planes, flux=FluxParams(zero_points=f"{name} 0.75257499"))
    np.testing.assert_allclose(scaled.sky, plain.sky / 2, rtol=1e-5)
    assert scaled.photometry.mjy_sr_per_dn_s == pytest.approx(
        plain.photometry.mjy_sr_per_dn_s / 2
    )


def test_read_variance_is_scaled_to_the_scatter_of_the_sky_when_asked(rng):
    planes, slope = reference_planes(rng), slope_image(rng)
    plain, _ = walk(slope, planes)
    scaled, _ = walk(slope, planes, noise_level=NoiseLevelParams(rescale=True))
    cards = {card.keyword: card.value for card in scaled.header.primary}
    assert cards["NOISERAT"] == header_value(plain, "NOISERAT")
    assert header_value(plain, "RNSCALE") is None
    np.testing.assert_allclose(
        scaled.var_read, plain.var_read * np.float32(cards["RNSCALE"]), rtol=1e-6
    )
    total = scaled.var_read + scaled.var_poisson + scaled.var_flat
    np.testing.assert_allclose(scaled.err, np.sqrt(total), rtol=1e-6)


def header_value(image, keyword):
    cards = {card.keyword: card.value for card in image.header.primary}
    return cards.get(keyword)


def test_every_integration_of_a_time_series_is_treated_as_an_exposure(rng):
    planes = reference_planes(rng)
    series = slope_image(rng, n_ints=3, exp_type="NRC_TSIMAGE")
    image, _ = walk(series, planes)
    assert image.integrations is not None
    for k in range(3):
        one = SlopePlanes(
            **{
                f.name: getattr(series.integrations, f.name)[k]
                for f in fields(SlopePlanes)
            }
        )
        alone, _ = walk(replace(series, planes=one, integrations=None), planes)
        for name in ("sky", "err", "var_poisson", "var_read", "var_flat", "flags"):
            np.testing.assert_array_equal(
                getattr(image.integrations, name)[k], getattr(alone, name)
            )


def test_images_keep_no_integrations(rng):
    image, _ = walk(slope_image(rng, n_ints=2), reference_planes(rng))
    assert image.integrations is None
    with pytest.raises(ValueError, match="no integrations"):
        integration_images(image)


def test_the_integrations_of_a_series_are_written_as_calints(rng, tmp_path):
    planes = reference_planes(rng)
    series = slope_image(rng, n_ints=3, exp_type="NRC_TSIMAGE")
    image, _ = walk(series, planes)
    world = product_wcs(image.geometry, planes, image.header)
    cube = integration_images(image)
    path = tmp_path / f"{image.header.root}_calints.fits"
    write_sky(path, cube, world.gwcs, world.cards, Provenance(version="0"))
    with fits.open(path) as hdus:
        assert hdus["SCI"].data.shape == (3, *SHAPE)
        np.testing.assert_array_equal(hdus["SCI"].data, image.integrations.sky)
        assert hdus["AREA"].data.shape == SHAPE


def test_a_dispersed_exposure_ends_as_flat_fielded_slopes(rng):
    planes, slope = reference_planes(rng), slope_image(rng, exp_type="NRC_WFSS")
    run = Runner(planes, Bench())
    done = slope_to_flat_slope(slope, run, SlopeToSky())
    expected = slope.planes.slope / planes.flat
    np.testing.assert_allclose(done.planes.slope, expected, rtol=1e-6)
    assert done.extras["VAR_FLAT"].shape == SHAPE
    assert [step.step for step in run.trail] == ["flat"]


def test_a_dedicated_background_is_subtracted_with_its_noise(rng):
    slope, others = slope_image(rng), [slope_image(rng) for _ in range(4)]
    planes = with_backgrounds(
        reference_planes(rng), slope.header, others, DedicatedBackgroundParams()
    )
    image, _ = walk(slope, planes)
    plain, _ = walk(slope, replace(planes, dedicated_background=None))
    assert abs(np.nanmean(image.sky)) < 0.01 < np.nanmean(plain.sky)
    assert np.nanmedian(image.err / plain.err) == pytest.approx(1.25**0.5, rel=0.05)


def test_a_background_of_another_filter_is_refused(rng):
    other = slope_image(rng, filter="F150W")
    with pytest.raises(ValueError, match="no background for"):
        with_backgrounds(
            reference_planes(rng), make_header(), [other], DedicatedBackgroundParams()
        )


def test_bit_planes_go_with_the_pixels_and_stripes_stay_behind(rng):
    slope = slope_image(rng)
    extras = {
        "ARTIFACT": np.ones(SHAPE, np.uint32),
        "STRIPES": np.ones(SHAPE, np.float32),
    }
    image, _ = walk(replace(slope, extras=extras), reference_planes(rng))
    assert list(image.extras) == ["ARTIFACT"]


@pytest.fixture(scope="module")
def sample(shared, tmp_path_factory):
    """A rate file with the header and references of a shared raw exposure."""
    folder = shared / "sample"
    raw = folder / "raw" / "jw02736001001_02103_00001_nrcb1_uncal.fits"
    references = folder / "references" / "nrcb1_F200W"
    header = read_header(raw)
    rng = np.random.default_rng(3)
    size = (header.readout.n_rows, header.readout.n_cols)
    slope = SlopeImage(header=header, planes=random_planes(rng, size))
    path = tmp_path_factory.mktemp("sample") / f"{header.root}_rate.fits"
    write_slope(path, slope, Provenance(version="0"))
    files = FolderSource(references).select(header, SKY_KINDS)
    return path, references, load_sky_planes(files, header)


@pytest.fixture(scope="module")
def of_jwst(sample):
    """What assign_wcs, flat_field and photom of ``jwst`` make of it."""
    from jwst.assign_wcs.assign_wcs import load_wcs
    from jwst.assign_wcs.util import update_fits_wcsinfo
    from jwst.flatfield.flat_field import do_correction
    from jwst.photom.photom import DataSet
    from stdatamodels.jwst import datamodels

    path, references, _ = sample
    names = {
        kind: str(next(references.glob(f"*_{kind}_*")))
        for kind in ("distortion", "filteroffset", "flat", "photom", "area")
    }
    model = datamodels.ImageModel(path)
    load_wcs(model, {kind: names[kind] for kind in ("distortion", "filteroffset")})
    update_fits_wcsinfo(model, max_pix_error=0.01, max_inv_pix_error=0.01, npoints=12)
    with datamodels.FlatModel(names["flat"]) as flat:
        do_correction(model, flat)
    return DataSet(model).apply_photom(names["photom"], names["area"])


@pytest.mark.parity
@pytest.mark.shared
def test_calibrated_planes_are_those_of_jwst(sample, of_jwst):
    path, _, planes = sample
    image, _ = walk(read_slope(path), planes)
    pairs = {
        "sky": of_jwst.data,
        "err": of_jwst.err,
        "var_poisson": of_jwst.var_poisson,
        "var_read": of_jwst.var_rnoise,
        "var_flat": of_jwst.var_flat,
        "area": of_jwst.area,
    }
    for name, theirs in pairs.items():
        np.testing.assert_allclose(
            getattr(image, name), theirs, rtol=1e-5, err_msg=name
        )
    np.testing.assert_array_equal(image.flags, of_jwst.dq)
    assert ((image.flags & JUMP) != 0).any()
    assert ((image.flags & DO_NOT_USE) != 0).any()
    said = of_jwst.meta.photometry
    flux = image.photometry
    assert flux.mjy_sr_per_dn_s == pytest.approx(said.conversion_megajanskys, rel=1e-6)
    assert flux.pixel_area_sr == pytest.approx(said.pixelarea_steradians, rel=1e-6)


@pytest.mark.parity
@pytest.mark.shared
def test_the_written_wcs_is_that_of_jwst(sample, of_jwst, tmp_path):
    from stdatamodels.jwst import datamodels

    path, _, planes = sample
    image, _ = walk(read_slope(path), planes)
    world = product_wcs(image.geometry, planes, image.header)
    written = tmp_path / path.name.replace("_rate", "_cal")
    write_sky(written, image, world.gwcs, world.cards, Provenance(version="0"))
    x, y = np.meshgrid(np.linspace(0, 319, 9), np.linspace(0, 319, 9))
    theirs = np.array(of_jwst.meta.wcs(x, y))
    with datamodels.open(written) as model:
        np.testing.assert_allclose(model.meta.wcs(x, y), theirs, rtol=0, atol=1e-12)
        assert model.meta.wcs.available_frames == of_jwst.meta.wcs.available_frames
        box = of_jwst.meta.wcs.bounding_box.bounding_box(order="F")
        assert model.meta.wcs.bounding_box.bounding_box(order="F") == box
        ours, other = model.meta.wcsinfo, of_jwst.meta.wcsinfo
        assert ours.s_region == other.s_region
        np.testing.assert_allclose(
            [ours.crpix1, ours.crpix2, ours.crval1, ours.crval2],
            [other.crpix1, other.crpix2, other.crval1, other.crval2],
            rtol=1e-11,
        )
        np.testing.assert_allclose(
            [ours.cd1_1, ours.cd1_2, ours.cd2_1, ours.cd2_2],
            [other.cd1_1, other.cd1_2, other.cd2_1, other.cd2_2],
            rtol=1e-4,
        )
        assert model.meta.photometry.pixelarea_arcsecsq == pytest.approx(
            of_jwst.meta.photometry.pixelarea_arcsecsq, rel=1e-6
        )
    stored = stored_geometry(written)
    np.testing.assert_array_equal(stored.v2v3_arcsec, image.geometry.v2v3_arcsec)
