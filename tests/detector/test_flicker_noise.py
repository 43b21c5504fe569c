import numpy as np
import pytest

from rampline.detector import stripes as stripes_room
from rampline.detector.flicker_noise import (
    FlickerNoiseParams,
    Sources,
    describe_rows,
    remove_flicker_noise,
)
from rampline.exposure.timing import Readout
from rampline.flags import DO_NOT_USE
from tests.twins.detector import pixels as twins

PARAMS = FlickerNoiseParams()
SHAPE = (256, 2048)


def make_readout(shape=SHAPE, n_outputs=4, fast_axis=-1, slow_axis=2):
    return Readout(
        pattern="RAPID",
        n_ints=1,
        n_groups=5,
        n_frames=1,
        n_dropped=0,
        frame_s=10.7,
        group_s=10.7,
        subarray="FULL",
        row_start=0,
        col_start=0,
        n_rows=shape[0],
        n_cols=shape[1],
        fast_axis=fast_axis,
        slow_axis=slow_axis,
        n_outputs=n_outputs,
    )


READOUT = make_readout()


def no_flags(shape=SHAPE):
    return np.zeros(shape, np.uint32)


def stripes(rng, shape=SHAPE, n_outputs=4, own=0.1, common=0.1):
    """Levels of amplifier rows, a common and an own part, zero on average."""
    levels = own * rng.normal(size=(n_outputs, shape[0]))
    levels += common * rng.normal(size=shape[0])
    levels -= levels.mean(axis=1, keepdims=True)
    width = shape[1] // n_outputs
    return np.repeat(levels.T, width, axis=1).astype(np.float32)


def white(rng, shape=SHAPE):
    return rng.normal(size=shape).astype(np.float32)


def test_stripes_on_blank_sky_are_removed(rng):
    added = stripes(rng)
    done = remove_flicker_noise(7.0 + white(rng) + added, no_flags(), READOUT, PARAMS)
    left = done.stripes - added
    assert left.std() < 1.1 / np.sqrt(512)
    assert left.std() == pytest.approx(done.stripe_err.mean(), rel=0.15)


def test_the_sky_level_and_a_tilted_sky_are_kept(rng):
    sky = 7.0 + np.linspace(-0.3, 0.3, SHAPE[0])[:, None].astype(np.float32)
    image = sky + white(rng)
    done = remove_flicker_noise(image, no_flags(), READOUT, PARAMS)
    assert done.stripes.mean() == pytest.approx(0, abs=1e-6)
    assert np.abs(done.stripes.reshape(16, 16, -1).mean((1, 2))).max() < 0.03


def test_what_is_removed_is_returned(rng):
    image = white(rng) + stripes(rng)
    done = remove_flicker_noise(image, no_flags(), READOUT, PARAMS)
    np.testing.assert_allclose(done.slope + done.stripes, image, atol=1e-6)


def test_the_flat_field_leaves_no_stripes_behind(rng):
    flat = 1 + 0.1 * np.sin(np.arange(SHAPE[0]) / 3.0)[:, None] * np.ones(SHAPE)
    flat = flat.astype(np.float32)
    image = (20 * flat + white(rng)).astype(np.float32)
    kept = remove_flicker_noise(image, no_flags(), READOUT, PARAMS, flat=flat)
    eaten = remove_flicker_noise(image, no_flags(), READOUT, PARAMS)
    assert kept.stripes.std() < 0.06
    assert eaten.stripes.std() > 0.3


def test_a_source_does_not_pull_its_rows_down(rng):
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(rows - 128, cols - 700)
    galaxy = (100 * np.exp(-distance / 15)).astype(np.float32)
    done = remove_flicker_noise(galaxy + white(rng), no_flags(), READOUT, PARAMS)
    wing = (distance > 50) & (distance < 120)
    assert abs(done.stripes[wing].mean()) < 0.02


def test_an_amplifier_row_full_of_sources_borrows_from_the_others(rng):
    added = stripes(rng, own=0.02, common=0.3)
    image = white(rng) + added
    image[100:140, 512:1024] += 50
    done = remove_flicker_noise(image, no_flags(), READOUT, PARAMS)
    assert done.usable[1, 105:135].max() < 0.15
    covered = (slice(105, 135), slice(512, 1024))
    left = done.stripes[covered] - added[covered]
    assert left.std() < 0.3 * added[covered].std()


def test_bad_pixels_do_not_count(rng):
    image = white(rng)
    flags = no_flags()
    bad = rng.random(SHAPE) < 0.1
    image[bad] = np.where(rng.random(bad.sum()) < 0.5, np.nan, 1e4)
    flags[bad] = DO_NOT_USE
    done = remove_flicker_noise(image, flags, READOUT, PARAMS)
    assert np.isfinite(done.stripes).all()
    assert np.abs(done.stripes).max() < 0.3


def test_a_scene_is_not_mistaken_for_stripes(rng):
    scene = 5 * np.abs(np.sin(np.arange(SHAPE[0]) / 5.0))[:, None] * np.ones(SHAPE)
    scene = scene.astype(np.float32)
    image = scene + white(rng)
    scene = Sources(scene, scene > 0)
    done = remove_flicker_noise(image, no_flags(), READOUT, PARAMS, scene=scene)
    assert done.stripes.std() < 0.06


def test_one_output_is_one_stripe_a_row(rng):
    shape = (160, 160)
    added = stripes(rng, shape, n_outputs=1, own=0.5)
    image = white(rng, shape) + added
    one = make_readout(shape, n_outputs=1)
    done = remove_flicker_noise(image, no_flags(shape), one, PARAMS)
    left = (done.stripes - added).mean(axis=1)
    # a drift linear in time and a tilted sky look the same: it is kept as sky
    tilt = np.polyval(np.polyfit(np.arange(160), left, 1), np.arange(160))
    assert (left - tilt).std() < 0.11


def test_without_a_usable_pixel_nothing_is_removed():
    image = np.full((16, 64), np.nan, np.float32)
    flags = np.full(image.shape, DO_NOT_USE, np.uint32)
    done = remove_flicker_noise(image, flags, READOUT, PARAMS)
    assert not done.stripes.any()


@pytest.mark.parametrize("has_flat", [True, False])
def test_the_kernel_equals_its_twin(rng, has_flat):
    image = rng.normal(5, 1, (20, 37)).astype(np.float32)
    image[rng.random(image.shape) < 0.1] = np.nan
    flags = rng.integers(0, 4, image.shape).astype(np.uint32)
    shape = image.shape if has_flat else (1, 1)
    flat = rng.uniform(0.9, 1.1, shape).astype(np.float32)
    ours, theirs = np.zeros((2, 2, 20, 5), np.float32)
    flat = flat if has_flat else np.ones((1, 1), np.float32)
    square = stripes_room._fill_strips(image, flags, 2, flat, (5.0, 1.5), tuple(ours))
    other = twins.fill_strips(image, flags, 2, flat, (5.0, 1.5), theirs)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert square == pytest.approx(other, rel=1e-5)


def test_pedestals_of_amplifiers_are_told_from_a_sloping_sky(rng):
    pedestal = np.repeat([0.3, -0.1, 0.2, -0.4], 512).astype(np.float32)
    sky = np.linspace(-0.5, 0.5, SHAPE[1], dtype=np.float32)
    done = remove_flicker_noise(
        white(rng) + pedestal + sky, no_flags(), READOUT, PARAMS
    )
    np.testing.assert_allclose(done.stripes.mean(axis=0), pedestal, atol=0.05)


@pytest.mark.parametrize("height", [0.5, 1.5, -1.5])
def test_one_high_amplifier_is_no_source(rng, height):
    image = 7.0 + white(rng) + np.repeat(np.float32([0, 0, height, 0]), 512)
    done = remove_flicker_noise(image, no_flags(), READOUT, PARAMS)
    columns = done.slope.mean(axis=0).reshape(4, 512).mean(axis=1)
    assert np.ptp(columns) < 0.05
    assert done.usable.min() > 0.7


def test_covered_rows_follow_the_drift_of_those_around(rng):
    rows = np.arange(2048)
    drift = np.array([np.cumsum(rng.normal(0, 0.02, 2048)) for _ in range(4)])
    drift -= np.polynomial.Polynomial.fit(rows, drift.mean(0), 1)(rows)
    added = np.repeat(drift.T, 128, axis=1).astype(np.float32)
    shape = added.shape
    image = white(rng, shape) + added
    image[1000:1040, 128:256] += 50
    done = remove_flicker_noise(image, no_flags(shape), make_readout(shape), PARAMS)
    covered = (slice(1000, 1040), slice(128, 256))
    step = done.stripes.mean() - added.mean()
    left = done.stripes[covered].mean() - added[covered].mean() - step
    assert abs(left) < 0.5 * drift.std()
    assert done.usable[1, 1010:1030].max() == 0.0


def test_how_well_each_row_is_known_is_described_by_rows_and_outputs(rng):
    image = white(rng) + stripes(rng)
    image[100:140, 512:1024] += 50
    done = remove_flicker_noise(image, no_flags(), READOUT, PARAMS)
    said = describe_rows(done.stripe_err, done.usable)
    assert said["STRIPES_SKY"].shape == (SHAPE[0], 4)
    assert said["STRIPES_SKY"][110:130, 1].max() == 0.0
    assert said["STRIPES_SKY"][110:130, 0].min() > 0.5
    covered = said["STRIPES_ERR"][110:130, 1]
    assert covered.min() > said["STRIPES_ERR"][110:130, 0].max()
