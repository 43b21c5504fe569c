from dataclasses import replace

import numpy as np
import pytest

from rampline.artifacts.bits import SHELL, TADPOLE
from rampline.artifacts.grism_sky import GrismSkyParams
from rampline.exposure.records import SlopeImage, SlopePlanes
from rampline.flags import DO_NOT_USE, OTHER_BAD_PIXEL
from rampline.pipeline.grism_exposure import (
    GRISM_SKY,
    GrismParams,
    GrismPath,
    SkyPattern,
    SourceList,
    clean_grism,
    join_sources,
    make_pattern,
    subtract_sky,
    with_flat,
)
from rampline.pipeline.runner import Bench, Runner
from rampline.simulation.grism import disperse
from rampline.simulation.instrument import DETECTORS, passband
from rampline.simulation.optics import PointSpread
from rampline.simulation.painting import Palette
from rampline.simulation.scattered import tadpoles as ghosts

from ..astrometry.fields import sky_planes
from ..simulation.scattered.views import sources, stars, view
from .exposures import make_header

BAND, SIDE, N_BRIGHT = "F322W2", 2048, 60
NOISE, ERR_SCALE = 0.012, 720.0
SMALL_SIDE = 256


def _palette(seen, rows, cols, ab_mag):
    """Point sources with wings that fall with the third power."""
    offset = (np.arange(241) - 120) / 4.0
    radius2 = offset[:, None] ** 2 + offset[None, :] ** 2
    core = np.exp(-0.5 * radius2 / 0.85**2)
    wing = 1.0 / (1.0 + radius2 / 9.0) ** 1.5
    values = 0.85 * core / (core.sum() / 16.0) + 0.15 * wing / (wing.sum() / 16.0)
    v2, v3 = seen.camera.pixel_to_focal(rows, cols)
    return Palette(
        camera=seen.camera,
        spread=PointSpread(
            values=values.astype(np.float32), oversample=4, cutoff=0.999
        ),
        sources=sources(v2, v3, ab_mag, colour=0.0),
        position=np.stack([rows, cols], axis=-1),
        rate=10.0 ** (-0.4 * (ab_mag - 27.9)),
        pictures=(),
        dn_s_per_jy=1.0,
        faintest=1e-6,
    )


class Scene:
    """Spectra of sixty bright sources and a thousand faint ones, ghosts apart."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        seen = view("NRCBLONG", BAND, grism="GRISMC")
        n = N_BRIGHT + 1000
        rows, cols = rng.uniform(-1370, 2040, n), rng.uniform(10, 2030, n)
        rows[:N_BRIGHT] = rng.uniform(-1370, 650, N_BRIGHT)
        cols[:N_BRIGHT] = rng.uniform(60, 1990, N_BRIGHT)
        ab_mag = 20.5 + 6.0 * rng.power(2.5, n)
        ab_mag[:N_BRIGHT] = rng.uniform(15.0, 20.0, N_BRIGHT)
        palette = _palette(seen, rows, cols, ab_mag)
        self.spectra = np.zeros((SIDE, SIDE))
        disperse(
            self.spectra, palette, (DETECTORS["NRCBLONG"], passband(BAND), "GRISMC")
        )
        v2, v3 = seen.camera.pixel_to_focal(rows, cols)
        points = stars(seen, v2, v3, ab_mag, colour=0.0)
        on = ghosts.TadpoleParams(enabled=True)
        self.tadpoles, _ = ghosts.tadpoles(seen, on, points)
        on = ghosts.ShellParams(enabled=True)
        found, _ = ghosts.shells(seen, on, points)
        self.shells = np.zeros((SIDE, SIDE)) if found is None else found
        row, col, peak = ghosts._heads(seen, points)
        self.heads = np.rint(row[:N_BRIGHT]), np.rint(col[:N_BRIGHT]), peak[:N_BRIGHT]
        self.list = SourceList(points.ra_deg, points.dec_deg, ab_mag)
        y, x = np.mgrid[:SIDE, :SIDE] / SIDE
        self.sky = 0.6 * (1.0 + 0.1 * x - 0.08 * y + 0.05 * np.sin(6.0 * x))
        self.rng = rng

    def image(self, light):
        rate = light + self.sky
        err = np.sqrt(rate / ERR_SCALE + NOISE**2)
        slope = (rate + self.rng.normal(size=rate.shape) * err).astype(np.float32)
        planes = SlopePlanes(
            slope=slope,
            err=err.astype(np.float32),
            var_poisson=(rate / ERR_SCALE).astype(np.float32),
            var_read=np.full(rate.shape, NOISE**2, np.float32),
            flags=np.zeros(rate.shape, np.uint32),
        )
        header = make_header(
            detector="NRCBLONG",
            channel="LONG",
            filter=BAND,
            pupil="GRISMC",
            exp_type="NRC_WFSS",
        )
        readout = replace(
            header.readout, n_rows=SIDE, n_cols=SIDE, row_start=0, col_start=0
        )
        pointing = replace(
            header.pointing,
            v2_ref_arcsec=0.0,
            v3_ref_arcsec=-495.0,
            ra_ref_deg=150.1,
            dec_ref_deg=2.2,
            roll_ref_deg=20.0,
        )
        return SlopeImage(
            header=replace(header, readout=readout, pointing=pointing), planes=planes
        )

    def clean(self, light):
        shape = self.sky.shape
        even = np.ones(shape, np.float32)
        run = Runner(sky_planes(shape, flat=even, flat_err=0 * even), Bench())
        pattern = SkyPattern(
            light=self.sky.astype(np.float32),
            err=0 * even,
            flags=np.zeros(shape, np.uint32),
            origin="truth",
        )
        image = self.image(light)
        return clean_grism(image, run, pattern, self.list, GrismPath())


@pytest.fixture(scope="module")
def scene():
    return Scene(11)


def test_tadpoles_of_known_sources_are_flagged_and_little_else(scene):
    found = scene.clean(scene.spectra + scene.tadpoles)
    bits, planes = found.image.extras["ARTIFACT"], found.image.planes
    row, col, peak = scene.heads
    inside = (row >= 0) & (row < SIDE) & (col >= 0) & (col < SIDE)
    row, col, peak = (values[inside] for values in (row, col, peak))
    at = row.astype(int), col.astype(int)
    strong = peak > 5.0 * planes.err[at]
    assert strong.sum() > 40
    flagged = (bits & TADPOLE) > 0
    assert flagged[at][strong].mean() >= 0.95
    assert flagged.mean() < 0.0125
    assert (flagged & (scene.tadpoles < 0.3 * planes.err)).mean() < 1e-4
    assert ((planes.flags[flagged] & OTHER_BAD_PIXEL) > 0).all()
    assert not (planes.flags & DO_NOT_USE).any()
    assert ((bits & SHELL) > 0).mean() < 1e-3
    assert found.sky.factor == pytest.approx(1.0, abs=0.02)


def test_without_ghosts_nothing_is_flagged(scene):
    found = scene.clean(scene.spectra)
    assert (found.image.extras["ARTIFACT"] > 0).mean() < 1e-3


def test_shells_are_flagged(scene):
    found = scene.clean(scene.spectra + scene.tadpoles + scene.shells)
    shell = (found.image.extras["ARTIFACT"] & SHELL) > 0
    seen = scene.shells > found.image.planes.err
    assert seen.sum() > 5000
    assert shell[seen].mean() > 0.5
    assert (shell & (scene.shells < 0.1 * found.image.planes.err)).mean() < 5e-3


def _small(rng, level, flat):
    """A blank dispersed exposure, what its sky is, and a pixel that is lost."""
    shape = (SMALL_SIDE, SMALL_SIDE)
    y, x = np.mgrid[:SMALL_SIDE, :SMALL_SIDE] / SMALL_SIDE
    sky = level * (1.0 + 0.2 * x - 0.1 * y)
    noise = rng.normal(0.0, 0.02, shape)
    slope = ((sky + noise) * flat).astype(np.float32)
    flags = np.zeros(shape, np.uint32)
    slope[5, 5], flags[5, 5] = np.nan, DO_NOT_USE
    whole = np.full(shape, 0.02, np.float32)
    planes = SlopePlanes(
        slope=slope, err=whole, var_poisson=0 * whole, var_read=whole**2, flags=flags
    )
    header = make_header(detector="NRCALONG", pupil="GRISMR", exp_type="NRC_WFSS")
    return SlopeImage(header=header, planes=planes), sky


@pytest.fixture
def flat(rng):
    shape = (SMALL_SIDE, SMALL_SIDE)
    values = rng.uniform(0.95, 1.05, shape).astype(np.float32)
    return sky_planes(shape, flat=values, flat_err=0 * values)


def test_the_visit_tells_its_own_sky_and_what_goes_is_kept(rng, flat):
    images = [_small(rng, level, flat.flat)[0] for level in (0.4, 0.5, 0.6)]
    pattern = with_flat(make_pattern(images, flat, GrismSkyParams()), flat)
    image, sky = _small(rng, 0.5, flat.flat)
    nobody = SourceList(*(np.empty(0),) * 3)
    params = GrismPath()
    found = clean_grism(image, Runner(flat, Bench()), pattern, nobody, params)
    done = found.image
    assert abs(np.nanmedian(done.planes.slope)) < 0.001
    off = (done.extras[GRISM_SKY] - sky)[20:-20, 20:-20]
    assert np.std(off) < 0.1 * 0.02
    whole = done.planes.slope + done.extras[GRISM_SKY]
    assert np.nanmax(np.abs(whole * flat.flat - image.planes.slope)) < 1e-5
    before = image.planes.var_read / flat.flat**2
    assert (done.planes.var_read > before).mean() > 0.9
    assert "ARTIFACT" not in done.extras


def test_no_pattern_or_no_wish_leaves_the_sky(rng, flat):
    image, _ = _small(rng, 0.5, flat.flat)
    nobody = SourceList(*(np.empty(0),) * 3)
    off = GrismParams(grism_sky=GrismSkyParams(enabled=False))
    pattern = SkyPattern(
        flat.flat, 0 * flat.flat, np.zeros(flat.flat.shape, np.uint32), "visit"
    )
    for known, params in ((None, GrismParams()), (pattern, off)):
        run = Runner(flat, Bench())
        found = clean_grism(image, run, known, nobody, GrismPath(grism=params))
        assert found.sky is None
        assert GRISM_SKY not in found.image.extras


def test_pixels_without_a_pattern_are_of_no_use(rng, flat):
    image, sky = _small(rng, 0.5, flat.flat)
    light = (sky * flat.flat).astype(np.float32)
    light[30, 40] = np.nan
    flags = np.zeros(light.shape, np.uint32)
    pattern = SkyPattern(light, 0 * light, flags, "file")
    done, fit = subtract_sky(image, pattern, flat.flat, GrismSkyParams())
    assert fit.factor == pytest.approx(1.0, abs=0.01)
    assert done.planes.flags[30, 40] & DO_NOT_USE


def test_an_exposure_without_usable_pixels_stays_as_it_is(rng, flat):
    image, sky = _small(rng, 0.5, flat.flat)
    lost = np.full(sky.shape, DO_NOT_USE, np.uint32)
    image = replace(image, planes=replace(image.planes, flags=lost))
    pattern = SkyPattern(sky.astype(np.float32), 0 * flat.flat, 0 * lost, "file")
    done, fit = subtract_sky(image, pattern, flat.flat, GrismSkyParams())
    assert np.isnan(fit.factor)
    assert done is image


def test_two_exposures_make_no_pattern(rng, flat):
    images = [_small(rng, 0.5, flat.flat)[0]] * 2
    assert make_pattern(images, flat, GrismSkyParams()) is None


def test_of_two_entries_of_one_source_the_brighter_stays():
    ra, dec = np.array([150.0, 150.1]), np.array([2.0, 2.0])
    first = SourceList(ra, dec, np.array([20.0, np.nan]))
    second = SourceList(ra + 2e-5, dec, np.array([18.0, 19.0]))
    joined = join_sources([first, second])
    assert joined.ab_mag.tolist() == [18.0, 19.0]
    empty = SourceList(*(np.empty(0),) * 3)
    assert join_sources([empty]).ab_mag.size == 0
