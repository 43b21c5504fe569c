import numpy as np
import pytest

from rampline import flags
from rampline.detector.band import PixelNoise, RampBand
from rampline.detector.ramp_fit import ols, ols_kernels
from rampline.detector.ramp_fit.ols import slope_coefficients
from rampline.detector.ramp_fit.planes import empty_slopes, rows_of
from rampline.detector.ramp_fit.slopes import SlopeParams, fit_slopes
from rampline.flags import CHARGELOSS, DO_NOT_USE, JUMP, PERSISTENCE, SATURATED
from tests.twins import detector as twins

from .exposures import make_readout
from .ramps import nasty_band, stcal_slopes

JWST = SlopeParams(algorithm="jwst", one_group_ramps=False)
KEEP = SlopeParams(algorithm="jwst", one_group_ramps=True)


def fit_one(counts, marks=None, params=JWST, zero=None, pattern="RAPID"):
    cube = np.array(counts, np.float32).reshape(1, -1, 1, 1)
    group_flags = np.zeros(cube.shape, np.uint8)
    if marks is not None:
        group_flags[0, :, 0, 0] = marks
    plane = np.ones((1, 1), np.float32)
    first = None if zero is None else np.full((1, 1, 1), zero, np.float32)
    band = RampBand(cube, group_flags, np.zeros((1, 1), np.uint32), first)
    readout = make_readout(pattern, cube.shape)
    fit = fit_slopes(band, PixelNoise(2 * plane, 5 * plane), readout, params).exposure
    return fit, readout


def test_a_straight_ramp_gives_its_slope():
    fit, readout = fit_one([3, 13, 23, 33])
    assert fit.slope[0, 0] == pytest.approx(10 / readout.group_s)
    assert fit.flags[0, 0] == 0


def test_a_jump_cuts_the_ramp_in_two():
    fit, readout = fit_one([0, 10, 510, 520], [0, 0, JUMP, 0])
    assert fit.slope[0, 0] == pytest.approx(10 / readout.group_s)
    assert fit.flags[0, 0] == JUMP


def test_read_variance_is_that_of_two_reads():
    fit, readout = fit_one([0, 10])
    assert fit.var_read[0, 0] == pytest.approx(2 * 25 / readout.group_s**2)
    assert fit.err[0, 0] ** 2 == pytest.approx(
        fit.var_read[0, 0] + fit.var_poisson[0, 0]
    )


def test_saturation_ends_a_ramp_but_not_its_slope():
    fit, readout = fit_one([0, 10, 20, 900], [0, 0, 0, SATURATED])
    assert fit.slope[0, 0] == pytest.approx(10 / readout.group_s)
    assert fit.flags[0, 0] == SATURATED


def test_a_ramp_that_is_saturated_throughout_has_no_slope():
    fit, _ = fit_one([9e4, 9e4, 9e4], [SATURATED] * 3)
    assert np.isnan(fit.slope[0, 0])
    assert fit.flags[0, 0] == SATURATED | DO_NOT_USE
    assert fit.err[0, 0] == fit.var_read[0, 0] == 0


def test_one_good_group_is_dropped_or_kept():
    marks = [0, SATURATED, SATURATED]
    dropped, _ = fit_one([50, 9e4, 9e4], marks)
    kept, readout = fit_one([50, 9e4, 9e4], marks, KEEP)
    assert np.isnan(dropped.slope[0, 0])
    assert kept.slope[0, 0] == pytest.approx(50 / readout.frame_s)


def test_the_zero_frame_saves_a_ramp_that_saturates_at_once():
    fit, readout = fit_one([9e4] * 3, [SATURATED] * 3, KEEP, zero=80, pattern="DEEP8")
    assert fit.slope[0, 0] == pytest.approx(80 / readout.frame_s)


def test_a_ramp_of_jumps_alone_has_no_slope():
    fit, _ = fit_one([0, 10], [JUMP, JUMP])
    assert np.isnan(fit.slope[0, 0])
    assert fit.flags[0, 0] & DO_NOT_USE


def test_coefficients_recover_a_unit_slope_whatever_the_power():
    table = slope_coefficients(7)
    for length in range(2, 8):
        ramp = 5.0 + np.arange(7.0)
        np.testing.assert_allclose(table[length] @ ramp, 1.0, atol=1e-12)


def test_a_band_written_in_pieces_equals_the_whole(rng):
    band, noise, readout = nasty_band(rng, shape=(2, 6, 32, 32))
    whole = fit_slopes(band, noise, readout, JWST)
    pieces = empty_slopes(2, 32, 32)
    for rows in (slice(0, 7), slice(7, 32)):
        part = RampBand(
            band.counts[:, :, rows],
            band.group_flags[:, :, rows],
            band.pixel_flags[rows],
        )
        own = PixelNoise(noise.gain[rows], noise.read_noise_dn[rows])
        fit_slopes(part, own, readout, JWST, out=rows_of(pieces, rows))
    np.testing.assert_array_equal(whole.exposure.slope, pieces.exposure.slope)
    np.testing.assert_array_equal(whole.integrations.err, pieces.integrations.err)


def decorate(rng, band, noise):
    """Add jumps, persistence, charge loss, bad pixels, unknown gains and a zero frame."""
    group_flags = band.group_flags
    shape = group_flags.shape
    group_flags[(rng.random(shape) < 0.08) & (group_flags == 0)] |= JUMP
    group_flags[rng.random(shape) < 0.01] |= PERSISTENCE
    group_flags[rng.random(shape) < 0.01] |= CHARGELOSS | DO_NOT_USE
    group_flags[:, :, :3] |= SATURATED
    band.pixel_flags[rng.random(shape[2:]) < 0.02] |= DO_NOT_USE
    noise.gain[rng.random(shape[2:]) < 0.01] = np.nan
    zero = 0.2 * band.counts[:, 0]
    zero[rng.random(zero.shape) < 0.3] = np.nan
    return band._replace(zero_frame=zero)


def without_a_segment(band):
    """Ramps that no group can start: there stcal gives a slope of 0 without an error."""
    clean = band.group_flags & ~np.uint8(PERSISTENCE)
    lost = (clean & (DO_NOT_USE | SATURATED) != 0).all(axis=1)
    return ~(clean == 0).any(axis=1) & ~lost & (clean[:, 0] & SATURATED == 0)


@pytest.mark.parity
@pytest.mark.parametrize("params", [JWST, KEEP])
@pytest.mark.parametrize(
    ("shape", "pattern"),
    [
        ((1, 2, 48, 48), "DEEP8"),
        ((1, 3, 48, 48), "RAPID"),
        ((1, 9, 48, 48), "MEDIUM8"),
        ((2, 4, 48, 48), "RAPID"),
        ((3, 6, 48, 48), "SHALLOW4"),
        ((1, 20, 48, 48), "DEEP8"),
    ],
)
def test_slopes_and_variances_equal_those_of_stcal(rng, shape, pattern, params):
    band, noise, readout = nasty_band(rng, pattern, shape)
    band = decorate(rng, band, noise)
    keep = params.one_group_ramps
    planes, cubes = stcal_slopes(band, noise, readout, keep_one_group=keep)
    fit = fit_slopes(band, noise, readout, params)
    odd = without_a_segment(band)
    assert odd.mean() < 0.02
    for ours, theirs, known in (
        (fit.exposure, planes, ~odd.any(axis=0)),
        (fit.integrations, cubes, ~odd),
    ):
        np.testing.assert_array_equal(ours.flags[known], theirs["dq"][known])
        usable = known & (theirs["dq"] & DO_NOT_USE == 0)
        for name, plane in (("slope", ours.slope), ("err", ours.err)):
            np.testing.assert_allclose(plane[known], theirs[name][known], rtol=1e-5)
        # after charge loss, ramps that are not to be used have a read variance there,
        # and an integration saved by its zero frame has none
        usable &= theirs["var_rnoise"] > 0
        for name, plane in (("poisson", ours.var_poisson), ("rnoise", ours.var_read)):
            np.testing.assert_allclose(
                plane[usable], theirs[f"var_{name}"][usable], rtol=1e-5
            )


@pytest.mark.parity
def test_a_single_group_equals_that_of_stcal(rng):
    band, noise, readout = nasty_band(rng, "RAPID", (1, 1, 48, 48))
    planes, _ = stcal_slopes(band, noise, readout)
    fit = fit_slopes(band, noise, readout, JWST).exposure
    np.testing.assert_array_equal(fit.flags, planes["dq"])
    np.testing.assert_allclose(fit.slope, planes["slope"], rtol=1e-5)
    np.testing.assert_allclose(fit.err, planes["err"], rtol=1e-5)


def test_an_unknown_gain_is_named():
    cube = np.zeros((1, 3, 1, 1), np.float32)
    plane = np.full((1, 1), np.nan, np.float32)
    band = RampBand(cube, np.zeros(cube.shape, np.uint8), np.zeros((1, 1), np.uint32))
    readout = make_readout("RAPID", cube.shape)
    fit = fit_slopes(band, PixelNoise(plane, plane), readout, JWST).exposure
    assert fit.flags[0, 0] == flags.NO_GAIN_VALUE | DO_NOT_USE


@pytest.mark.parametrize("params", [JWST, KEEP])
def test_the_kernel_equals_its_twin(rng, params):
    band, noise, readout = nasty_band(rng, "SHALLOW4", (2, 6, 12, 12))
    band = decorate(rng, band, noise)
    block = ols._take_block(band, noise, readout, slice(0, 12))
    n_ints, n_groups, n_pixels = block.counts.shape
    table = slope_coefficients(n_groups)
    times = ols_kernels.Times(
        readout.group_s, readout.frame_s, 2.5 * readout.frame_s, params.one_group_ramps
    )
    bits = ols_kernels.Bits(DO_NOT_USE, SATURATED, JUMP, PERSISTENCE, CHARGELOSS)
    ours, theirs = (
        ols_kernels.Result(
            np.zeros((4, n_ints + 1, n_pixels), np.float32),
            np.zeros((n_ints + 1, n_pixels), np.uint32),
        )
        for _ in range(2)
    )
    for result in (ours, theirs):
        result.flags[:, np.isnan(block.gain)] = DO_NOT_USE
    pixels = np.arange(n_pixels)
    ols_kernels.fit_pixels(block, pixels, table, times, bits, ours)
    scratch = ols_kernels.Scratch(
        np.empty((n_ints, n_groups), np.uint8),
        np.empty((n_ints, n_groups)),
        np.empty(n_groups),
        np.empty((n_groups + 1, 2), np.int64),
        np.empty(n_ints),
        np.empty(n_ints, np.uint32),
        np.empty(n_ints, np.bool_),
        np.empty(n_ints, np.bool_),
    )
    twins.fit_pixels(block, pixels, table, times, bits, theirs, scratch)
    np.testing.assert_array_equal(ours.flags, theirs.flags)
    np.testing.assert_allclose(ours.planes, theirs.planes, rtol=1e-5)


def test_the_short_way_for_clean_pixels_equals_its_twin_and_the_long_way(rng):
    band, noise, readout = nasty_band(
        rng, "SHALLOW4", (1, 6, 12, 12), lost=0, saturated=0
    )
    block = ols._take_block(band, noise, readout, slice(0, 12))
    table, pixels = slope_coefficients(6), np.arange(144)
    times = ols_kernels.Times(readout.group_s, readout.frame_s, 1.0, False)
    bits = ols_kernels.Bits(DO_NOT_USE, SATURATED, JUMP, PERSISTENCE, CHARGELOSS)
    done = [
        ols_kernels.Result(
            np.zeros((4, 2, 144), np.float32), np.zeros((2, 144), np.uint32)
        )
        for _ in range(3)
    ]
    ols_kernels.fit_clean_pixels(block, pixels, table, times, done[0])
    twins.fit_clean_pixels(block, pixels, table, times, done[1])
    ols_kernels.fit_pixels(block, pixels, table, times, bits, done[2])
    np.testing.assert_allclose(done[0].planes, done[1].planes, rtol=1e-5)
    np.testing.assert_allclose(done[0].planes, done[2].planes, rtol=1e-6)


@pytest.mark.parametrize("n_groups", [2, 3, 8, 9])
def test_steps_are_sorted_along_the_ramp(rng, n_groups):
    values = rng.integers(0, 9, (n_groups, 40)).astype(np.float64)
    ours, theirs = np.empty((2, n_groups - 1, 40))
    ols_kernels._sort_steps(values, ours)
    twins.sort_steps(values, theirs)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("algorithm", ["jwst", "gls"])
@pytest.mark.parametrize("shape", [(1, 1, 8, 16), (1, 3, 8, 16), (20, 4, 8, 16)])
def test_a_slope_is_missing_exactly_where_it_must_not_be_used(rng, shape, algorithm):
    band, noise, readout = nasty_band(rng, "DEEP8", shape, saturated=0.1)
    band.counts[rng.random(shape) < 0.05] = np.nan
    noise.gain[0, :8] = np.nan, np.nan, -1, -1, 0, 0, 1, 1
    noise.read_noise_dn[1, :4] = np.nan, np.nan, 0, 0
    fit = fit_slopes(band, noise, readout, SlopeParams(algorithm=algorithm))
    for planes in (fit.exposure, fit.integrations):
        lost = planes.flags & DO_NOT_USE != 0
        np.testing.assert_array_equal(np.isnan(planes.slope), lost)
        for plane in (planes.err, planes.var_poisson, planes.var_read):
            assert np.isfinite(plane).all()
            assert not plane[lost].any()
