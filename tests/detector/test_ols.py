import numpy as np
import pytest

from rampline import flags
from rampline.detector.band import PixelNoise, RampBand
from rampline.detector.ramp_fit import ols, ols_kernels, ols_rows
from rampline.detector.ramp_fit.ols import slope_coefficients
from rampline.detector.ramp_fit.planes import empty_slopes, rows_of
from rampline.detector.ramp_fit.slopes import SlopeParams, fit_slopes
from rampline.detector.ramp_fit.whole_ramps import noise_of, samples_of
from rampline.flags import CHARGELOSS, DO_NOT_USE, JUMP, PERSISTENCE, SATURATED
from tests.twins.detector import ols as twins

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
            told = theirs[name][known]
            np.testing.assert_allclose(plane[known], told, rtol=1e-5, atol=1e-8)
        # after charge loss, ramps that are not to be used have a read variance there,
        # and an integration saved by its zero frame has none
        usable &= theirs["var_rnoise"] > 0
        for name, plane in (("poisson", ours.var_poisson), ("rnoise", ours.var_read)):
            np.testing.assert_allclose(
                plane[usable], theirs[f"var_{name}"][usable], rtol=1e-5, atol=1e-8
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
    block, _ = ols._take_block(band, noise, readout, slice(0, 12))
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
    ols_kernels.fit_pixels(block, table, times, bits, ours)
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
    twins.fit_pixels(block, table, times, bits, theirs, scratch)
    np.testing.assert_array_equal(ours.flags, theirs.flags)
    np.testing.assert_allclose(ours.planes, theirs.planes, rtol=1e-5)


ROW_BITS = DO_NOT_USE, SATURATED, JUMP


def nasty_rows(rng, n_groups=6, n_cols=700):
    """Ramps wider than the scratch, with all that can be wrong with them."""
    band, noise, readout = nasty_band(rng, "SHALLOW4", (1, n_groups, 6, n_cols))
    band, rows = decorate(rng, band, noise), slice(2, 5)
    band.counts[rng.random(band.counts.shape) < 0.003] = np.nan
    noise.read_noise_dn[rng.random((6, n_cols)) < 0.02] = 0
    own = noise_of(noise, rows)
    dark = rng.uniform(0, 0.1, own.gain.size).astype(np.float32)
    table = slope_coefficients(n_groups)
    model = ols_rows.make_model(table, readout.group_s, readout.n_frames)
    samples = samples_of(band, 0, rows)
    return samples, own._replace(dark=dark), model, band.pixel_flags[rows].flatten()


def empty_rows(marks):
    return ols_rows.Planes(*np.zeros((5, marks.size), np.float32), marks.copy())


@pytest.mark.parametrize("n_groups", [3, 6, 9, 25])
def test_fitting_rows_equals_its_twin(rng, n_groups):
    samples, noise, model, marks = nasty_rows(rng, n_groups)
    found = []
    for room in (ols_rows, twins):
        planes, rest = empty_rows(marks), np.zeros(marks.size, np.int32)
        with np.errstate(all="ignore"):
            n = room.fit_rows(samples, noise, model, ROW_BITS, planes, rest)
        found.append((planes, rest[:n]))
    (ours, rest), (theirs, told) = found
    np.testing.assert_array_equal(rest, told)
    kept = np.setdiff1d(np.arange(marks.size), rest)
    assert kept.size > 100
    np.testing.assert_array_equal(ours.flags[kept], theirs.flags[kept])
    for one, other in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_allclose(one[kept], other[kept], rtol=2e-5, atol=1e-5)


def test_each_part_of_the_fit_of_rows_equals_its_twin(rng):
    samples, noise, model, marks = nasty_rows(rng)
    noise.gain[:], noise.read_noise[:] = 2.0, 5.0
    samples.counts[np.isnan(samples.counts)] = 0.0
    n, span = 300, (740, 300)
    rooms = (ols_rows, twins)
    made = [(room, twins.ols_scratch(6, n), empty_rows(marks)) for room in rooms]
    for room, scratch, out in made:
        room.take_ramps(samples, span, scratch)
        room.take_pixels(noise, span, model.n_frames, scratch)
        room.drop_steps(n, ROW_BITS, scratch)
        room.find_rates(n, model.group_s, scratch)
        room.choose_slopes(n, model, scratch)
        room.write_whole_ramps(span, model, scratch, out)
        room.judge_ramps(span, ROW_BITS, out.flags, scratch)
        n_segments = room.list_segments(n, ROW_BITS, scratch)
        scratch.segments[:, n_segments:] = 0
        room.fit_segments(n_segments, model, scratch)
        room.write_cut_ramps(span, model, ROW_BITS, scratch, out)
    (_, ours, one), (_, theirs, other) = made
    assert set(ours.state) == {0, 1, 2}
    for name in ("ramp", "flags", "seen", "n_used", "state", "segments"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    rate = [scratch.line[ols_rows._RATE] for scratch in (ours, theirs)]
    np.testing.assert_allclose(rate[0], rate[1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours.slope[0], theirs.slope[0], rtol=1e-4, atol=1e-4)
    for mine, twin in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, twin, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours.sums, theirs.sums, rtol=1e-3, atol=1e-3)


def test_rows_and_the_long_way_agree(rng):
    band, noise, readout = nasty_band(rng, "MEDIUM8", (1, 9, 4, 600))
    band = decorate(rng, band, noise)
    rows = slice(0, 4)
    short, long = empty_slopes(1, 4, 600), empty_slopes(1, 4, 600)
    ols.fit_ols(band, noise, readout, rows, False, short)
    part = ols._take_block(band, noise, readout, rows)
    ols._fit_block(*part, readout, False, long)
    for one, other in (
        (short.exposure, long.exposure),
        (short.integrations, long.integrations),
    ):
        np.testing.assert_array_equal(one.flags, other.flags)
        for name in ("slope", "err", "var_poisson", "var_read"):
            mine, theirs = getattr(one, name), getattr(other, name)
            np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-6)


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
