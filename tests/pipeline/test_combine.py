"""From sky images to a mosaic: outliers, memory, threads, and the JWST pipeline."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from rampline import flags
from rampline.files.scratch import ScratchPlanes
from rampline.mosaic.drizzle import DrizzleParams
from rampline.mosaic.noise_curve import NoiseCurveParams
from rampline.mosaic.outliers import OutlierParams
from rampline.pipeline.combine import MEMORY, Dither, combine_dithers, mark_outliers
from rampline.pipeline.dither_set import DitherSet, PlaneStore
from rampline.pipeline.exposure_cache import ExposureCache
from rampline.pipeline.runner import Bench, Runner

from ..astrometry.fields import opened_grid
from . import dithers as field

QUIET = NoiseCurveParams(enabled=False)
JWST = (
    OutlierParams(algorithm="jwst", snr_first=5.0, snr_second=4.0),
    DrizzleParams(weight="read"),
    QUIET,
)
DEFAULT = (OutlierParams(), DrizzleParams(), QUIET)


def as_dither(image, level=None):
    return Dither(
        header=image.header,
        geometry=image.geometry,
        level_mjy_sr=image.background_mjy_sr if level is None else level,
        load=lambda: image,
    )


def combine(images, params=DEFAULT, grid=None, threads=1, store=MEMORY):
    with Bench(threads) as bench:
        return combine_dithers(
            [as_dither(image) for image in images],
            grid or field.grid(),
            "field",
            Runner(None, bench),
            params,
            store,
        )


def test_a_mosaic_of_one_exposure_has_no_outliers(rng):
    made = combine(field.make_field(rng, 1))
    assert not made.outliers[0].any()
    assert np.isfinite(made.mosaic.sky).sum() > 9000
    assert made.mosaic.context.max() == 1


def test_hits_are_found_and_leave_the_mosaic(rng):
    images = field.make_field(rng, 4)
    clean = combine(images).mosaic
    struck = [field.hit(image, rng) for image in images]
    made = combine([image for image, _ in struck])
    inner = (slice(12, -12), slice(12, -12))
    pairs = zip(struck, made.outliers, strict=True)
    missed = sum((where & ~found)[inner].sum() for (_, where), found in pairs)
    n_hits = sum(w[inner].sum() for _, w in struck)
    assert missed < 0.05 * n_hits
    both = np.isfinite(clean.sky) & np.isfinite(made.mosaic.sky)
    both &= clean.context[0] == 15
    change = ((made.mosaic.sky - clean.sky) / clean.err)[both]
    assert np.std(change) < 0.5
    off = combine(
        [image for image, _ in struck],
        (OutlierParams(enabled=False), *DEFAULT[1:]),
    )
    assert not any(found.any() for found in off.outliers)
    assert np.nanmax(np.abs(off.mosaic.sky - clean.sky)[both] / clean.err[both]) > 20


def test_of_two_exposures_only_the_one_that_was_hit_is_flagged(rng):
    images = field.make_field(rng, 2)
    struck, where = field.hit(images[0], rng)
    first, second = combine([struck, images[1]]).outliers
    inner = (slice(14, -14), slice(14, -14))
    assert (where & first)[inner].sum() > 0.9 * where[inner].sum()
    assert second[inner].sum() < 5


def test_two_exposures_show_hits_of_ten_sigma_beside_bad_pixels_too(rng):
    first, second = field.make_field(rng, 2)
    rows, cols = np.mgrid[24:74:6, 24:74:6]
    excess = (first.sky - first.background_mjy_sr) / first.err
    blank = maximum_filter(np.nan_to_num(excess), 5)[rows, cols] < 4
    rows, cols = rows[blank], cols[blank]
    struck = first.sky.copy()
    struck[rows, cols] = first.background_mjy_sr + 10 * first.err[rows, cols]
    bad = first.flags.copy()
    bad[rows, cols + 1] |= flags.DO_NOT_USE
    for worse in (first.flags, bad):
        images = [replace(first, sky=struck, flags=worse), second]
        mine, other = combine(images).outliers
        assert mine[rows, cols].mean() > 0.95
        assert other.sum() <= 3


@pytest.mark.parametrize("n", [2, 3])
def test_a_moving_object_leaves_a_trail_in_no_mosaic(rng, n):
    images = field.make_field(rng, n)
    rows, cols = np.indices(images[0].sky.shape) - 48
    struck, trails, dark = [], [], []
    for k, image in enumerate(images):
        apart = rows * np.cos(0.7) + cols * np.sin(0.7) - 16 * (k - 1)
        snr = 20 * np.exp(-0.5 * (apart / 0.9) ** 2)
        excess = (image.sky - image.background_mjy_sr) / image.err
        blank = maximum_filter(np.nan_to_num(excess), 5) < 5
        light = (snr * image.err).astype(np.float32)
        struck.append(replace(image, sky=image.sky + light))
        trails.append((snr > 7) & blank)
        dark.append((snr < 0.1) & blank)
    inner = (slice(20, -20), slice(20, -20))
    made = combine(struck).outliers
    for found, trail, rest in zip(made, trails, dark, strict=True):
        assert found[inner][trail[inner]].mean() > 0.95
        assert found[inner][rest[inner]].mean() < 1e-3


def test_the_sky_is_the_truth_within_its_errors(rng):
    made = combine(field.make_field(rng, 6)).mosaic
    blank = (made.context[0] == 63) & (made.sky < 5 * made.err)
    chi = made.sky[blank] / made.err[blank]
    assert np.median(chi) == pytest.approx(0.0, abs=0.1)
    assert 1.4826 * np.median(np.abs(chi)) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("n", [2, 4])
def test_threads_and_memory_change_nothing(rng, tmp_path, n):
    images = [field.hit(image, rng)[0] for image in field.make_field(rng, n)]
    one = combine(images)
    scratch = ScratchPlanes(tmp_path)
    mapped = PlaneStore(0, scratch.make, scratch.release)
    for threads, store in (
        (2, MEMORY),
        (2, PlaneStore(0)),
        (1, PlaneStore(0)),
        (2, mapped),
    ):
        other = combine(images, threads=threads, store=store)
        for ours, theirs in zip(one.outliers, other.outliers, strict=True):
            assert np.array_equal(ours, theirs)
        for name in ("sky", "err", "weight", "exposure_s", "context", "var_flat"):
            ours, theirs = getattr(one.mosaic, name), getattr(other.mosaic, name)
            assert np.array_equal(ours, theirs, equal_nan=True)


def test_the_exposure_time_is_that_of_the_contributors(rng):
    made = combine(field.make_field(rng, 3)).mosaic
    full = made.context[0] == 7
    assert np.all(made.exposure_s[full] == 841 + 842 + 843)


def test_marked_exposures_keep_their_flags_and_gain_those_of_outliers(rng):
    image = field.make_field(rng, 1)[0]
    found = np.zeros(image.sky.shape, np.bool_)
    found[4, 5] = True
    before = image.sky.copy()
    aligned = replace(image.geometry, correction=np.full((2, 3), 0.5))
    marked = mark_outliers(image, found, aligned)
    gained = marked.flags & ~image.flags
    assert gained[4, 5] & flags.OUTLIER
    assert (gained != 0).sum() == 1
    assert marked.flags[4, 5] & flags.DO_NOT_USE
    assert marked.geometry is aligned
    assert marked.background_mjy_sr == image.background_mjy_sr
    assert np.array_equal(image.sky, before, equal_nan=True)


def to_model(image):
    """The same exposure as a data model of the JWST pipeline."""
    from stdatamodels.jwst import datamodels

    from rampline.astrometry.footprint import s_region
    from rampline.astrometry.gwcs_model import build_gwcs

    model = datamodels.ImageModel(image.sky.copy())
    model.dq, model.err = image.flags.copy(), image.err.copy()
    model.var_poisson = image.var_poisson.copy()
    model.var_rnoise = image.var_read.copy()
    model.var_flat = image.var_flat.copy()
    head = image.header
    model.meta.wcs = build_gwcs(field.sky_planes(), head.pointing, head.readout)
    model.meta.wcs.array_shape = image.sky.shape
    model.meta.wcsinfo.s_region = s_region(image.geometry)
    model.meta.wcsinfo.ra_ref = head.pointing.ra_ref_deg
    model.meta.wcsinfo.dec_ref = head.pointing.dec_ref_deg
    model.meta.filename = f"{head.root}_cal.fits"
    model.meta.observation.observation_number = "001"
    for name in ("program_number", "visit_number", "visit_group", "sequence_id"):
        setattr(model.meta.observation, name, "1")
    model.meta.observation.activity_id = "1"
    model.meta.observation.exposure_number = head.root[-11:-6]
    model.meta.exposure.exposure_time = head.exposure_s
    model.meta.exposure.measurement_time = head.exposure_s
    model.meta.exposure.duration = head.exposure_s
    model.meta.exposure.start_time = head.start_mjd
    model.meta.exposure.end_time = head.end_mjd
    model.meta.exposure.type = "NRC_IMAGE"
    model.meta.instrument.name = "NIRCAM"
    model.meta.photometry.pixelarea_steradians = field.PIXEL_SR
    model.meta.bunit_data = "MJy/sr"
    model.meta.background.level = image.background_mjy_sr
    model.meta.background.subtracted = False
    return model


def resample_as_jwst(images, grid):
    from jwst.datamodels import ModelLibrary
    from jwst.resample.resample import ResampleImage

    library = ModelLibrary([to_model(image) for image in images], on_disk=False)
    return ResampleImage(
        library,
        good_bits="~DO_NOT_USE+NON_SCIENCE",
        blendheaders=False,
        output_wcs={"wcs": opened_grid(grid), "pixel_scale": grid.scale_arcsec},
        compute_err="from_var",
    ).resample_many_to_one()


@pytest.mark.parity
@pytest.mark.parametrize(("angle", "scale"), [(0.0, 0.03), (78.0, 0.0311)])
def test_the_jwst_pipeline_resamples_to_the_same_sky_and_weight(rng, angle, scale):
    images = field.make_field(rng, 4)
    grid = field.grid(150, angle, scale)
    no_outliers = OutlierParams(enabled=False)
    ours = combine(images, (no_outliers, *JWST[1:]), grid).mosaic
    theirs = resample_as_jwst(images, grid)
    both = (ours.weight > 0) & (theirs.wht > 0)
    # an overlap below 1e-6 of a pixel may be there for one and not for the other
    assert ((ours.weight > 1) != (theirs.wht > 1)).sum() == 0
    assert both.sum() > 9000
    # their sums are float32: single rounding of a bright star is more than 1e-4 sigma
    allowed = 1e-4 * ours.err + 2e-7 * np.abs(ours.sky)
    excess = (np.abs(ours.sky - theirs.data) / allowed)[both]
    assert np.mean(excess > 1) < 1e-3
    assert excess.max() < 10  # thinly covered edges
    weight = np.abs(ours.weight[both] / theirs.wht[both] - 1)
    assert np.percentile(weight, 99) < 1e-5
    contributes = theirs.con[0].view(np.uint32)
    assert np.mean(ours.context[0].view(np.uint32) != contributes) < 1e-4
    # variances differ on purpose: theirs squares mean errors, ours has squared weights
    ratio = np.median((ours.err / theirs.err)[both & (ours.context[0] == 15)])
    assert 0.6 < ratio < 0.9


@pytest.mark.parity
def test_the_jwst_pipeline_finds_the_same_outliers(rng, monkeypatch):
    from jwst.datamodels import ModelLibrary
    from jwst.outlier_detection import imaging
    from jwst.resample import resample

    images = [field.hit(image, rng)[0] for image in field.make_field(rng, 5)]
    grid = field.grid(140, 12.0, 0.0311)
    output = {"wcs": opened_grid(grid), "pixel_scale": grid.scale_arcsec}
    original = resample.ResampleImage

    def on_our_grid(*args, **kwargs):
        return original(*args, output_wcs=output, **kwargs)

    monkeypatch.setattr(imaging.resample, "ResampleImage", on_our_grid)
    library = ModelLibrary([to_model(image) for image in images], on_disk=False)
    imaging.detect_outliers(
        library, False, "~DO_NOT_USE", 0.7, 5.0, 4.0, 1.2, 0.7, 0.0, True, "ivm",
        1.0, "square", "NAN", True, None,
    )  # fmt: skip
    ours = combine(images, JWST, grid).outliers
    with library:
        found = []
        for model in library:
            found.append(model.dq & flags.OUTLIER != 0)
            library.shelve(model, modify=False)
    differing = sum((a != b).sum() for a, b in zip(ours, found, strict=True))
    agreeing = sum((a & b).sum() for a, b in zip(ours, found, strict=True))
    assert agreeing > 80
    # ours leave the rim alone where one exposure looks, and clip input weights instead of
    # drizzled ones
    assert differing < 0.05 * agreeing


@pytest.mark.parametrize(
    ("shape", "threads", "n_windows"),
    [((3000, 2000), 2, 24), ((600, 600), 2, 8), ((600, 600), 1, 4), ((100, 90), 4, 2)],
)
def test_windows_are_large_but_enough_for_all_threads(shape, threads, n_windows):
    with Bench(threads) as bench:
        dither_set = DitherSet(
            cache=ExposureCache(float, 0, 1), maps=(), boxes=(), shape=shape,
            bench=bench, store=MEMORY, fwhm_px=2.0, outliers=[],
        )  # fmt: skip
        windows = dither_set.windows()
    assert len(windows) == n_windows
    assert sum(np.prod(window.shape) for window in windows) == np.prod(shape)
